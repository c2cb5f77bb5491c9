/**
 * What is remembered of one record as a whole: its properties, its doubts and its one call. The
 * decisions of the walk read and write a record through these.
 */
import {
  type Call,
  type DoubtReason,
  type PropertyState,
  propertyOf,
  type RecordState,
} from './state.ts';

export function withProperty(
  record: RecordState,
  name: string,
  property: PropertyState,
): RecordState {
  if (record.properties[name] === property) return record;
  return { ...record, properties: { ...record.properties, [name]: property } };
}

/** The record with one property changed by `change`. */
export function mapProperty(
  record: RecordState,
  name: string,
  change: (property: PropertyState) => PropertyState,
): RecordState {
  return withProperty(record, name, change(propertyOf(record, name)));
}

/** Something was learned of HubSpot's side: a reading that began before is thrown away. */
export function learned(record: RecordState): RecordState {
  return { ...record, revision: record.revision + 1 };
}

/** HubSpot's state isn't provable: nothing is sent until the record was read and judged. */
export function doubt(record: RecordState, reason: DoubtReason): RecordState {
  if (record.doubt.includes(reason)) return record;
  return { ...record, doubt: [...record.doubt, reason] };
}

/** Whether the call under way carries the property. */
export function carries(record: RecordState, property: string): boolean {
  return record.call !== null && Object.hasOwn(record.call.values, property);
}

export function withCall(record: RecordState, call: Call | null): RecordState {
  return { ...record, call };
}

export function wantComparison(record: RecordState): RecordState {
  return record.compareWanted ? record : { ...record, compareWanted: true };
}

/** To be stored in the transaction that writes the compare message to the WAL. */
export function comparisonEmitted(record: RecordState): RecordState {
  return record.compareWanted ? { ...record, compareWanted: false } : record;
}

/**
 * Whether a call was left by a process that died: its outcome is unknown and `giveUp` follows.
 * `term` is the term of the lease that is held now.
 */
export function isAbandoned(call: Call, term: number): boolean {
  return call.term !== term;
}
