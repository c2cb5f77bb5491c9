/**
 * The publication of the mapped tables and the replication slot, in that order: a slot that is older than
 * its publication can't decode what lies between. Tables are published whole, without column lists or row
 * filters, which would make the application's own updates fail.
 */
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Mapping } from '../../shared/mapping/mapping.ts';
import type { Pool } from '../../shared/postgres/pool.ts';
import { quoteIdentifier } from '../../shared/postgres/schema.ts';
import { errorTable } from '../../shared/service/errors.ts';

export const initError = errorTable({
  TABLE_HELD: {
    disposition: 'stop',
    advice: 'Run init again when the table is less busy; it waits 2 s at a time, five times.',
  },
  NOT_OWNER: {
    disposition: 'stop',
    advice: 'Run the statement as the owner of the tables, then init again.',
  },
  SLOT_WAITS: {
    disposition: 'stop',
    advice:
      'A slot is made when every transaction that is open now has ended; end it and run init again.',
  },
  SLOT_TAKEN: {
    disposition: 'stop',
    advice: 'Choose another name by CDC_SLOT, or drop the slot if nobody needs it.',
  },
});

export type Made = 'created' | 'extended' | 'kept';

/** @throws SyncError NOT_OWNER, TABLE_HELD */
export async function ensurePublication(pool: Pool, mapping: Mapping, name: string): Promise<Made> {
  const wanted = mapping.tables.map(({ schema, name, sql }) => ({ id: `${schema}.${name}`, sql }));
  const quoted = quoteIdentifier(name);
  const { rows } = await pool.query(
    `select array(select schemaname || '.' || tablename from pg_publication_tables
       where pubname = p.pubname) as tables
     from pg_publication p where pubname = $1`,
    [name],
  );
  if (rows.length === 0) {
    const list = wanted.map(({ sql }) => sql).join(', ');
    await runLocked(
      pool,
      [],
      `create publication ${quoted} for table ${list} with (publish_via_partition_root = true)`,
    );
    return 'created';
  }
  const missing = wanted.filter(({ id }) => !rows[0].tables.includes(id));
  for (const { sql } of missing) {
    // Rows that an open transaction has written already would never be streamed: the lock waits for it.
    await runLocked(pool, [sql], `alter publication ${quoted} add table ${sql}`);
  }
  return missing.length > 0 ? 'extended' : 'kept';
}

const lockTries = 5;

/** Runs DDL without ever queueing behind a long transaction for more than 2 s at a time. */
async function runLocked(pool: Pool, tables: readonly string[], statement: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const client = await pool.connect();
    try {
      await client.query('begin');
      await client.query(`set local lock_timeout = '2s'`);
      for (const table of tables) {
        await client.query(`lock table ${table} in share row exclusive mode`);
      }
      await client.query(statement);
      await client.query('commit');
      return;
    } catch (error) {
      await client.query('rollback').catch(() => undefined);
      const { code } = error as { code?: string };
      if (code === '42710' || code === '23505') return; // another init was faster
      if (code === '42501') {
        throw initError('NOT_OWNER', `This role may not run: ${statement}.`, { code }, error);
      }
      if (code !== '55P03') throw error;
      if (tries === lockTries) {
        throw initError(
          'TABLE_HELD',
          `A table is locked by others: ${statement}.`,
          { code },
          error,
        );
      }
    } finally {
      client.release();
    }
    await delay(500);
  }
}

export interface SlotOptions {
  readonly databaseUrl: string;
  readonly slot: string;
  readonly plugin: string;
  /** Milliseconds that open transactions are waited for. */
  readonly timeoutMs?: number;
}

/** @throws SyncError SLOT_TAKEN, SLOT_WAITS */
export async function ensureSlot(options: SlotOptions): Promise<Made> {
  const { databaseUrl, slot, plugin, timeoutMs = 30_000 } = options;
  // A session of its own: slots are made outside transactions, and the wait has its own time-out.
  const client = new pg.Client({ connectionString: databaseUrl });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const { rows } = await client.query(
      `select plugin, database, database = current_database() as ours
       from pg_replication_slots where slot_name = $1`,
      [slot],
    );
    const found = rows[0];
    if (found) {
      if (found.ours && found.plugin === plugin) return 'kept';
      throw initError(
        'SLOT_TAKEN',
        `There is a slot ${slot} already, of database ${found.database} and plugin ${found.plugin}.`,
        { slot },
      );
    }
    await client.query(`set statement_timeout = ${timeoutMs}`);
    await client.query('select pg_create_logical_replication_slot($1, $2)', [slot, plugin]);
    return 'created';
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === '42710') return 'kept'; // another init was faster
    if (code !== '57014') throw error;
    const seconds = Math.round(timeoutMs / 1000);
    throw initError(
      'SLOT_WAITS',
      `The slot was not made within ${seconds} s: ${await nameOldestTransaction(client)}.`,
      { slot },
      error,
    );
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function nameOldestTransaction(client: pg.Client): Promise<string> {
  const { rows } = await client.query(
    `select pid, usename, application_name as application,
       round(extract(epoch from now() - xact_start)) as seconds
     from pg_stat_activity
     where backend_xid is not null and pid <> pg_backend_pid() order by xact_start limit 1`,
  );
  const oldest = rows[0];
  if (oldest === undefined) return 'a transaction stays open';
  return `pid ${oldest.pid} (${oldest.usename}, ${oldest.application || 'unnamed'}) has had a transaction open for ${oldest.seconds} s`;
}
