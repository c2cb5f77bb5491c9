/**
 * Judges what was read of records in doubt, in one transaction under the rows' and the records'
 * locks: existence first, then the properties, then the associations. What is foreign and new is
 * applied to the row with its mark; a comparison, wanted by the judgement, does the rest.
 */
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import { addDoubt } from '../../shared/postgres/doubt-all.ts';
import { lockIds } from '../../shared/postgres/hubspot-ids.ts';
import { type Cured, cureDeadLetters } from '../../shared/postgres/journal.ts';
import { fence } from '../../shared/postgres/lease.ts';
import { type Client, inTransaction } from '../../shared/postgres/pool.ts';
import {
  isAheadOfStream,
  lockRecords,
  refId,
  type StoredRecord,
  saveRecords,
} from '../../shared/postgres/records.ts';
import {
  type ColumnType,
  existingKeys,
  type LockedRow,
  lockRows,
  writeHubspotIds,
} from '../../shared/postgres/rows.ts';
import { writeInbound } from '../../shared/postgres/write-inbound.ts';
import type { DeliverContext } from '../records/context.ts';
import { wantDependents } from '../records/dependents.ts';
import { newFindings, writeFindings } from '../records/findings.ts';
import { findTargets } from './judge-associations.ts';
import { type JudgeFindings, judgeOne } from './judge-record.ts';
import type { Reading } from './read.ts';
import { curedBy, takeRefused, takeWritten, tellJudged } from './take-in.ts';

/** Nobody's lock is waited for longer than this while records are locked. */
const LOCK_TIMEOUT_MS = 1000;
/** Deadlock, serialization failure: the same may be tried again at once. */
const LOST = new Set(['40P01', '40001']);
const LOCK_TIMEOUT = '55P03';
const TRIES = 3;

/** @returns the keys that were judged; the others are held by somebody or must be read again. */
export async function judgeReadings(
  context: DeliverContext,
  table: TableMapping,
  readings: readonly Reading[],
): Promise<Set<string>> {
  if (readings.length === 0) return new Set();
  for (let tries = 1; ; tries += 1) {
    try {
      return await judgeTogether(context, table, readings);
    } catch (error) {
      const { code = '' } = error as { code?: string };
      if (code === LOCK_TIMEOUT) break;
      if (!LOST.has(code) || tries === TRIES) throw error;
    }
  }
  // Something behind one of the rows is held: the others needn't wait for it.
  const judged = new Set<string>();
  if (readings.length === 1) return judged;
  for (const reading of readings) {
    for (const key of await judgeReadings(context, table, [reading])) judged.add(key);
  }
  return judged;
}

async function judgeTogether(
  context: DeliverContext,
  table: TableMapping,
  readings: readonly Reading[],
): Promise<Set<string>> {
  const { pool, tables, secret } = context;
  const types = await context.typesOf(table);
  const findings: JudgeFindings = { ...newFindings(), writes: [], linked: [], pointed: [] };
  const judged = await inTransaction(pool, async (client) => {
    await client.query(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`);
    await fence(client, tables, context.term);
    const rows = await lockUserRows(client, table, types, readings);
    const keys = readings.map(({ key }) => key);
    const refs = keys.map((key) => ({ object: table.object, key }));
    const records = await lockRecords(client, tables, refs, { skipLocked: true });
    const ids = await lockIds(
      client,
      tables,
      readings.flatMap(({ found }) => found.map(({ id }) => ({ object: table.object, id }))),
    );
    // A row that wasn't locked is held by somebody, or isn't there. Asked only now: an insert that
    // nobody sees yet can't be consumed before the record's lock is given back.
    const rest = keys.filter((key) => !rows.has(key));
    const held = await existingKeys(client, table, types, rest);
    const images = [...rows.values()].map(({ columns }) => columns);
    const targets = await findTargets(client, context, table, readings, images);
    const done = new Set<string>();
    const before = new Map<string, StoredRecord>();
    for (const reading of readings) {
      const record = records.get(refId({ object: table.object, key: reading.key }));
      if (!record || held.has(reading.key)) continue;
      if (!rows.has(reading.key) && isAheadOfStream(record)) continue;
      before.set(reading.key, { ...record });
      const row = rows.get(reading.key)?.columns ?? null;
      const place = { context, table, reading, row, ids, targets };
      if (judgeOne(place, record, findings)) done.add(reading.key);
    }
    const { written, refused } = await writeInbound(
      { client, table, types, secret },
      findings.writes.map(({ write }) => write),
    );
    for (const one of written) takeWritten(table, records, one, findings);
    const refusedInserts = refused.filter(({ write }) => write.kind === 'insert');
    const there = await existingKeys(
      client,
      table,
      types,
      refusedInserts.map(({ write }) => write.key),
    );
    for (const one of refused) {
      const { kind, key } = one.write;
      if (kind === 'insert' && there.has(key)) {
        // The application was faster: the same reading doesn't say what that row is.
        const record = records.get(refId({ object: table.object, key }));
        if (record) Object.assign(record, before.get(key));
        done.delete(key);
        continue;
      }
      takeRefused(table, records, one, findings);
    }
    await store(client, context, table, types, [...records.values()], done, findings);
    const cured = readings.flatMap((reading): Cured[] => {
      const { key } = reading;
      const record = records.get(refId({ object: table.object, key }));
      if (!record || !done.has(key)) return [];
      const own = written.filter(({ write }) => write.key === key);
      return [curedBy(context, table, record, reading, rows.get(key)?.columns ?? null, own)];
    });
    await cureDeadLetters(client, tables, cured);
    return done;
  });
  tellJudged(context, table, findings);
  return judged;
}

/** A row that may go needs the stronger lock at once, or its DELETE would wait for one. */
async function lockUserRows(
  client: Client,
  table: TableMapping,
  types: ReadonlyMap<string, ColumnType>,
  readings: readonly Reading[],
): Promise<Map<string, LockedRow>> {
  const keysOf = (lives: boolean) =>
    readings
      .filter(({ found }) => found.some(({ archived }) => !archived) === lives)
      .map(({ key }) => key);
  const skipLocked = true;
  const living = await lockRows(client, table, types, keysOf(true), { skipLocked });
  const forDelete = table.deletes.inbound === 'delete';
  const dead = await lockRows(client, table, types, keysOf(false), { skipLocked, forDelete });
  return new Map([...living, ...dead]);
}

async function store(
  client: Client,
  context: DeliverContext,
  table: TableMapping,
  types: ReadonlyMap<string, ColumnType>,
  records: readonly StoredRecord[],
  done: ReadonlySet<string>,
  findings: JudgeFindings,
): Promise<void> {
  const { tables } = context;
  await saveRecords(client, tables, records);
  const linked = findings.linked.filter(
    ({ key, state }) => done.has(key) && state.existence.link !== null,
  );
  await wantDependents(client, context, linked);
  for (const { key, object, hubspotIds } of findings.pointed) {
    if (!done.has(key)) continue;
    await addDoubt(client, tables, object, 'association', { hubspotIds });
  }
  const ids = new Map(linked.map(({ key, state }) => [key, state.existence.link]));
  if (ids.size > 0) await writeHubspotIds(client, table, types, ids);
  await writeFindings(client, context, findings);
}
