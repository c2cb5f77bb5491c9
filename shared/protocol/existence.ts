/**
 * Whether a record exists, on the way outwards: what an insert or a delete of the row, a mark or a
 * comparison means in the WAL, which call is made for it, and what the answer tells. Existence is a
 * property with a clock of its own: alive or dead as of a HubSpot time, per HubSpot id.
 */
import {
  isBefore,
  knownId,
  laterOf,
  linkId,
  retireId,
  withExistence,
  withId,
  withMarks,
} from './ids.ts';
import { doubt, learned, wantComparison, withCall } from './record.ts';
import {
  type Bracket,
  type Millis,
  type PendingOperation,
  type RecordState,
  TOLERANCE_MS,
} from './state.ts';

/** What becomes of the one side when the other is deleted, by mapping. */
export interface ExistencePolicy {
  /** A deletion in HubSpot: the row is deleted, marked in a column, or left as it is. */
  readonly inward: 'delete' | 'mark' | 'keep';
  /** A deletion of the row: the HubSpot record is archived, or left as it is. */
  readonly outward: 'archive' | 'ignore';
}

export const equalExistence: ExistencePolicy = { inward: 'delete', outward: 'archive' };

/**
 * What waits in the outbox for the record as a whole: `write` makes or updates the HubSpot record
 * with what its properties wait for, `delete` archives it.
 */
export interface PendingExistence {
  readonly operation: PendingOperation;
  /** Any token that changes with each later change of the row (the outbox row's last LSN). */
  readonly seq: string;
}

export interface Decided {
  readonly record: RecordState;
  /** Null: nothing waits for the record as a whole; pending properties alone keep the outbox row. */
  readonly op: PendingExistence | null;
}

/**
 * When something that an HTTP answer tells was so, from its `Date` header (whole seconds, the
 * moment of answering) and the call's duration on our own clock.
 */
export function bracketOfAnswer(date: Millis, elapsed: Millis): Bracket {
  return { low: date - elapsed - TOLERANCE_MS, high: date + TOLERANCE_MS };
}

/**
 * A local change of the row in the WAL. An insert after a delete replaces it: it is a write of all
 * mapped columns, whose form the claim decides. With `op` null nothing of the change is sent, and
 * what waits for the record's properties is dropped with it.
 */
export function consumeExistenceChange(
  record: RecordState,
  change: { readonly kind: 'insert' | 'update' | 'delete'; readonly seq: string },
  policy: ExistencePolicy = equalExistence,
): Decided {
  const { kind, seq } = change;
  if (kind === 'delete') {
    const op = policy.outward === 'archive' ? ({ operation: 'delete', seq } as const) : null;
    return { record: attach(record), op };
  }
  if (kind === 'update' && record.existence.detached) return { record, op: null };
  return { record: attach(record), op: { operation: 'write', seq } };
}

/**
 * The row was deleted or inserted anew: it isn't the row any more that a deletion had left. What
 * comes before a mark in the WAL isn't about that row yet.
 */
function attach(record: RecordState): RecordState {
  const { detached, marks = 0 } = record.existence;
  return detached && marks === 0 ? withExistence(record, { detached: false }) : record;
}

/**
 * A mark in the WAL: we deleted the row, or inserted it, since HubSpot did so. What waited for the
 * record is older and dropped, its properties' values too, and a comparison follows.
 */
export function consumeExistenceMark(record: RecordState): Decided {
  const { call } = record;
  const passed = withoutOldEpochs(withMarks(record, -1));
  if (call) return { record: withCall(passed, { ...call, compareAfter: true }), op: null };
  return { record: wantComparison(passed), op: null };
}

/**
 * Marks of an id that was retired may have been consumed after it was: their times are of another
 * HubSpot record's history. All of them come before the mark of the row's deletion.
 */
function withoutOldEpochs(record: RecordState): RecordState {
  const old = Object.entries(record.properties).filter(
    ([, { inbound, epoch }]) => inbound === null && epoch !== 0,
  );
  if (old.length === 0) return record;
  const reset = Object.fromEntries(old.map(([name, state]) => [name, { ...state, epoch: 0 }]));
  return { ...record, properties: { ...record.properties, ...reset } };
}

/**
 * A comparison in the WAL: `rowExists` as of this place in it. A row without a HubSpot record is
 * written with all mapped columns, a HubSpot record without a row is archived.
 */
export function consumeExistenceCompare(
  record: RecordState,
  op: PendingExistence | null,
  compare: { readonly rowExists: boolean; readonly seq: string },
  policy: ExistencePolicy = equalExistence,
): Decided {
  const { call, existence } = record;
  const { rowExists, seq } = compare;
  if (call) return { record: withCall(record, { ...call, compareAfter: true }), op };
  if (op) return { record, op };
  const linked = existence.link !== null;
  if (rowExists && !linked && !existence.detached) {
    return { record, op: { operation: 'write', seq } };
  }
  if (!rowExists && linked && policy.outward === 'archive') {
    return { record, op: { operation: 'delete', seq } };
  }
  return { record, op };
}

