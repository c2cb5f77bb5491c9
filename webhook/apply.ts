/**
 * From the inbox into the rows: the events of one object type, many at a time, in one transaction.
 * Rows are locked first and records after them; then the protocol decides, the mark is emitted, and
 * the values are written, each refused row on its own.
 */
import type { TableMapping } from '../shared/mapping/mapping.ts';
import { buryDeadLetters, cureDeadLetters, writeSyncLog } from '../shared/postgres/journal.ts';
import { type Client, inTransaction } from '../shared/postgres/pool.ts';
import {
  findKeys,
  isAheadOfStream,
  lockRecords,
  refId,
  type StoredRecord,
  saveRecords,
} from '../shared/postgres/records.ts';
import { existingKeys, type LockedRow, lockRows } from '../shared/postgres/rows.ts';
import { type ApplyContext, type Findings, newFindings, type RecordEvent } from './context.ts';
import { decideEvents } from './decide.ts';
import { oldestUpsert, rememberUnlinked } from './events/unlinked.ts';
import { claimEvents, delayOf, holdEvents, type InboxRow, settleEvents } from './inbox.ts';
import { curedBy } from './letters.ts';
import { readFields, understand, type WebhookEvent } from './parse.ts';
import { noteDecision } from './tell.ts';
import { type Decided, type Written, writeDecisions } from './write.ts';

export interface ApplyOptions {
  /**
   * Waits for rows and records that somebody else holds, up to a time limit, where it else leaves
   * their events for later: for the events of one record.
   */
  readonly patient?: boolean;
}

/** How long a lock is waited for: behind a trigger's or a foreign key's, where not patient. */
const LOCK_TIMEOUT_MS = { patient: 2000, else: 1000 };

/**
 * Applies events of one table's object type. @returns how many left the inbox.
 * @throws what makes the whole transaction fail (deadlock, lock time-out, connection): nothing was
 * done then, and the same may be tried again.
 */
export async function applyEvents(
  context: ApplyContext,
  table: TableMapping,
  rows: readonly InboxRow[],
  { patient = false }: ApplyOptions = {},
): Promise<number> {
  const { pool, tables } = context;
  const types = await context.typesOf(table);
  const findings = newFindings();
  await inTransaction(pool, async (client) => {
    await client.query(
      `set local lock_timeout = ${patient ? LOCK_TIMEOUT_MS.patient : LOCK_TIMEOUT_MS.else}`,
    );
    const claimed = await claimEvents(
      client,
      tables,
      rows.map(({ id }) => id),
    );
    const events = readEvents(context, table, rows, claimed, findings);
    if (events.length > 0) {
      const upsertSince = await oldestUpsert(client, tables, table.object);
      const ids = [...new Set(events.map(({ hubspotId }) => hubspotId))];
      const keys = await findKeys(client, tables, table.object, ids);
      const byKey = groupBy(events, ({ hubspotId }) => keys.get(hubspotId));
      const byId = groupBy(events, ({ hubspotId }) =>
        keys.has(hubspotId) ? undefined : hubspotId,
      );
      const changed = await applyLinked(context, client, table, types, byKey, patient, findings);
      await saveRecords(client, tables, changed);
      await rememberUnlinked(client, context, table, byId, upsertSince, findings);
    }
    await finish(client, context, findings);
  });
  for (const tell of findings.told) tell();
  return findings.outcomes.size;
}

/** @returns one entry for each record that an event names, in the order of history times. */
function readEvents(
  { mapping, appId, events: listeners }: ApplyContext,
  table: TableMapping,
  rows: readonly InboxRow[],
  claimed: ReadonlySet<string>,
  findings: Findings,
): RecordEvent[] {
  const events: RecordEvent[] = [];
  for (const { id, payload, attempts, receivedAt } of rows) {
    if (!claimed.has(id)) continue;
    const fields = readFields(payload);
    const event = fields && understand(fields, mapping, appId);
    if (!event || event.table.object !== table.object) {
      // The mapping changed since it was received.
      findings.outcomes.set(id, 'ignored');
      findings.told.push(() => listeners.emit('inbound:settled', { outcome: 'ignored' }));
      continue;
    }
    for (const hubspotId of event.ids) {
      events.push({ id, attempts, receivedAt, hubspotId, event });
    }
  }
  return events.sort((a, b) => a.event.time - b.event.time || Number(a.id) - Number(b.id));
}

