/**
 * The step inwards: what a webhook's property change means, and what is remembered when a foreign
 * value was applied to the row. Called under the record's lock, and under the row's where it is
 * applied.
 */
import { exactly, holds, isExact, isOwnWrite, learn, withOutcome } from './property.ts';
import { carries, doubt, learned, mapProperty, withCall, withProperty } from './record.ts';
import { product, type Terms } from './rules.ts';
import {
  type DoubtReason,
  type Millis,
  type Pendings,
  type PropertyState,
  propertyOf,
  type RecordState,
  type Value,
} from './state.ts';

export interface PropertyEvent {
  readonly property: string;
  /** Canonical form. */
  readonly value: Value;
  /** `occurredAt`. */
  readonly time: Millis;
  /** Its source is our app. */
  readonly ours: boolean;
}

export interface Received {
  /**
   * `stale`: something newer is known; `same`: it was applied already; `echo`: our own write;
   * `doubt`: the record must be read; `apply`: lock the row, write the value if the row differs,
   * emit the mark in any case, and store `appliedInbound`.
   */
  readonly outcome: 'stale' | 'same' | 'echo' | 'doubt' | 'apply';
  readonly record: RecordState;
  readonly reason?: DoubtReason;
}

/** Decides what an event means. `_pendings` is for policies that let a pending value win. */
export function receiveEvent(
  record: RecordState,
  event: PropertyEvent,
  _pendings: Pendings = {},
  terms: Terms = product,
): Received {
  const property = propertyOf(record, event.property);
  if (isOwnWrite(property, event)) return receiveEcho(record, property, event, terms);
  const { outcome, reason } = judgeForeign(record, property, event, terms);
  if (outcome !== 'apply' && outcome !== 'doubt') return { outcome, record };
  if (reason) return doubted(record, reason);
  // HubSpot wrote it in our name: when it did so in respect of our own writes only a reading tells.
  if (event.ours) return doubted(record, 'own-unknown');
  return { outcome: 'apply', record };
}

/** A foreign value was applied to the row in this transaction, and its mark emitted. */
export function appliedInbound(
  record: RecordState,
  name: string,
  inbound: { readonly value: Value; readonly time: Millis; readonly text?: string | null },
  terms: Terms = product,
): RecordState {
  return learned(
    mapProperty(record, name, (property) => ({
      ...learn(property, inbound.value, exactly(inbound.time)),
      inbound,
      standing: terms.rules.epoch ? null : property.standing,
      refused: null,
    })),
  );
}

function doubted(record: RecordState, reason: DoubtReason): Received {
  return { outcome: 'doubt', record: doubt(learned(record), reason), reason };
}

function judgeForeign(
  record: RecordState,
  property: PropertyState,
  event: PropertyEvent,
  { tolerance, rules }: Terms,
): { outcome: 'stale' | 'same' | 'doubt' | 'apply'; reason?: DoubtReason } {
  const { inbound, standing, known } = property;
  if (inbound) {
    const later = event.time - inbound.time;
    if (event.value === inbound.value && Math.abs(later) <= tolerance) {
      // One event told twice (by a webhook and by a reading), unless something came in between.
      const between = carries(record, event.property) || known?.value !== inbound.value;
      if (later <= 0 || !between) return { outcome: 'same' };
      return { outcome: 'doubt', reason: 'sametime' };
    }
    // Times that may be rounded don't order two values of one second.
    if (later <= 0) {
      return -later <= tolerance && event.value !== inbound.value
        ? { outcome: 'doubt', reason: 'sametime' }
        : { outcome: 'stale' };
    }
  }
  if (rules.bound && isNearOwn(property, event.time, tolerance)) {
    return { outcome: 'doubt', reason: 'bound' };
  }
  return { outcome: standing && event.time <= standing.high ? 'stale' : 'apply' };
}

function receiveEcho(
  record: RecordState,
  property: PropertyState,
  event: PropertyEvent,
  { tolerance, rules }: Terms,
): Received {
  if (!rules.echo) return { outcome: 'echo', record };
  const { value, time } = event;
  const carried = record.call?.values[event.property];
  // A write that was given up may be the one that is told of here, so it can't vouch for another.
  const certain = !property.ledger.some(
    (line) => line.value === value && line.outcome === 'unknown',
  );
  if (record.call && carried?.value === value && time > carried.after) {
    const values = { ...record.call.values };
    if (certain) values[event.property] = { ...carried, echo: time };
    const told = withOutcome(property, record.call.request, 'under-way', exactly(time));
    const raised = withProperty(record, event.property, {
      ...told,
      own: Math.max(told.own, time),
    });
    return { outcome: 'echo', record: learned(withCall(raised, { ...record.call, values })) };
  }
  const line = certain
    ? property.ledger.findLast(
        (sent) => sent.value === value && sent.time !== null && holds(sent.time, time),
      )
    : undefined;
  if (line) {
    return {
      outcome: 'echo',
      record: withProperty(record, event.property, sharpen(property, line.request, time)),
    };
  }
  if (isSurprise(property, event, tolerance)) {
    const own = Math.max(property.own, time);
    return doubted(withProperty(record, event.property, { ...property, own }), 'echo');
  }
  return { outcome: 'echo', record };
}

/** Whether times alone don't tell if a foreign value came before or after a write of ours. */
function isNearOwn(property: PropertyState, time: Millis, tolerance: Millis): boolean {
  const { standing, known, own, inbound } = property;
  if (Math.abs(time - own) <= tolerance || (standing && holds(standing, time))) return true;
  if (known === null || known.time.high === inbound?.time) return false;
  const slack = isExact(known.time) ? tolerance : 0;
  return time >= known.time.low - slack && time <= known.time.high + slack;
}

/** Whether an own write that nobody waits for may have changed what HubSpot is known to hold. */
function isSurprise(
  { known, own }: PropertyState,
  { value, time }: PropertyEvent,
  tolerance: Millis,
): boolean {
  if (time > own) return true;
  if (known === null) return false;
  // Which of two writes within the tolerance is the later one, their times don't tell.
  if (value === known.value) return time > known.time.high && time > own - tolerance;
  return time > known.time.low - tolerance;
}

/** The echo of a settled push makes its time exact wherever it is remembered. */
function sharpen(property: PropertyState, request: string, time: Millis): PropertyState {
  const { known, standing } = property;
  const blunt = property.ledger.find((line) => line.request === request)?.time;
  if (!blunt || isExact(blunt)) return property;
  const same = (bracket: { low: Millis; high: Millis }) =>
    bracket.low === blunt.low && bracket.high === blunt.high;
  const ledger = property.ledger.map((line) =>
    line.request === request ? { ...line, time: exactly(time) } : line,
  );
  const newest = Math.max(...ledger.map((line) => line.time?.high ?? 0));
  return {
    ...property,
    ledger,
    known: known && same(known.time) ? { ...known, time: exactly(time) } : known,
    standing: standing && same(standing) ? exactly(time) : standing,
    own: property.own === blunt.high ? Math.min(property.own, newest) : property.own,
  };
}

/**
 * Postgres refused the foreign value, and the row keeps `rowValue`: HubSpot's value stands there, and
 * the row's isn't sent over it until the row changes.
 */
export function refusedInbound(record: RecordState, name: string, rowValue: Value): RecordState {
  return mapProperty(record, name, (property) => ({ ...property, refused: rowValue }));
}
