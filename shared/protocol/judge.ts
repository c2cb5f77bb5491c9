/**
 * What a reading of HubSpot's property history means: the answer to every doubt. A reading begins
 * only while no call of the record is under way, and counts only if nothing was learned since.
 */
import { exactly, inboundTime, isOwnWrite, learn } from './property.ts';
import { learned, wantComparison, withProperty } from './record.ts';
import { product, type Terms } from './rules.ts';
import {
  type Conflict,
  type DoubtReason,
  type HistoryEntry,
  type Millis,
  type Pendings,
  type PropertyState,
  propertyOf,
  type RecordState,
  type Value,
} from './state.ts';

/** Histories as read, newest entry first; a property that was never set has none. */
export interface Snapshot {
  /** What `beginRead` answered before the request was made. */
  readonly revision: number;
  readonly histories: Readonly<Record<string, readonly HistoryEntry[]>>;
}

/** A foreign value that is to be applied to the row in this transaction, with a mark. */
export interface Inbound {
  readonly property: string;
  readonly value: Value;
  readonly time: Millis;
}

export type Judged =
  | { readonly again: true; readonly record: RecordState }
  | {
      readonly again: false;
      readonly record: RecordState;
      readonly apply: readonly Inbound[];
      readonly pendings: Pendings;
      /** `record.compareWanted` was set. */
      readonly compare: boolean;
      /** Properties whose value HubSpot silently kept out. */
      readonly refused: readonly string[];
      readonly conflicts: readonly Conflict[];
    };

/** The doubts that a reading of the properties answers. */
const answered: ReadonlySet<DoubtReason> = new Set<DoubtReason>([
  'readretry',
  'first',
  'answer',
  'bound',
  'echo',
  'hist',
  'sametime',
  'own-unknown',
  'reconcile',
]);

/** The revision to hand back with what was read; undefined while a call is under way. */
export function beginRead(record: RecordState, terms: Terms = product): number | undefined {
  if (terms.rules.fresh && record.call) return undefined;
  return record.revision;
}

/**
 * Judges what was read, in one transaction under the record's lock and the row's. `row` is the row
 * as it stands, undefined where there is none. The caller applies what `apply` lists and stores
 * `appliedInbound` for each.
 */
export function judgeRecord(
  record: RecordState,
  pendings: Pendings,
  snapshot: Snapshot,
  row: Readonly<Record<string, Value>> | undefined,
  terms: Terms = product,
): Judged {
  if (terms.rules.fresh && (record.call || snapshot.revision !== record.revision)) {
    return { again: true, record };
  }
  const apply: Inbound[] = [];
  const refused: string[] = [];
  const conflicts: Conflict[] = [];
  let next = learned({
    ...record,
    doubt: record.doubt.filter((reason) => !answered.has(reason)),
  });
  for (const [name, history] of Object.entries(snapshot.histories)) {
    const before = propertyOf(record, name);
    const property = learnHistory(before, history, terms);
    const verdict = judgeProperty(property, history, row?.[name], terms);
    next = withProperty(next, name, verdict.property);
    if (verdict.apply) apply.push({ property: name, ...verdict.apply });
    if (verdict.refused !== undefined) {
      refused.push(name);
      const hubspot = history[0]?.value ?? '';
      conflicts.push({ property: name, local: verdict.refused, hubspot });
    }
  }
  if (row) next = wantComparison(next);
  return {
    again: false,
    record: next,
    apply,
    pendings,
    compare: row !== undefined,
    refused,
    conflicts,
  };
}

/** A fresh reading replaces what was known, its time and the newest own write outright. */
function learnHistory(
  property: PropertyState,
  history: readonly HistoryEntry[],
  { rules }: Terms,
): PropertyState {
  const current = history[0] ?? { value: '', time: 0, ours: false };
  const own = history.find((entry) => isOwnWrite(property, entry))?.time ?? 0;
  if (!rules.fresh) {
    const next = learn(property, current.value, exactly(current.time));
    return { ...next, own: Math.max(next.own, own) };
  }
  return { ...property, known: { value: current.value, time: exactly(current.time) }, own };
}

interface Verdict {
  readonly property: PropertyState;
  readonly apply?: { readonly value: Value; readonly time: Millis };
  readonly refused?: Value;
}

function judgeProperty(
  property: PropertyState,
  history: readonly HistoryEntry[],
  rowValue: Value | undefined,
  terms: Terms,
): Verdict {
  if (rowValue === undefined) return { property };
  const since = history.slice(0, seenIndex(property, history, terms.tolerance));
  const foreign = since.findIndex((entry) => !isOwnWrite(property, entry));
  // A local value's time is its first appearance: what repeats it later tells nothing new.
  const first =
    rowValue === property.inbound?.value
      ? -1
      : since.findLastIndex((entry) => isOwnWrite(property, entry) && entry.value === rowValue);
  const newest = since[foreign];
  if (newest && !(first >= 0 && first < foreign)) {
    return { property, apply: { value: newest.value, time: newest.time } };
  }
  const current = history[0];
  // Linked as they stood and never read since: where they differ it is HubSpot that wins.
  if (property.inbound?.assumed && rowValue === property.inbound.value && since.length === 0) {
    const value = current?.value ?? '';
    if (value === rowValue) return { property };
    return { property, apply: { value, time: inboundTime(property) } };
  }
  // Asked before the first appearance: a value that stood once may be kept out when it comes again.
  if (current && wasKeptOut(property, history, rowValue)) {
    return {
      property: { ...property, refused: rowValue },
      apply: { value: current.value, time: Math.max(current.time, inboundTime(property)) },
      refused: rowValue,
    };
  }
  const entry = since[first];
  return entry ? { property: { ...property, standing: exactly(entry.time) } } : { property };
}

/**
 * Where in the history (newest first) begins what is not newer than the inbound value: at the entry
 * that is the inbound value itself, told with another clock, or else by time.
 */
function seenIndex(
  { inbound }: PropertyState,
  history: readonly HistoryEntry[],
  tolerance: Millis,
): number {
  if (!inbound) return history.length;
  let match = -1;
  let distance = tolerance;
  history.forEach((entry, index) => {
    const off = Math.abs(entry.time - inbound.time);
    if (entry.value !== inbound.value || off > distance) return;
    if (match >= 0 && off === distance) return;
    match = index;
    distance = off;
  });
  if (match >= 0) return match;
  const index = history.findIndex((entry) => entry.time <= inbound.time);
  return index < 0 ? history.length : index;
}

/**
 * Whether the row's value was sent last and answered, though HubSpot took up nothing of it: it
 * held another value when the call came, and none of our writes of it appeared.
 */
function wasKeptOut(
  property: PropertyState,
  history: readonly HistoryEntry[],
  rowValue: Value,
): boolean {
  const line = property.ledger.at(-1);
  if (line?.value !== rowValue || line.outcome !== 'settled' || !line.time) return false;
  const { low } = line.time;
  const before = history.findIndex((entry) => entry.time <= low);
  const during = before < 0 ? history : history.slice(0, before + 1);
  return !during.some((entry) => entry.value === rowValue);
}
