/** A database with the mapped tables, set up as `init` does it, and an ingest that streams from it. */
import { startIngest } from '../../../cdc/ingest/ingest.ts';
import { parseMapping } from '../../../shared/mapping/load.ts';
import type { Mapping } from '../../../shared/mapping/mapping.ts';
import { type Lease, takeLease } from '../../../shared/postgres/lease.ts';
import { createPool, type Pool } from '../../../shared/postgres/pool.ts';
import { tablesOf } from '../../../shared/postgres/schema.ts';
import { setUp } from '../../../shared/postgres/setup.ts';
import { type Config, loadConfig } from '../../../shared/service/config.ts';
import { createEvents, type EventMap, type Events } from '../../../shared/service/events.ts';
import type { Handle } from '../../../shared/service/lifecycle.ts';
import { createSilentLogger, type Logger } from '../../../shared/service/logger.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { eventually } from '../../support/eventually.ts';

export const tables = tablesOf('hubspot_sync');

export const schema = `
  create table clients (id text primary key, name text not null, arr numeric(14, 2), note text, local int);
  create table deals (id text primary key, name text not null, amount numeric(14, 2), due date,
    probability numeric(5, 4), next_step text, client_id text references clients (id), local int);
`;

export const yaml = `
zone: UTC
tables:
  - table: clients
    object: companies
    key: id
    idProperty: trs_id
    id: hs_{id}
    properties:
      name: { column: name, required: true }
      annualrevenue: { column: arr, type: number }
      about_us: note
    deletes: { outbound: archive, inbound: delete }
  - table: deals
    object: deals
    key: id
    idProperty: trs_id
    id: hs_{id}
    properties:
      dealname: { column: name, required: true }
      amount: { column: amount, type: number }
      closedate: { column: due, type: date, as: datetime }
      hs_deal_stage_probability: { column: probability, type: number, direction: inbound }
      hs_next_step: next_step
    associations:
      - { column: client_id, to: companies }
    deletes: { outbound: archive, inbound: delete }
`;

export interface Room extends AsyncDisposable {
  readonly db: TestDatabase;
  readonly config: Config;
  readonly mapping: Mapping;
  readonly pool: Pool;
  readonly secret: Buffer;
  readonly log: Logger;
  /** Starts an ingest under a lease of its own; the one before must be stopped. */
  start(options?: { events?: Events; log?: Logger }): Promise<Streaming>;
  /** What waits for a record: operation, and the names of its pending properties in order. */
  waiting(key: string): Promise<{ operation: string | null; pending: string[] } | undefined>;
  record(key: string): Promise<RecordRow | undefined>;
  /** Commits a change of an unmapped kind, and waits until everything before it is ingested. */
  drained(): Promise<void>;
}

interface RecordRow {
  readonly image: Record<string, string | null> | null;
  readonly state: Record<string, never> & { existence: { link: string | null } };
  readonly hubspot_id: string | null;
}

export interface Streaming extends AsyncDisposable {
  readonly handle: Handle;
  readonly lease: Lease;
  readonly events: Events;
  /** Everything it told so far. */
  readonly told: { name: string; event: EventMap[keyof EventMap] }[];
  stop(): Promise<void>;
}

let clearings = 0;

export async function createRoom(
  options: { sql?: string; mappingText?: string; db?: TestDatabase } = {},
): Promise<Room> {
  const db = options.db ?? (await createTestDatabase(schema + (options.sql ?? '')));
  const name = `s_${db.name}`;
  const config = loadConfig({
    env: { DATABASE_URL: db.url, CDC_SLOT: name, CDC_PUBLICATION: name },
  });
  const mapping = parseMapping(options.mappingText ?? yaml, 'sync.yaml');
  const log = createSilentLogger();
  const pool = createPool({ databaseUrl: db.url, applicationName: 'test' });
  const { secret } = await setUp({
    databaseUrl: db.url,
    schema: config.schema,
    slot: name,
    publication: name,
    mapping,
    pool,
    log,
  });
  const room: Room = {
    db,
    config,
    mapping,
    pool,
    secret,
    log,
    async start({ events = createEvents(), log: own = log } = {}) {
      const lease = await takeLease({ databaseUrl: db.url, tables, holder: 'test', log });
      const told: Streaming['told'] = [];
      for (const event of ['outbound:change', 'echo', 'conflict'] as const) {
        events.on(event, (facts) => void told.push({ name: event, event: facts }));
      }
      const handle = startIngest({
        config,
        mapping,
        pool,
        tables,
        log: own,
        events,
        term: lease.term,
      });
      const stop = async () => {
        await handle.stop();
        await lease.release();
      };
      let failure: unknown;
      handle.promise.catch((error: unknown) => {
        failure = error;
      });
      await eventually(
        async () => {
          if (failure) return true;
          const ready = await handle.ready();
          return typeof ready === 'boolean' ? ready : ready.ready;
        },
        { what: 'the ingest to stream' },
      );
      if (failure) {
        await stop();
        throw failure;
      }
      return { handle, lease, events, told, stop, [Symbol.asyncDispose]: stop };
    },
    async waiting(key) {
      const [row] = await db.query(
        'select operation, pending from hubspot_sync.outbox where key = $1',
        [key],
      );
      return row && { operation: row.operation, pending: Object.keys(row.pending).sort() };
    },
    async record(key) {
      const [row] = await db.query(
        'select image, state, hubspot_id from hubspot_sync.record where key = $1',
        [key],
      );
      return row as RecordRow | undefined;
    },
    async drained() {
      clearings += 1;
      const key = `clearing ${clearings}`;
      await db.query(`insert into clients (id, name) values ($1, 'x')`, [key]);
      await eventually(async () => (await room.record(key)) !== undefined, {
        what: 'everything to be ingested',
      });
    },
    async [Symbol.asyncDispose]() {
      await pool.end();
      await db.drop();
    },
  };
  return room;
}
