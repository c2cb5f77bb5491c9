/** A database of a test's own on the run's server, dropped with its slots at the end. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';

export interface TestDatabase extends AsyncDisposable {
  readonly url: string;
  readonly name: string;
  readonly pool: pg.Pool;
  query<R extends pg.QueryResultRow = pg.QueryResultRow>(
    sql: string,
    values?: unknown[],
  ): Promise<R[]>;
  drop(): Promise<void>;
}

/** Creates an empty database; `sql` is run in it first. */
export async function createTestDatabase(sql = ''): Promise<TestDatabase> {
  const server = process.env.TEST_DATABASE_URL;
  if (!server)
    throw new Error('TEST_DATABASE_URL is missing: jest.config.js names the global set-up');
  const name = `t_${randomBytes(6).toString('hex')}`;
  await onServer(server, `create database ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  const pool = new pg.Pool({ connectionString: url.href, max: 10 });
  pool.on('error', () => undefined); // dropping the database ends idle clients
  if (sql) await pool.query(sql);
  const drop = async () => {
    await pool.end().catch(() => undefined);
    const client = new pg.Client({ connectionString: server });
    await client.connect();
    try {
      await client.query(
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1',
        [name],
      );
      const { rows } = await client.query(
        'select slot_name, active_pid from pg_replication_slots where database = $1',
        [name],
      );
      for (const { slot_name } of rows) {
        for (let tries = 0; ; tries++) {
          try {
            await client.query('select pg_drop_replication_slot($1)', [slot_name]);
            break;
          } catch (error) {
            if (tries > 50) throw error;
            await client.query('select pg_sleep(0.05)');
          }
        }
      }
      await client.query(`drop database if exists ${name} with (force)`);
    } finally {
      await client.end();
    }
  };
  return {
    url: url.href,
    name,
    pool,
    query: async (text, values) => (await pool.query(text, values)).rows,
    drop,
    [Symbol.asyncDispose]: drop,
  };
}

async function onServer(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
