/**
 * The outward room without its stream: a real database with the reference tables, the emulator, the
 * real client, and the steps of delivery and of the reading of doubts, made one at a time. Changes of
 * rows and the messages that the room writes into the WAL are folded where a test says so.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeBatches } from '../../cdc/deliver/batch.ts';
import { claimDue } from '../../cdc/deliver/claim.ts';
import type { Claimed, Outcome } from '../../cdc/deliver/claimed.ts';
import { sendBatch } from '../../cdc/deliver/send.ts';
import { settleBatch } from '../../cdc/deliver/settle.ts';
import { resolveTable } from '../../cdc/doubts/doubts.ts';
import { createPauses } from '../../cdc/doubts/pauses.ts';
import type { Step } from '../../cdc/ingest/change.ts';
import { foldStep } from '../../cdc/ingest/fold.ts';
import { moveRecord } from '../../cdc/ingest/move.ts';
import { createDroppedProperties, type DeliverContext } from '../../cdc/records/context.ts';
import type { Behaviour } from '../../emulator/behaviour.ts';
import { HubSpotError } from '../../shared/hubspot/errors.ts';
import type { HubSpot } from '../../shared/hubspot/hubspot.ts';
import { parseMapping } from '../../shared/mapping/load.ts';
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import { doubtAll } from '../../shared/postgres/doubt-all.ts';
import { ensureMarkSecret, MARK_PREFIX, type Mark, readMark } from '../../shared/postgres/mark.ts';
import { migrate } from '../../shared/postgres/migrate.ts';
import { createPool, inTransaction } from '../../shared/postgres/pool.ts';
import {
  lockRecords,
  refId,
  type StoredRecord,
  saveRecords,
} from '../../shared/postgres/records.ts';
import { lockRows, readColumnTypes } from '../../shared/postgres/rows.ts';
import { quoteIdentifier, tablesOf } from '../../shared/postgres/schema.ts';
import { doubt, learned } from '../../shared/protocol/record.ts';
import type { DoubtReason } from '../../shared/protocol/state.ts';
import { createLogger, createSilentLogger } from '../../shared/service/logger.ts';
import { packageRoot } from '../../shared/service/package-root.ts';
import { appId, type Connected, connectToEmulator } from '../hubspot/connected.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';

export const tables = tablesOf('hubspot_sync');

type Columns = Readonly<Record<string, string | number | null>>;

export interface RoomOptions {
  /** Run after the reference application's tables are made. */
  readonly sql?: string;
  /** Changes the shipped mapping's text. */
  readonly mapping?: (text: string) => string;
  readonly behaviour?: Partial<Behaviour>;
  /** False: HubSpot has no property for the keys yet. */
  readonly keys?: boolean;
  /** Where log lines go; nowhere when not said. */
  readonly log?: (line: string) => void;
}

/** A record as the emulator's control path shows it. */
export interface Shown {
  readonly id: string;
  readonly archived: boolean;
  readonly properties: Readonly<Record<string, string | null>>;
  readonly history: Readonly<Record<string, readonly { value: string; timestamp: string }[]>>;
  readonly associations: unknown;
}

export interface Letter {
  readonly direction: string;
  readonly object_type: string;
  readonly key: string | null;
  readonly hubspot_id: string | null;
  readonly code: string;
  readonly message: string;
  readonly state: string;
  readonly payload: Record<string, unknown>;
}