/** Judges and applies the events of records; answers those to be stored. */
async function applyLinked(
  context: ApplyContext,
  client: Client,
  table: TableMapping,
  types: Awaited<ReturnType<ApplyContext['typesOf']>>,
  byKey: ReadonlyMap<string, readonly RecordEvent[]>,
  patient: boolean,
  findings: Findings,
): Promise<StoredRecord[]> {
  const { tables } = context;
  const keys = [...byKey.keys()];
  const rows = await lockUserRows(client, table, types, byKey, patient);
  const records = await lockRecords(
    client,
    tables,
    keys.map((key) => ({ object: table.object, key })),
    { skipLocked: !patient },
  );
  // Asked again under the records' locks: a key change may have been consumed since the first look.
  const ids = [...byKey.values()].flat().map(({ hubspotId }) => hubspotId);
  const keysNow = await findKeys(client, tables, table.object, ids);
  // A row that wasn't locked is held by somebody, or isn't there. Asked only under the record's lock:
  // an insert that nobody sees yet can't be consumed before that is given back.
  const locked = await existingKeys(
    client,
    table,
    types,
    keys.filter((key) => !rows.has(key)),
  );
  const decided: Decided[] = [];
  for (const [key, events] of byKey) {
    const record = records.get(refId({ object: table.object, key }));
    const missing = !rows.has(key) && !locked.has(key);
    const moved = events.some(({ hubspotId }) => keysNow.get(hubspotId) !== key);
    const ahead = record !== undefined && (moved || (missing && isAheadOfStream(record)));
    if (!record || ahead || (locked.has(key) && events.some(needsRow))) {
      for (const { id, attempts } of events) {
        const reason = ahead
          ? 'the row is gone or has another key, and the stream has yet to say so'
          : record
            ? 'the row is locked'
            : 'the record is locked';
        findings.held.push({ id, delayMs: delayOf(attempts), tried: true, reason });
      }
      continue;
    }
    const row = rows.get(key)?.columns ?? null;
    const decision = decideEvents(table, record, events, {
      rowExists: row !== null || locked.has(key),
    });
    decided.push({ record, row, events, decision });
  }
  const written = await writeDecisions(
    { client, table, types, secret: context.secret },
    decided,
    findings,
  );
  const changed: StoredRecord[] = [];
  for (const one of written) {
    if (takeIn(one)) changed.push(one.record);
    noteDecision(context, table, one, findings);
    findings.cured.push(...curedBy(one));
  }
  return changed;
}

/** Brings what was decided and written into the record. @returns whether it is to be stored. */
function takeIn({ record, state, decision, applied, removed, refused }: Written): boolean {
  const before = { ...record };
  record.state = state;
  record.outbox = decision.outbox;
  if (applied.length > 0 || removed) {
    record.lastSyncedAt = Date.now();
  }
  const [unconvertible] = decision.unconvertible;
  if (unconvertible) record.syncError = `${unconvertible.property}: ${unconvertible.reason}`;
  const [first] = refused;
  if (first) record.syncError = `Postgres refuses the ${first.write.kind}: ${first.detail}`;
  return (
    record.state !== before.state ||
    record.outbox !== before.outbox ||
    record.lastSyncedAt !== before.lastSyncedAt ||
    record.syncError !== before.syncError
  );
}

/** Creations, restores and merges only touch what is remembered of the record. */
function needsRow({ event: { kind } }: { readonly event: WebhookEvent }): boolean {
  return kind === 'property' || kind === 'association' || kind === 'deletion';
}

async function lockUserRows(
  client: Client,
  table: TableMapping,
  types: Awaited<ReturnType<ApplyContext['typesOf']>>,
  byKey: ReadonlyMap<string, readonly RecordEvent[]>,
  patient: boolean,
): Promise<Map<string, LockedRow>> {
  const skipLocked = !patient;
  const needed = [...byKey].filter(([, events]) => events.some(needsRow));
  // A row that may be deleted needs the stronger lock at once, or the DELETE would wait for it.
  const dies = (events: readonly RecordEvent[]) =>
    table.deletes.inbound === 'delete' && events.some(({ event }) => event.kind === 'deletion');
  const doomed = needed.filter(([, events]) => dies(events)).map(([key]) => key);
  const living = needed.filter(([, events]) => !dies(events)).map(([key]) => key);
  const rows = await lockRows(client, table, types, living, { skipLocked });
  const ending = await lockRows(client, table, types, doomed, { skipLocked, forDelete: true });
  return new Map([...rows, ...ending]);
}

/** Everything beside the records, in the same transaction. */
async function finish(client: Client, { tables }: ApplyContext, findings: Findings): Promise<void> {
  const held = new Map(findings.held.map((one) => [one.id, one]));
  // One record that has to wait makes an event of several records wait as a whole.
  for (const id of held.keys()) findings.outcomes.delete(id);
  await buryDeadLetters(client, tables, findings.letters);
  await cureDeadLetters(client, tables, findings.cured);
  await writeSyncLog(client, tables, findings.log);
  await settleEvents(client, tables, findings.outcomes);
  await holdEvents(client, tables, [...held.values()]);
}

function groupBy<T>(all: readonly T[], keyOf: (one: T) => string | undefined): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of all) {
    const key = keyOf(one);
    if (key === undefined) continue;
    const group = groups.get(key);
    if (group) group.push(one);
    else groups.set(key, [one]);
  }
  return groups;
}
