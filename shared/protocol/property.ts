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

/**
 * The ledger with one more line. What falls out is what is needed least: repetitions of a call
 * whose outcome is unknown, then settled lines, oldest first, of which the latest time is kept. A
 * line without an outcome stays as long as it can: HubSpot may carry its call out any time.
 */
export function withSent(
  property: PropertyState,
  line: Sent,
  length: number = LEDGER_LENGTH,
): PropertyState {
  const open = property.ledger.find((sent) => isOpen(sent) && sent.value === line.value);
  const ledger = property.ledger.filter(
    (sent) => sent === open || !isOpen(sent) || sent.value !== line.value,
  );
  let forgotten = property.forgotten ?? 0;
  while (ledger.length >= length) {
    const settled = ledger.findIndex((sent) => !isOpen(sent));
    const [gone] = ledger.splice(Math.max(settled, 0), 1);
    forgotten = Math.max(forgotten, gone?.time?.high ?? 0);
  }
  return {
    ...property,
    ledger: [...ledger, line],
    ...(forgotten > 0 ? { forgotten } : {}),
  };
}

function isOpen(sent: Sent): boolean {
  return sent.outcome === 'unknown';
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
  if (entry.time <= (property.forgotten ?? 0)) return true;
  const oldest = property.ledger.find((line) => line.time !== null)?.time;
  return oldest !== undefined && oldest !== null && entry.time < oldest.low;
}
