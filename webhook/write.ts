/**
 * Writes what was decided for the rows, and finds out what Postgres refuses: a refused row is tried
 * property by property, what may pass is left for later, and the rest becomes dead letters.
 */
import type { Image, StoredRecord } from '../shared/postgres/records.ts';
import { rowValues } from '../shared/postgres/values.ts';
import {
  type InboundWrite,
  type RefusedRow,
  type WriteContext,
  type WrittenRow,
  writeInbound,
} from '../shared/postgres/write-inbound.ts';
import { refuseDeletion } from '../shared/protocol/existence-inward.ts';
import { appliedInbound, refusedInbound } from '../shared/protocol/receive.ts';
import type { RecordState } from '../shared/protocol/state.ts';
import type { Findings, RecordEvent } from './context.ts';
import { type Decision, decideEvents } from './decide.ts';
import { delayOf } from './inbox.ts';

export interface Decided {
  readonly record: StoredRecord;
  /** Null: there is no row, or it wasn't locked since no event needs it. */
  readonly row: Image | null;
  readonly events: readonly RecordEvent[];
  readonly decision: Decision;
}

export interface Written extends Decided {
  /** What is to be remembered of the record. */
  readonly state: RecordState;
  /** Properties that were applied. */
  readonly applied: readonly string[];
  /** Columns that really changed. */
  readonly changed: readonly string[];
  readonly removed: boolean;
  readonly refused: readonly RefusedRow[];
}

/** Refusals that another change may end: a missing parent, a value that somebody else still holds. */
const PASSING = new Set(['23503', '23505', '23P01']);

/** So often a passing refusal is waited for. */
const PASSING_TRIES = 5;

export async function writeDecisions(
  context: WriteContext,
  decided: readonly Decided[],
  findings: Findings,
): Promise<Written[]> {
  const { written, refused } = await writeInbound(context, decided.flatMap(writesOf));
  const doneByKey = groupByKey(written);
  const refusedByKey = groupByKey(refused);
  return decided.flatMap((one) => {
    const { key } = one.record;
    return conclude(context, one, doneByKey.get(key) ?? [], refusedByKey.get(key) ?? [], findings);
  });
}

function writesOf({ record, row, decision }: Decided): InboundWrite[] {
  const { key } = record;
  const { removal } = decision;
  if (removal) {
    return [{ key, kind: 'delete', hubspotId: removal.hubspotId, values: {}, row }];
  }
  if (Object.keys(decision.apply).length === 0) return [];
  const hubspotId = decision.state.existence.link ?? '';
  return [{ key, kind: 'update', hubspotId, values: decision.apply, row }];
}

/** What is to be remembered after the write; nothing where all of it is left for later. */
function conclude(
  { table }: WriteContext,
  one: Decided,
  done: readonly WrittenRow[],
  refused: readonly RefusedRow[],
  findings: Findings,
): Written[] {
  const { record, row, events } = one;
  const wait = (waiting: Iterable<string>, code: string) => {
    for (const id of waiting) {
      const attempts = events.find((event) => event.id === id)?.attempts ?? 0;
      const reason = `Postgres refuses the row for now (${code})`;
      findings.held.push({ id, delayMs: delayOf(attempts), tried: true, reason });
    }
  };
  const mayPass = ({ code }: RefusedRow) =>
    PASSING.has(code) && events.every(({ attempts }) => attempts < PASSING_TRIES);

  const removal = refused.find(({ write }) => write.kind === 'delete');
  if (removal && mayPass(removal)) {
    wait(new Set(events.map(({ id }) => id)), removal.code);
    return [];
  }
  const held = new Set<string>();
  const buried = new Set<string>();
  const final: RefusedRow[] = [];
  for (const refusal of refused) {
    if (refusal === removal) {
      final.push(refusal);
      continue;
    }
    for (const property of Object.keys(refusal.write.values)) {
      if (mayPass(refusal)) {
        const from = one.decision.apply[property]?.from ?? [];
        wait(from, refusal.code);
        for (const id of from) held.add(id);
      } else {
        buried.add(property);
        final.push(refusal);
      }
    }
  }
  // Judged again without what isn't written, so that nothing of it is remembered as applied.
  const decision =
    held.size + buried.size === 0
      ? one.decision
      : decideEvents(table, record, events, {
          rowExists: row !== null,
          refused: buried,
          held,
        });
  let { state } = decision;
  if (removal) state = refuseDeletion(state);
  const applied: string[] = [];
  const changed: string[] = [];
  for (const { write, texts, changed: columns } of done) {
    changed.push(...columns);
    for (const [property, { value, time }] of Object.entries(write.values)) {
      applied.push(property);
      state = appliedInbound(state, property, { value, time, text: texts[property] ?? null });
    }
  }
  const { values } = rowValues(table, state, row ?? {});
  for (const property of buried) {
    const value = values[property];
    if (value !== undefined) state = refusedInbound(state, property, value);
  }
  const removed = decision.removal !== null && !removal;
  return [{ ...one, decision, state, applied, changed, removed, refused: final }];
}

function groupByKey<T extends { readonly write: InboundWrite }>(rows: readonly T[]) {
  const groups = new Map<string, T[]>();
  for (const row of rows) {
    const group = groups.get(row.write.key);
    if (group) group.push(row);
    else groups.set(row.write.key, [row]);
  }
  return groups;
}