export interface Room extends AsyncDisposable {
  readonly db: TestDatabase;
  readonly context: DeliverContext;
  readonly hubspot: HubSpot;
  readonly control: Connected['control'];
  table(object: string): TableMapping;
  /** Changes the row as the application would, and folds the change as the stream would. */
  insert(object: string, key: string, columns: Columns): Promise<void>;
  update(object: string, key: string, columns: Columns): Promise<void>;
  remove(object: string, key: string): Promise<void>;
  /** Changes the row's key. */
  rekey(object: string, from: string, to: string): Promise<void>;
  /** Lets whatever waits for a pause be due now. */
  hurry(): Promise<void>;
  /** Folds a row as it stands, as if its insert had come through the stream only now. */
  foldInsert(object: string, key: string): Promise<void>;
  record(object: string, key: string): Promise<StoredRecord>;
  change(object: string, key: string, edit: (record: StoredRecord) => void): Promise<void>;
  row(object: string, key: string): Promise<Record<string, string | null> | undefined>;
  /** The marks in the WAL since the last look, folded into their records. */
  consume(): Promise<Mark[]>;
  claim(): Promise<Claimed[]>;
  send(claimed: readonly Claimed[]): Promise<Map<string, Outcome>>;
  settle(claimed: readonly Claimed[], outcomes: ReadonlyMap<string, Outcome>): Promise<void>;
  /** Claims what is due, sends and settles it. */
  deliver(): Promise<Claimed[]>;
  /** Comparisons, one reading of what is in doubt, and wanted ids. */
  resolve(): Promise<void>;
  /** Until nothing waits, is in doubt, wanted or to be compared. */
  rest(rounds?: number): Promise<void>;
  /** What waits, is under way or in doubt, in words; empty at rest. */
  waiting(): Promise<string[]>;
  /** Makes a HubSpot user create a record; answers its id. */
  create(object: string, properties: Columns, id?: string): Promise<string>;
  edit(object: string, id: string, properties: Columns): Promise<void>;
  shown(object: string, id: string): Promise<Shown>;
  list(object: string): Promise<Shown[]>;
  /** Calls of the API by method and path, such as `POST /crm/v3/objects/deals/batch/update`. */
  calls(): Promise<Record<string, { count: number; inputs: number }>>;
  createKeys(): Promise<void>;
  /** Makes a doubt of every linked record, as the command does. */
  reconcile(): Promise<void>;
  /** Puts a doubt on a record, as an event of HubSpot's would. */
  doubt(object: string, key: string, reason: DoubtReason): Promise<void>;
  /** Dead letters, oldest first. */
  letters(): Promise<Letter[]>;
  /** Until a session of the database waits for a lock. */
  waitsForLock(): Promise<void>;
  /** Links a row and a HubSpot record that hold the same values, as reconciled long ago. */
  link(object: string, key: string, id: string): Promise<void>;
}

/** As the trailing zeros of its LSN tell: after everything consumed before. */
async function nowLsn(db: TestDatabase): Promise<string> {
  const [row] = await db.query<{ lsn: string }>('select pg_current_wal_insert_lsn()::text as lsn');
  return row?.lsn ?? '0/0';
}

