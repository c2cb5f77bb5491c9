/**
 * Third step outwards: what an answer means, or the lack of one. An answer tells what HubSpot holds
 * and brackets when our write was made; whatever it doesn't prove is a doubt.
 */
import { exactly, holds, inboundTime, learn, withOutcome } from './property.ts';
import { doubt, learned, mapProperty, wantComparison, withCall, withProperty } from './record.ts';
import { product, type Terms } from './rules.ts';
import {
  type Bracket,
  type Call,
  type Carried,
  type DoubtReason,
  type Millis,
  type Pending,
  type Pendings,
  type PropertyState,
  propertyOf,
  type RecordState,
  type Value,
} from './state.ts';

export interface Answer {
  readonly request: string;
  /** HubSpot's clock, from the answer's body. */
  readonly startedAt: Millis;
  readonly completedAt: Millis;
  /** What the answer says that HubSpot holds now, in canonical form. */
  readonly values: Readonly<Record<string, Value | undefined>>;
}

export interface Settled {
  readonly record: RecordState;
  readonly pendings: Pendings;
  /** `record.compareWanted` was set. */
  readonly compare: boolean;
  /** Properties that HubSpot is now known to hold as sent. */
  readonly settled: readonly string[];
  /** Properties of which a reading must tell what became. */
  readonly doubted: readonly string[];
}

/** An answer to the call under way; one of any other request changes nothing. Ends the call. */
export function settleRecord(
  record: RecordState,
  pendings: Pendings,
  answer: Answer,
  terms: Terms = product,
): Settled {
  const { call } = record;
  if (call?.request !== answer.request) {
    return { record, pendings, compare: false, settled: [], doubted: [] };
  }
  const settled: string[] = [];
  const doubted: string[] = [];
  let next = learned(withCall(record, null));
  for (const [name, carried] of Object.entries(call.values)) {
    const time = timeOf(carried, answer, terms);
    const before = propertyOf(record, name);
    const property = withOutcome(before, call.request, 'settled', time);
    const reason = doubtOf(carried, before, answer.values[name], time, terms);
    if (reason) {
      doubted.push(name);
      next = doubt(withProperty(next, name, property), reason);
    } else {
      settled.push(name);
      next = withProperty(next, name, settledProperty(property, carried, time, terms));
    }
  }
  const compare = call.compareAfter;
  return {
    record: compare ? wantComparison(next) : next,
    pendings: withoutSent(pendings, call),
    compare,
    settled,
    doubted,
  };
}

/**
 * The outcome is unknown: no answer, one that doesn't tell, or the process that made the call died.
 * HubSpot may have carried it out, or may do so any time later; what was sent waits to be repeated.
 */
export function giveUp(
  record: RecordState,
  pendings: Pendings,
  request: string,
  terms: Terms = product,
): { readonly record: RecordState; readonly pendings: Pendings; readonly compare: boolean } {
  const { call } = record;
  if (call?.request !== request) return { record, pendings, compare: false };
  const waiting: Record<string, Pending> = { ...pendings };
  let next = withCall(record, null);
  for (const [name, carried] of Object.entries(call.values)) {
    const time = carried.echo === null ? null : exactly(carried.echo);
    next = mapProperty(next, name, (property) => withOutcome(property, request, 'unknown', time));
    const pending = waiting[name];
    if (pending?.seq === carried.seq) waiting[name] = { ...pending, cause: 'repeat' };
  }
  if (terms.rules.readretry) next = doubt(next, 'readretry');
  if (call.compareAfter) next = wantComparison(next);
  return { record: next, pendings: waiting, compare: call.compareAfter };
}

/**
 * HubSpot refused these values for good: they aren't sent again until the row changes. The call
 * ends with it; what else it carried wasn't carried out and waits as before.
 */
export function refuseProperties(
  record: RecordState,
  pendings: Pendings,
  request: string,
  properties: readonly string[],
): { readonly record: RecordState; readonly pendings: Pendings; readonly compare: boolean } {
  const { call } = record;
  if (call?.request !== request) return { record, pendings, compare: false };
  const waiting: Record<string, Pending> = { ...pendings };
  let next = record;
  for (const name of properties) {
    const carried = call.values[name];
    if (!carried) continue;
    const pending = waiting[name];
    if (pending && pending.seq !== carried.seq) continue;
    delete waiting[name];
    next = mapProperty(next, name, (property) => ({ ...property, refused: carried.value }));
  }
  return { ...endCall(next, request), pendings: waiting };
}

/**
 * The call certainly did not happen (429, no connection): it was as if nothing had been sent. Its
 * lines leave the ledger, what waits stays as it was.
 */
export function endCall(
  record: RecordState,
  request: string,
): { readonly record: RecordState; readonly compare: boolean } {
  const { call } = record;
  if (call?.request !== request) return { record, compare: false };
  let next = withCall(record, null);
  for (const name of Object.keys(call.values)) {
    next = mapProperty(next, name, (property) => ({
      ...property,
      ledger: property.ledger.filter((line) => line.request !== request),
    }));
  }
  return {
    record: call.compareAfter ? wantComparison(next) : next,
    compare: call.compareAfter,
  };
}

/** Where the write lies: later than all that was known at the claim, exact if its echo came. */
function timeOf(carried: Carried, answer: Answer, { tolerance, rules }: Terms): Bracket {
  const high = answer.completedAt + tolerance;
  if (!rules.bound) return exactly(answer.completedAt);
  const low = Math.min(high, Math.max(answer.startedAt - tolerance, carried.after));
  const { echo } = carried;
  return echo !== null && holds({ low, high }, echo) ? exactly(echo) : { low, high };
}

function doubtOf(
  carried: Carried,
  property: PropertyState,
  answered: Value | undefined,
  time: Bracket,
  { rules }: Terms,
): DoubtReason | null {
  if (rules.answer && answered !== carried.value) return 'answer';
  if (rules.first && carried.again) return 'first';
  const { inbound } = property;
  if (!rules.bound || !inbound || inbound.time <= carried.inbound) return null;
  if (inbound.value === carried.value || !holds(time, inbound.time)) return null;
  return 'bound';
}

function settledProperty(
  property: PropertyState,
  carried: Carried,
  time: Bracket,
  { rules }: Terms,
): PropertyState {
  const next = learn(property, carried.value, time);
  const own = Math.max(next.own, time.high);
  // A push moves the clock only for a local value of the epoch that still lasts.
  const stands =
    !rules.epoch ||
    (carried.epoch === inboundTime(next) && carried.value !== (next.inbound?.value ?? null));
  return { ...next, own, standing: stands ? time : next.standing };
}

function withoutSent(pendings: Pendings, call: Call): Pendings {
  const waiting: Record<string, Pending> = { ...pendings };
  for (const [name, carried] of Object.entries(call.values)) {
    if (waiting[name]?.seq === carried.seq) delete waiting[name];
  }
  return waiting;
}
