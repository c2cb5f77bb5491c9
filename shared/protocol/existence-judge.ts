/**
 * Whether a record exists, when it is in doubt: what is read, and what that means for the row. The
 * properties of the same reading are judged after it (judge.ts).
 */
import {
  type Decided,
  type ExistencePolicy,
  equalExistence,
  type PendingExistence,
} from './existence.ts';
import { loseRow, noteCreated } from './existence-inward.ts';
import { isBefore, knownId, laterOf, linkId, unlink, withId, withMarks } from './ids.ts';
import { exactly } from './property.ts';
import { wantComparison } from './record.ts';
import type { Bracket, DoubtReason, Millis, RecordState } from './state.ts';

/** What a doubt is read by. */
export interface ReadPlan {
  /** `beginRead`'s revision goes with them. By id, then `archived=true` for those not found. */
  readonly ids: readonly string[];
  /** Also by the unique key: the record has no link. */
  readonly byKey: boolean;
}

export function planRead(record: RecordState): ReadPlan {
  const { ids, link } = record.existence;
  return { ids: ids.map(({ id }) => id), byKey: link === null };
}

export interface FoundRecord {
  readonly id: string;
  readonly archived: boolean;
  /** HubSpot's `archivedAt`; null where it isn't archived or doesn't say. */
  readonly archivedAt: Millis | null;
  /** Its source of creation is our app. */
  readonly createdByUs: boolean;
  /** What is remembered, as of the judgement, of its death while it belonged to no record. */
  readonly tombstone?: Bracket | null;
}

export interface ExistenceRead {
  /** What `beginRead` answered before the requests. */
  readonly revision: number;
  /** From before the first request to the answer of the last (`bracketOfAnswer`). */
  readonly time: Bracket;
  /** All of the plan that exists, archived or not; what isn't in here is gone for good. */
  readonly found: readonly FoundRecord[];
}

export type JudgedExistence =
  /** To be read again; the record is stored in any case. */
  | (Decided & { readonly again: true })
  | (Decided & {
      readonly again: false;
      /**
       * What becomes of the row, in this transaction and with a mark. `insert-row`: with the values
       * of the same reading, each stored by `appliedInbound`; `unmark-row`: the row of a record
       * that lives again isn't marked as deleted any more.
       */
      readonly action:
        | 'none'
        | 'delete-row'
        | 'mark-row'
        | 'keep-row'
        | 'unmark-row'
        | 'insert-row';
      /** The link; with one and no `insert-row`, `judgeRecord` judges the properties next. */
      readonly link: string | null;
      /** Live records besides the link: nothing is done about them but to say so. */
      readonly surplus: readonly string[];
    });

/** Doubts that a reading of the record's existence answers; the others are the properties'. */
const answered: ReadonlySet<DoubtReason> = new Set<DoubtReason>([
  'existence',
  'missing',
  'created',
]);

/**
 * Judges what was read, under the record's lock and the row's, before `judgeRecord` with the same
 * revision (this changes no revision). `rowExists` is the row as it stands.
 */
export function judgeExistence(
  record: RecordState,
  op: PendingExistence | null,
  rowExists: boolean,
  read: ExistenceRead,
  policy: ExistencePolicy = equalExistence,
): JudgedExistence {
  if (record.call || record.revision !== read.revision) return { again: true, record, op };
  const { link } = record.existence;
  const live = read.found.filter(({ archived }) => !archived);
  const target = live.find(({ id }) => id === link) ?? live[0];
  // It died since it was read, as far as the clocks tell, and nobody knew whose it is.
  const tombstone = target && !knownId(record, target.id) ? (target.tombstone ?? null) : null;
  if (target && tombstone && !isBefore(tombstone, read.time)) {
    const { createdByUs } = target;
    return { again: true, record: noteCreated(record, target.id, { createdByUs, tombstone }), op };
  }
  const surplus = live.filter((found) => found !== target).map(({ id }) => id);
  const { next, killed } = learnDeaths(record, read);
  const verdict = target
    ? judgeAlive(next, op, rowExists, target, read.time, policy)
    : judgeDead(next, op, rowExists && killed, policy);
  return { ...settleDoubts(verdict, rowExists, policy), again: false, surplus };
}

/** Ids that are found dead; `killed`: one of them by somebody else, and the row stands for it. */
function learnDeaths(record: RecordState, { found, time }: ExistenceRead) {
  let next = record;
  let killed = false;
  for (const { id, archivedByUs, dead: before, unjudged } of record.existence.ids) {
    const now = found.find((candidate) => candidate.id === id);
    if (now && !now.archived) {
      next = withId(next, id, { unjudged: false });
      continue;
    }
    const at = now?.archivedAt ?? null;
    const dead = at === null ? laterOf(before, { low: 0, high: time.high }) : exactly(at);
    if (!archivedByUs && (id === record.existence.link || unjudged)) killed = true;
    next = withId(next, id, { dead, unjudged: false });
  }
  return { next, killed };
}

interface Verdict extends Decided {
  readonly action: Extract<JudgedExistence, { again: false }>['action'];
}

function judgeAlive(
  record: RecordState,
  op: PendingExistence | null,
  rowExists: boolean,
  target: FoundRecord,
  time: Bracket,
  policy: ExistencePolicy,
): Verdict {
  const { link, detached } = record.existence;
  const known = knownId(record, target.id);
  const linked = linkId(record, target.id, time);
  const seen = target.createdByUs ? withId(linked, target.id, { createdByUs: true }) : linked;
  if (rowExists) {
    const action = detached && policy.inward === 'mark' ? 'unmark-row' : 'none';
    return { action, record: seen, op };
  }
  // Only somebody in HubSpot restores; and he saw the deed if it was the pending deletion's own.
  const restored = (known?.dead ?? null) !== null;
  const deleting = op?.operation === 'delete';
  const done = deleting && restored && known?.archiveSeq === op.seq;
  if (deleting && !done) return { action: 'none', record: seen, op };
  const ours = target.createdByUs || (known?.createdByUs ?? false);
  if (restored || (target.id !== link && !ours)) {
    return { action: 'insert-row', record: withMarks(seen, 1), op: null };
  }
  // A creation of ours that came late, or one whose row was deleted: the comparison archives it.
  return { action: 'none', record: seen, op };
}

function judgeDead(
  record: RecordState,
  op: PendingExistence | null,
  lost: boolean,
  policy: ExistencePolicy,
): Verdict {
  const { link } = record.existence;
  const next = link === null ? record : unlink(record);
  const rest = op?.operation === 'delete' ? null : op;
  if (!lost) return { action: 'none', record: next, op: rest };
  const { outcome, record: without } = loseRow(next, policy);
  return { action: outcome, record: without, op: null };
}

function settleDoubts(verdict: Verdict, rowExists: boolean, { outward }: ExistencePolicy) {
  const { action, op } = verdict;
  const { link, detached } = verdict.record.existence;
  // Without a link, or with a row that is made of this very reading, the properties have no doubts.
  const all = link === null || action === 'insert-row';
  const doubts = all ? [] : verdict.record.doubt.filter((reason) => !answered.has(reason));
  const record = { ...verdict.record, doubt: doubts };
  const differs = rowExists ? link === null && !detached : link !== null && outward === 'archive';
  const compare = action === 'none' && differs && op === null;
  return { action, op, link, record: compare ? wantComparison(record) : record };
}