/**
 * Which call the outbox row asks for. `wait`: a call is under way or the record is in doubt;
 * `nothing`: the row leaves the outbox. A linked record is updated by id and never upserted; one
 * without a link is upserted by the unique key and never created.
 */
export function decideOperation(
  record: RecordState,
  op: PendingExistence,
  policy: ExistencePolicy = equalExistence,
): 'wait' | 'nothing' | 'update' | 'upsert' | 'archive' {
  const { link, detached, marks = 0 } = record.existence;
  if (record.call || record.doubt.length > 0 || marks > 0) return 'wait';
  if (op.operation === 'delete') {
    return link !== null && policy.outward === 'archive' ? 'archive' : 'nothing';
  }
  if (link !== null) return 'update';
  return detached ? 'nothing' : 'upsert';
}

/**
 * The call that archives the link, to be stored before it is made: that we archive it must be known
 * whatever becomes of the call. Updates and upserts are claimed with `claimRecord`, whose call
 * carries the operation's `seq`.
 */
export function claimArchive(
  record: RecordState,
  op: PendingExistence,
  call: { readonly request: string; readonly term: number; readonly startedAt: Millis },
): RecordState {
  const id = record.existence.link;
  if (id === null || record.call || record.doubt.length > 0) return record;
  const { seq } = op;
  const archiveOpen = knownId(record, id)?.archivedByUs ?? false;
  return withCall(withId(record, id, { archivedByUs: true, archiveOpen, archiveSeq: seq }), {
    ...call,
    operation: 'archive',
    hubspotId: id,
    seq,
    values: {},
    compareAfter: false,
    sawCreated: [],
  });
}

export interface WrittenAnswer {
  readonly request: string;
  /** The id that the answer names for our input. */
  readonly id: string;
  /** An upsert's `new`. */
  readonly isNew: boolean;
  /** When it was written, from the answer's `startedAt` and `completedAt` with the tolerance. */
  readonly time: Bracket;
  /** What was remembered of the id's death while it belonged to no record. */
  readonly tombstone?: Bracket | null;
}

/**
 * An update or upsert was answered. To be called before `settleRecord`, which ends the call. With
 * `linked` false the answer is about an id that is dead by now: `settleRecord` isn't called (the
 * call has ended here), what waits for the properties stays.
 */
export function settleWritten(
  record: RecordState,
  op: PendingExistence | null,
  answer: WrittenAnswer,
): Decided & { readonly linked: boolean } {
  const { call } = record;
  if (call?.request !== answer.request) return { record, op, linked: false };
  const { id, time } = answer;
  const rest = op && op.seq === call.seq && op.operation === 'write' ? null : op;
  const dead = laterOf(knownId(record, id)?.dead ?? null, answer.tombstone ?? null);
  if (call.operation === 'update' && record.existence.link !== id) {
    // Deleted while the call was under way. Written after its death it must have been restored.
    const ended = endWriting(record);
    const certain = dead !== null && isBefore(time, dead);
    return { record: certain ? ended : doubt(ended, 'existence'), op: rest, linked: false };
  }
  let next = learned(linkId(record, id, time));
  if (answer.isNew) next = withId(next, id, { createdByUs: true });
  if (dead && !isBefore(dead, time)) next = doubt(withId(next, id, { dead }), 'existence');
  if (call.sawCreated.some((created) => created !== id)) next = doubt(next, 'created');
  return { record: next, op: rest, linked: true };
}

function endWriting(record: RecordState): RecordState {
  const compare = record.call?.compareAfter ?? false;
  const ended = learned(withCall(record, null));
  return compare ? wantComparison(ended) : ended;
}

/** An archive was answered (a record that was gone already is answered alike). Ends the call. */
export function settleArchived(
  record: RecordState,
  op: PendingExistence | null,
  answer: { readonly request: string; readonly time: Bracket },
): Decided {
  const { call } = record;
  if (call?.request !== answer.request || call.hubspotId === null) return { record, op };
  const rest = op?.operation === 'delete' && op.seq === call.seq ? null : op;
  // Its deed is done: whoever deletes the record once it was restored isn't us.
  const archivedByUs = knownId(record, call.hubspotId)?.archiveOpen ?? false;
  const done = withId(record, call.hubspotId, { archivedByUs, archiveOpen: false });
  return { record: endWriting(retireId(done, call.hubspotId, answer.time)), op: rest };
}

/**
 * An update by id found no such record: a doubt, never a reason to create. `endCall` follows. One
 * that was learned to be dead while the call was under way is none.
 */
export function answeredNotFound(record: RecordState, request: string): RecordState {
  const { call, existence } = record;
  if (call?.request !== request || existence.link !== call.hubspotId) return record;
  return doubt(learned(record), 'missing');
}
