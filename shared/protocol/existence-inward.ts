/**
 * Whether a record exists, on the way inwards: what a creation, a deletion or a restore means that
 * HubSpot announces, and what follows if Postgres refuses the row. Doubts: existence-judge.ts.
 */
import {
  type Decided,
  type ExistencePolicy,
  equalExistence,
  type PendingExistence,
} from './existence.ts';
import {
  isBefore,
  knownId,
  laterOf,
  retireId,
  unlink,
  withExistence,
  withId,
  withMarks,
} from './ids.ts';
import { exactly } from './property.ts';
import { doubt, learned, withCall } from './record.ts';
import type { Bracket, DoubtReason, Millis, RecordState } from './state.ts';

export interface ExistenceEvent {
  readonly kind: 'creation' | 'deletion' | 'restore';
  readonly id: string;
  /** `occurredAt`. */
  readonly time: Millis;
  /** Its source is our app. */
  readonly ours: boolean;
}

export interface ReceivedExistence extends Decided {
  /**
   * `stale` and `ignore` change nothing on either side; `remember`: an id that isn't the link died;
   * `doubt`: the record must be read; `delete-row`: lock the row, delete it if it is there, emit
   * the mark in any case; `mark-row`: the same with the column of the mapping; `keep-row`: the row
   * stays, without a link.
   */
  readonly outcome:
    | 'stale'
    | 'ignore'
    | 'remember'
    | 'doubt'
    | 'delete-row'
    | 'mark-row'
    | 'keep-row';
}

/** An event of an id that belongs or belonged to this record. */
export function receiveExistence(
  record: RecordState,
  op: PendingExistence | null,
  event: ExistenceEvent,
  policy: ExistencePolicy = equalExistence,
): ReceivedExistence {
  if (event.kind === 'creation') return receiveCreation(record, op, event);
  if (event.kind === 'restore') return receiveRestore(record, op, event);
  const ours = event.ours && (knownId(record, event.id)?.archivedByUs ?? false);
  if (ours) return receiveOwnDeletion(record, op, event);
  const { link, alive } = record.existence;
  const dead = exactly(event.time);
  if (event.id !== link) {
    const retired = retireId(record, event.id, dead);
    const judged = !knownId(record, event.id)?.unjudged || record.call !== null;
    return judged
      ? { outcome: 'remember', record: retired, op }
      : doubted(retired, op, 'existence');
  }
  if (alive && isBefore(dead, alive)) return { outcome: 'stale', record, op };
  if (alive && event.time <= alive.high) return doubted(record, op, 'existence');
  return { ...loseRow(retireId(record, event.id, dead), policy), op: null };
}

/** A foreign deletion is certain: what becomes of the row. */
export function loseRow(record: RecordState, { inward }: ExistencePolicy) {
  if (inward === 'delete') {
    return { outcome: 'delete-row', record: withMarks(record, 1) } as const;
  }
  const detached = withExistence(record, { detached: true });
  return { outcome: inward === 'mark' ? 'mark-row' : 'keep-row', record: detached } as const;
}

function receiveCreation(
  record: RecordState,
  op: PendingExistence | null,
  { id, ours }: ExistenceEvent,
): ReceivedExistence {
  const known = knownId(record, id);
  if (!ours || record.existence.link === id || known?.dead) {
    return { outcome: 'ignore', record, op };
  }
  return { outcome: 'doubt', record: noteCreated(record, id, { createdByUs: true }), op };
}

/**
 * An id turned out to be this record's (its creation was announced, or a reading found our key in
 * it): the record is read with it. While an upsert is under way the answer most likely names it.
 * `tombstone` is what was remembered of its death while it belonged to no record.
 */
export function noteCreated(
  record: RecordState,
  id: string,
  {
    createdByUs,
    tombstone = null,
  }: { readonly createdByUs: boolean; readonly tombstone?: Bracket | null },
): RecordState {
  const { call } = record;
  if (record.existence.link === id || knownId(record, id)?.dead) return record;
  if (call?.operation === 'upsert') {
    if (call.sawCreated.includes(id)) return record;
    const noted = withId(record, id, { createdByUs, dead: tombstone, unjudged: true });
    return learned(withCall(noted, { ...call, sawCreated: [...call.sawCreated, id] }));
  }
  const noted = withId(record, id, { createdByUs, dead: tombstone, unjudged: true });
  return doubt(learned(noted), 'created');
}

