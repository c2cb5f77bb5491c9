/**
 * SQL sessions. Everything that may pass through a transaction pooler uses these: no session state,
 * unnamed statements, settings by SET LOCAL.
 */
import pg from 'pg';
import type { Logger } from '../service/logger.ts';

export type Pool = pg.Pool;
export type Client = pg.ClientBase;
/** What runs a query: a pool or a client inside a transaction. */
export type Queryable = Pick<pg.ClientBase, 'query'>;

/** Every value arrives as the text the server prints, so that nothing is lost on the way. */
const asText: pg.CustomTypesConfig = { getTypeParser: () => (value: unknown) => value } as never;

export interface PoolOptions {
  readonly databaseUrl: string;
  readonly applicationName: string;
  readonly max?: number;
  readonly log?: Logger;
}

export function createPool({ databaseUrl, applicationName, max = 10, log }: PoolOptions): Pool {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    application_name: applicationName,
    max,
    connectionTimeoutMillis: 10_000,
    idleTimeoutMillis: 30_000,
  });
  // A session that dies while it is given out tells so by an event too, beside failing its query; an
  // event that nobody listens to would end the process.
  pool.on('connect', (client) => {
    client.on('error', (error) => log?.debug({ err: error }, 'a database session ended'));
  });
  // An idle session that dies is no reason to end the process: the next query opens another. While
  // the pool is ended, a server that shuts down may be faster than the session's own farewell.
  pool.on('error', (error) => {
    if (pool.ending) return;
    const { code } = error as { code?: string };
    // The server shuts down: where in our code the session idled says nothing.
    if (code === '57P01') log?.warn({ code }, 'the server ended an idle database session');
    else log?.warn({ err: error }, 'an idle database session ended');
  });
  return pool;
}

/**
 * One line that opens a transaction as all of ours run: READ COMMITTED whatever the role's default
 * (apply's lock-then-read needs it), printing values in one fixed way whatever the role's settings,
 * and durable when it says so even where the database defaults to synchronous_commit = off.
 */
const BEGIN = [
  'begin isolation level read committed read write',
  "set local datestyle = 'ISO, MDY'",
  "set local timezone = 'UTC'",
  'set local extra_float_digits = 1',
  "set local bytea_output = 'hex'",
  "set local intervalstyle = 'postgres'",
  "select set_config('synchronous_commit', case when current_setting('synchronous_commit') in ('off', 'local') then 'on' else current_setting('synchronous_commit') end, true)",
].join('; ');

/** Runs `work` in one transaction and commits it; rolls back and rethrows when it throws. */
export async function inTransaction<T>(
  pool: Pool,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query(BEGIN);
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch((failure: Error) => {
      broken = failure;
    });
    throw error;
  } finally {
    // A session whose rollback failed is of unknown state and is not given out again.
    client.release(broken);
  }
}

/** A query whose values all arrive as text, `t` and `2026-01-01 00:00:00+00` included. */
export async function queryText(
  client: Queryable,
  text: string,
  values: unknown[] = [],
): Promise<Record<string, string | null>[]> {
  const { rows } = await client.query({ text, values, types: asText });
  return rows;
}