export async function createRoom(options: RoomOptions = {}): Promise<Room> {
  const trs = await readFile(join(packageRoot, 'demo', 'trs.sql'), 'utf8');
  const file = await readFile(join(packageRoot, 'sync.yaml'), 'utf8');
  const mapping = parseMapping(options.mapping?.(file) ?? file, 'sync.yaml');
  const db = await createTestDatabase(trs + (options.sql ?? ''));
  await migrate({ databaseUrl: db.url, schema: 'hubspot_sync' });
  const pool = createPool({ databaseUrl: db.url, applicationName: 'test' });
  const secret = await ensureMarkSecret(pool, tables);
  await db.query(
    `insert into ${tables.lease} (name, term, holder, expires_at) values ('cdc', 1, 'test', 'infinity')`,
  );
  await db.query("select pg_create_logical_replication_slot($1, 'test_decoding')", [db.name]);
  const connected = await connectToEmulator({}, { behaviour: options.behaviour ?? {} });
  const { hubspot, events, control } = connected;
  const createKeys = async () => {
    for (const { object, idProperty } of mapping.tables) {
      await hubspot.createProperty(object, {
        name: idProperty,
        label: 'TRS id',
        type: 'string',
        fieldType: 'text',
        groupName: `${{ companies: 'company', contacts: 'contact', deals: 'deal' }[object] ?? object}information`,
        hasUniqueValue: true,
      });
    }
  };
  if (options.keys !== false) await createKeys();
  const log = options.log
    ? createLogger({ log: { level: 'debug', format: 'json' } } as never, {
        destination: { write: options.log },
      })
    : createSilentLogger();
  const context: DeliverContext = {
    pool,
    tables,
    mapping,
    hubspot,
    secret,
    term: 1,
    appId: String(appId),
    log,
    events,
    typesOf: (table) => readColumnTypes(pool, table),
    dropped: createDroppedProperties(),
  };
  const tableFor = (object: string): TableMapping => {
    const table = mapping.objectOf(object);
    if (!table) throw new Error(`${object} is not mapped`);
    return table;
  };
  let ordinal = 0;

  const fold = async (steps: readonly Step[]) => {
    for (const step of steps) {
      await inTransaction(pool, async (client) => {
        const { object } = step.table;
        const ref = { object, key: step.key };
        const record = (await lockRecords(client, tables, [ref], { create: true })).get(refId(ref));
        if (!record) throw new Error(`no record ${step.key}`);
        const { rows } = await client.query(
          `select object_type, key, hubspot_id from ${tables.record} where hubspot_id is not null`,
        );
        const links = new Map(rows.map((r) => [`${r.object_type}/${r.key}`, r.hubspot_id]));
        const linkOf = (to: string, key: string) => links.get(`${to}/${key}`) as string | undefined;
        foldStep({ debounceMs: 0, maxWaitMs: 0, linkOf }, record, step);
        await saveRecords(client, tables, [record]);
      });
    }
  };
  const place = async (object: string, key: string) => ({
    table: tableFor(object),
    key,
    lsn: await nowLsn(db),
    ordinal: ++ordinal,
    at: Date.now(),
  });
  const readRow = async (object: string, key: string) => {
    const table = tableFor(object);
    const types = await readColumnTypes(pool, table);
    return inTransaction(
      pool,
      async (client) => (await lockRows(client, table, types, [key])).get(key)?.columns,
    );
  };
  const names = (columns: Columns) => Object.keys(columns).map(quoteIdentifier);

  const room: Room = {
    db,
    context,
    hubspot,
    control,
    table: tableFor,
    async insert(object, key, columns) {
      const all = { id: key, ...columns };
      const values = Object.values(all);
      await db.query(
        `insert into ${tableFor(object).sql} (${names(all).join(', ')}) values (${values.map((_, i) => `$${i + 1}`).join(', ')})`,
        values,
      );
      await room.foldInsert(object, key);
    },
    async foldInsert(object, key) {
      const columns = (await readRow(object, key)) ?? {};
      await fold([{ ...(await place(object, key)), kind: 'insert', columns, marked: false }]);
    },
    async update(object, key, columns) {
      const values = Object.values(columns);
      await db.query(
        `update ${tableFor(object).sql} set ${names(columns)
          .map((name, i) => `${name} = $${i + 2}`)
          .join(', ')} where id = $1`,
        [key, ...values],
      );
      const now = (await readRow(object, key)) ?? {};
      await fold([{ ...(await place(object, key)), kind: 'update', columns: now, marked: false }]);
    },
    async remove(object, key) {
      await db.query(`delete from ${tableFor(object).sql} where id = $1`, [key]);
      await fold([{ ...(await place(object, key)), kind: 'delete', marked: false }]);
    },
    async rekey(object, from, to) {
      const { sql } = tableFor(object);
      await db.query(`update ${sql} set id = $2 where id = $1`, [from, to]);
      const columns = (await readRow(object, to)) ?? {};
      const step = {
        ...(await place(object, to)),
        kind: 'rekey' as const,
        from,
        columns,
        marked: false,
      };
      const settings = { debounceMs: 0, maxWaitMs: 0, linkOf: () => undefined };
      await inTransaction(pool, async (client) => {
        const refs = [from, to].map((key) => ({ object, key }));
        const records = await lockRecords(client, tables, refs, { create: true });
        const [old, now] = refs.map((ref) => records.get(refId(ref)) as StoredRecord);
        moveRecord(settings, old as StoredRecord, now as StoredRecord, step);
        foldStep(settings, now as StoredRecord, step);
        await client.query(`update ${tables.record} set hubspot_id = null where key = any ($1)`, [
          [from, to],
        ]);
        await saveRecords(client, tables, records.values());
      });
    },
    async hurry() {
      await db.query(`update ${tables.outbox} set due_at = now()`);
    },
    async record(object, key) {
      const ref = { object, key };
      const found = await inTransaction(pool, (client) => lockRecords(client, tables, [ref]));
      return found.get(refId(ref)) as StoredRecord;
    },
    async change(object, key, edit) {
      const ref = { object, key };
      await inTransaction(pool, async (client) => {
        const record = (await lockRecords(client, tables, [ref], { create: true })).get(refId(ref));
        if (!record) throw new Error(`no record ${key}`);
        edit(record);
        await saveRecords(client, tables, [record]);
      });
    },
    row: (object, key) => readRow(object, key),
    async consume() {
      const rows = await db.query<{ lsn: string; xid: string; data: string }>(
        `select lsn::text, xid::text, data from pg_logical_slot_get_changes($1, null, null, 'skip-empty-xacts', '1')`,
        [db.name],
      );
      const marks: Mark[] = [];
      for (const { xid, data } of rows) {
        const start = data.indexOf('content:');
        if (!data.startsWith('message:') || !data.includes(`prefix: ${MARK_PREFIX},`)) continue;
        const content = Buffer.from(data.slice(start + 'content:'.length));
        const mark = readMark(secret, Number(xid), content);
        if (!mark) throw new Error(`a message that can't be read: ${data}`);
        marks.push(mark);
        if (mark.kind === 'heartbeat') continue;
        if (mark.kind === 'inbound') {
          for (const row of mark.rows) {
            await fold([{ ...(await place(row.object, row.key)), kind: 'mark', mark: row }]);
          }
          continue;
        }
        const { kind } = mark;
        for (const row of mark.rows) {
          await fold([{ ...(await place(row.object, row.key)), kind, row: row.row }]);
        }
      }
      return marks;
    },
    claim: () => claimDue(context, 800),
    async send(claimed) {
      const outcomes = new Map<string, Outcome>();
      for (const batch of makeBatches(claimed)) {
        const asHubSpotError = (thrown: unknown) => {
          if (thrown instanceof HubSpotError) return thrown;
          throw thrown;
        };
        const sent = await sendBatch({ hubspot, events, asHubSpotError }, batch, {});
        for (const [request, outcome] of sent) outcomes.set(request, outcome);
      }
      return outcomes;
    },
    async settle(claimed, outcomes) {
      for (const batch of makeBatches(claimed)) await settleBatch(context, batch, outcomes);
    },
    async deliver() {
      const claimed = await room.claim();
      await room.settle(claimed, await room.send(claimed));
      return claimed;
    },
    async resolve() {
      for (const table of mapping.tables) await resolveTable(context, table, createPauses());
    },
    async rest(rounds = 12) {
      for (let round = 0; round < rounds; round += 1) {
        if ((await room.waiting()).length === 0 && (await room.consume()).length === 0) return;
        await room.consume();
        await room.resolve();
        await room.consume();
        await room.hurry();
        await room.deliver();
      }
      const left = await room.waiting();
      if (left.length > 0) throw new Error(`no rest after ${rounds} rounds: ${left.join('; ')}`);
    },
    async waiting() {
      const rows = await db.query<{ what: string }>(
        `select 'outbox ' || object_type || ' ' || key || ' ' || coalesce(operation, '') || ' ' || pending || ' ' || coalesce(error, '') as what
           from ${tables.outbox}
         union all
         select 'record ' || object_type || ' ' || key || ' ' || (state -> 'doubt') || case when call_since is null then '' else ' call' end || case when compare_since is null then '' else ' compare' end
           from ${tables.record} where doubt_since is not null or call_since is not null or compare_since is not null
         union all
         select 'wanted ' || object_type || ' ' || hubspot_id from ${tables.hubspotId} where wanted_at is not null`,
      );
      return rows.map(({ what }) => what);
    },
    async create(object, properties, id) {
      const body = { properties, ...(id === undefined ? {} : { id }) };
      return (await control('POST', `/objects/${object}`, body)).id;
    },
    async edit(object, id, properties) {
      await control('PATCH', `/objects/${object}/${id}`, { properties });
    },
    shown: (object, id) => control('GET', `/objects/${object}/${id}`),
    async list(object) {
      const live = await control('GET', `/objects/${object}`);
      return live.results ?? live;
    },
    calls: async () => (await control('GET', '/stats')).calls,
    createKeys,
    async reconcile() {
      await doubtAll(
        pool,
        tables,
        mapping.tables.map(({ object }) => object),
      );
    },
    doubt: (object, key, reason) =>
      room.change(object, key, (record) => {
        record.state = doubt(learned(record.state), reason);
      }),
    letters: () => db.query(`select * from ${tables.deadLetter} order by id`) as never,
    async waitsForLock() {
      await eventually(
        async () => {
          const [row] = await db.query<{ n: number }>(
            "select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
          );
          return row?.n;
        },
        { what: 'a session that waits for a lock' },
      );
    },
    async link(object, key, id) {
      await room.change(object, key, (record) => {
        record.state = {
          ...record.state,
          revision: record.state.revision + 1,
          doubt: ['reconcile'],
          existence: {
            link: id,
            alive: { low: 0, high: 0 },
            ids: [{ id, dead: null, archivedByUs: false, createdByUs: false }],
          },
        };
        record.outbox = null;
      });
      await room.rest();
    },
    async [Symbol.asyncDispose]() {
      await connected[Symbol.asyncDispose]();
      await pool.end();
      await db.drop();
    },
  };
  return room;
}