/** A restore is never taken at its word; but it proves that the id was dead until then. */
function receiveRestore(
  record: RecordState,
  op: PendingExistence | null,
  { id, time }: ExistenceEvent,
): ReceivedExistence {
  const { link, alive } = record.existence;
  const known = knownId(record, id);
  const before = id === link ? alive : null;
  if (before && time < before.low) return { outcome: 'stale', record, op };
  // It may be a restore that has been read already.
  if (before && time <= before.high) return doubted(record, op, 'existence');
  const dead = laterOf(known?.dead ?? null, { low: before?.low ?? 0, high: time });
  return doubted(withId(record, id, { dead }), op, 'existence');
}

/** The deed of an archive of ours. One that nobody waits for is a doubt. */
function receiveOwnDeletion(
  record: RecordState,
  op: PendingExistence | null,
  { id, time }: ExistenceEvent,
): ReceivedExistence {
  const { call } = record;
  const { link, alive } = record.existence;
  const dead = laterOf(knownId(record, id)?.dead ?? null, exactly(time));
  if (id !== link)
    return { outcome: 'remember', record: learned(withId(record, id, { dead })), op };
  const awaited = call?.operation === 'archive' && call.hubspotId === id;
  if (awaited) return { outcome: 'ignore', record: learned(withId(record, id, { dead })), op };
  const pending = op?.operation === 'delete' && knownId(record, id)?.archiveSeq === op.seq;
  if (pending) return doubted(withId(record, id, { dead }), op, 'echo');
  if (alive && time < alive.low) return { outcome: 'stale', record, op };
  return doubted(record, op, 'echo');
}

function doubted(record: RecordState, op: PendingExistence | null, reason: DoubtReason) {
  return { outcome: 'doubt', record: doubt(learned(record), reason), op } as const;
}

/**
 * Whether a property or association event of the id is looked at. One of a retired id, of a row that
 * is gone or of a record whose archive is pending is dropped: it never creates.
 */
export function takesPropertyEvent(
  record: RecordState,
  op: PendingExistence | null,
  id: string,
  rowExists: boolean,
): boolean {
  return rowExists && record.existence.link === id && op?.operation !== 'delete';
}

/** What is remembered of an id that belongs to no record. */
export interface UnlinkedId {
  /** Known dead as of here: looked at by the answer or the reading that brings the id. */
  readonly dead: Bracket | null;
  /** To be read: its key tells which record it is, or that it wants a row. */
  readonly wanted: boolean;
}

/**
 * An event of an id that belongs to no record. A creation is wanted: by a HubSpot user it wants a
 * row; our own is most likely that of an upsert whose answer isn't settled yet (leave it alone for
 * some seconds), else of one whose answer was lost. A user's record that died wants nothing.
 */
export function receiveUnlinked(known: UnlinkedId | null, event: ExistenceEvent): UnlinkedId {
  const before = known ?? { dead: null, wanted: false };
  const at = exactly(event.time);
  if (event.kind === 'deletion') {
    return { dead: laterOf(before.dead, at), wanted: before.wanted };
  }
  // A restore proves that it was dead until then.
  const dead = event.kind === 'restore' ? { low: 0, high: event.time } : null;
  return { dead: laterOf(before.dead, dead), wanted: true };
}

/**
 * Postgres refused to delete the row (another row needs it): it stays without a link, as one that a
 * delete policy left. `record` is what `delete-row` answered; no mark was emitted.
 */
export function refuseDeletion(record: RecordState): RecordState {
  return withExistence(withMarks(record, -1), { detached: true });
}

/**
 * Postgres refused to insert the row: the HubSpot record stays without one, and isn't linked, so
 * that nothing archives it. `record` is what `insert-row` answered; no mark was emitted. A later
 * event of the id is wanted anew (`noteCreated`); a restored creation of ours waits for a reading.
 */
export function refuseInsertion(record: RecordState): RecordState {
  const { link, alive } = record.existence;
  const without = unlink(withMarks(record, -1));
  if (link === null || !knownId(record, link)?.createdByUs) return without;
  // Without a death before it, it would pass for a late creation of ours.
  return withId(without, link, { dead: { low: 0, high: alive?.low ?? 0 } });
}
