/**
 * What is remembered of one property: the newest value known, the ledger of values sent, and whose
 * write an entry of HubSpot's history is. The decisions of the walk (consume, claim, settle,
 * receive, judge) stand on these.
 */
import {
  type Bracket,
  LEDGER_LENGTH,
  type Millis,
  type PropertyState,
  type Sent,
  type Value,
} from './state.ts';

/** A time that is known exactly. */
export function exactly(time: Millis): Bracket {
  return { low: time, high: time };
}

export function isExact(bracket: Bracket): boolean {
  return bracket.low === bracket.high;
}

export function holds(bracket: Bracket, time: Millis): boolean {
  return time >= bracket.low && time <= bracket.high;
}

/** Time of the inbound value; 0 where none was applied. */
export function inboundTime(property: PropertyState): Millis {
  return property.inbound?.time ?? 0;
}

/** Takes in a value that HubSpot holds or held; an older one than known changes nothing. */
export function learn(property: PropertyState, value: Value, time: Bracket): PropertyState {
  if (property.known && time.high < property.known.time.high) return property;
  return { ...property, known: { value, time } };
}

/** The ledger with one more line; the oldest falls out. */
export function withSent(property: PropertyState, line: Sent): PropertyState {
  return { ...property, ledger: [...property.ledger, line].slice(-LEDGER_LENGTH) };
}

/** The ledger with what became of a call. */
export function withOutcome(
  property: PropertyState,
  request: string,
  outcome: Sent['outcome'],
  time: Bracket | null,
): PropertyState {
  return {
    ...property,
    ledger: property.ledger.map((line) =>
      line.request === request ? { ...line, outcome, time } : line,
    ),
  };
}

export function wasSent(property: PropertyState, value: Value): boolean {
  return property.ledger.some((line) => line.value === value);
}

/**
 * Whether our app wrote an entry or event: its source is ours and the ledger knows the value, or it
 * is older than the ledger reaches. HubSpot writes defaults and derived values in our name too:
 * those are foreign.
 */
export function isOwnWrite(
  property: PropertyState,
  entry: { readonly value: Value; readonly time: Millis; readonly ours: boolean },
): boolean {
  if (!entry.ours) return false;
  if (wasSent(property, entry.value)) return true;
  const oldest = property.ledger.find((line) => line.time !== null)?.time;
  return oldest !== undefined && oldest !== null && entry.time < oldest.low;
}
