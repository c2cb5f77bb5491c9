/** What happens to the server itself: a shutdown, a crash. On a server of the test's own. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../../demo/embedded-postgres.ts';
import type { TestDatabase } from '../../support/database.ts';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';
import { createRoom, schema } from './room.ts';

let folder: string;
let port: number;
let server: EmbeddedPostgres;

async function startServer(): Promise<void> {
  // Whatever the WAL writer would flush by itself soon is what a crash must be able to take.
  const settings = { wal_writer_delay: '10s', wal_writer_flush_after: '1GB' };
  server = await startEmbeddedPostgres({ dataDir: join(folder, 'pg'), port, settings });
}

/** A database of that server, as `createTestDatabase` answers one. */
async function createDatabase(name: string): Promise<TestDatabase> {
  const admin = new pg.Pool({ connectionString: server.url('postgres'), max: 1 });
  await admin.query(`create database ${name}`);
  await admin.end();
  const url = server.url(name);
  const pool = new pg.Pool({ connectionString: url });
  pool.on('error', () => undefined);
  await pool.query(schema);
  const drop = () => pool.end();
  return {
    url,
    name,
    pool,
    query: async (text, values) => (await pool.query(text, values)).rows,
    drop,
    [Symbol.asyncDispose]: drop,
  };
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pg-hubspot-sync-test-'));
  await chmod(folder, 0o755);
  port = await freePort();
  await startServer();
});
afterEach(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

test('a transaction that can’t be stored does not hold up a fast shutdown, and arrives after the start', async () => {
  await using room = await createRoom({ db: await createDatabase('a') });
  await using streaming = await room.start();
  const blocker = new pg.Client({ connectionString: room.db.url });
  blocker.on('error', () => undefined);
  await blocker.connect();
  await blocker.query('begin; lock table hubspot_sync.record in exclusive mode');
  await room.db.query(`insert into deals (id, name) values ('d1', 'x')`);
  await eventually(async () => {
    const waiting = await room.db.query(
      `select 1 from pg_locks where not granted and relation = 'hubspot_sync.record'::regclass`,
    );
    return waiting.length > 0;
  });
  const began = Date.now();
  await server.stop();
  expect(Date.now() - began).toBeLessThan(5_000);
  await startServer();
  await room.drained();
  expect(await room.record('d1')).toBeDefined();
  await streaming.stop();
});

test('a stream that is idle, with a little unconfirmed, does not hold up a fast shutdown either', async () => {
  await using room = await createRoom({ db: await createDatabase('c') });
  await using streaming = await room.start();
  await room.drained();
  await room.db.query('create table elsewhere as select 1 as x');
  const began = Date.now();
  await server.stop();
  expect(Date.now() - began).toBeLessThan(5_000);
  await startServer();
  await room.drained();
  await streaming.stop();
});

test('a peer that falls silent is left, and the stream goes on when it can', async () => {
  const db = await createDatabase('d');
  await using room = await createRoom({ db });
  await db.query(`alter database d set wal_sender_timeout = '1s'`);
  await using streaming = await room.start();
  const [sender] = await db.query('select active_pid as pid from pg_replication_slots');
  const left = streaming.events.next('slot:state', ({ state }) => state === 'reconnecting');
  process.kill(sender?.pid, 'SIGSTOP');
  try {
    expect(await left).toMatchObject({ reason: 'SLOT_SILENT' });
  } finally {
    process.kill(sender?.pid, 'SIGCONT');
  }
  await room.drained();
});

test('a crash of a server with synchronous_commit off loses nothing that it had sent', async () => {
  await using room = await createRoom({ db: await createDatabase('b') });
  await room.db.query('alter database b set synchronous_commit = off');
  for (let round = 0; round < 3; round++) {
    const streaming = await room.start();
    const stored = streaming.events.next('outbound:change', ({ key }) => key === `d${round}`);
    const client = new pg.Client({ connectionString: room.db.url });
    client.on('error', () => undefined);
    await client.connect();
    await client.query(`insert into deals (id, name) values ($1, 'x')`, [`d${round}`]);
    // Flushes the insert itself, which the server sends only then.
    await client.query('set synchronous_commit = on');
    // With it the slot's own state gets to the disk as soon as we confirm what comes after it.
    await client.query('select pg_log_standby_snapshot()');
    await client.query(`insert into clients (id, name) values ($1, 'x')`, [`c${round}`]);
    const { rows } = await client.query('select pg_current_wal_lsn()::text as at');
    await stored;
    await eventually(
      async () => {
        const { rows: slots } = await client.query(
          'select confirmed_flush_lsn >= $1::pg_lsn as passed from pg_replication_slots where slot_name = $2',
          [rows[0].at, room.config.cdc.slot],
        );
        return slots[0].passed;
      },
      { what: 'both to be confirmed', everyMs: 5 },
    );
    process.kill(server.pid, 'SIGQUIT');
    await server.stop();
    await streaming.stop();
    await startServer();
    const [row] = await room.db.query(`select id from deals where id = $1`, [`d${round}`]);
    expect(row).toBeDefined();
  }
  await using _ = await room.start();
  const client = await room.db.pool.connect();
  await client.query('set synchronous_commit = on');
  await client.query(`insert into clients (id, name) values ('last', 'x')`);
  client.release();
  await eventually(async () => (await room.record('last')) !== undefined);
  for (const key of ['d0', 'd1', 'd2']) expect(await room.waiting(key)).toBeDefined();
});
