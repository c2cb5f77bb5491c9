/**
 * A foreign key as a property: its value is the HubSpot id of the primary associated record, '' for
 * none, kept under the association's name among the record's properties. Associations have no
 * history: what waits here or isn't settled wins over what HubSpot announces; else the current set
 * is read, and HubSpot's is applied. Consuming, claiming and settling are those of any property.
 */
import { carries, doubt, learned, mapProperty } from './record.ts';
import { type Bracket, type Pending, propertyOf, type RecordState, type Value } from './state.ts';

/** One record that HubSpot associates ours with, each once. */
export interface Associated {
  readonly id: string;
  /** It has the type that HubSpot calls primary, or the mapping's own type. */
  readonly primary: boolean;
}

/** One association was made or removed. Doesn't tell what the primary is afterwards. */
export interface AssociationEvent {
  readonly toId: string;
  readonly removed: boolean;
}

/**
 * `local`: what waits here is going to overrule it; `same`: the primary is as it was, our own echo
 * included; `doubt`: the set must be read. Of a linked record only (`takesPropertyEvent`).
 */
export function receiveAssociation(
  record: RecordState,
  name: string,
  event: AssociationEvent,
  pending: Pending | undefined,
): { readonly outcome: 'local' | 'same' | 'doubt'; readonly record: RecordState } {
  const known = propertyOf(record, name).known?.value ?? '';
  const carried = carries(record, name) ? record.call?.values[name]?.value : undefined;
  const same = event.removed ? event.toId !== known : event.toId === known;
  // The call under way makes the one association and takes the other away.
  const expected =
    carried !== undefined && (event.removed ? event.toId !== carried : event.toId === carried);
  if (expected || (same && carried === undefined)) return { outcome: 'same', record };
  if (pending && carried === undefined) return { outcome: 'local', record };
  return { outcome: 'doubt', record: doubt(learned(record), 'association') };
}

/** The primary of a set, the only one where none is; undefined if several are and none is primary. */
export function primaryOf(set: readonly Associated[]): Value | undefined {
  const primary = set.find((associated) => associated.primary);
  if (primary) return primary.id;
  return set.length > 1 ? undefined : (set[0]?.id ?? '');
}

export interface JudgedAssociation {
  /**
   * `apply`: write the foreign key of the record `value` belongs to ('' null) with a mark and store
   * `appliedInbound` with the reading's `high` as its time (while that record has no row nothing is
   * applied, and HubSpot's stays unknown, so that no comparison takes it away); `send`: the row's is
   * newer, a comparison makes it pending; `several`: reported, nothing is changed.
   */
  readonly outcome: 'same' | 'local' | 'apply' | 'send' | 'several';
  /** What HubSpot holds; '' for none and for `several`. */
  readonly value: Value;
  readonly record: RecordState;
}

/**
 * Judges a set that was read, after `judgeExistence` and `judgeRecord` of the same reading. `row` is
 * the HubSpot id that the row's foreign key stands for, '' for null, undefined where the other row
 * has no HubSpot id yet.
 */
export function judgeAssociation(
  record: RecordState,
  name: string,
  read: { readonly set: readonly Associated[]; readonly time: Bracket },
  row: Value | undefined,
  pending: Pending | undefined,
): JudgedAssociation {
  const settled = { ...record, doubt: record.doubt.filter((reason) => reason !== 'association') };
  const value = primaryOf(read.set);
  if (value === undefined) return { outcome: 'several', value: '', record: settled };
  const before = propertyOf(record, name).known;
  const next = learned(
    mapProperty(settled, name, (property) => ({ ...property, known: { value, time: read.time } })),
  );
  if (pending) return { outcome: 'local', value, record: next };
  if (row === value) return { outcome: 'same', value, record: next };
  // HubSpot is as it was known, or was never told of it: the row's is the newer one.
  const unchanged = before ? before.value === value : value === '';
  if (unchanged) return { outcome: row === undefined ? 'same' : 'send', value, record: next };
  return { outcome: 'apply', value, record: learned(settled) };
}
