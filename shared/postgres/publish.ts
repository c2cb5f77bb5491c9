/**
 * The publication of the mapped tables, the replication slot, and the checkpoint that remembers both,
 * in that order: a slot that is older than its publication can't decode what lies between. Tables are
 * published whole, without column lists or row filters, which would make the application's own updates
 * fail.
 */
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { TableMapping } from '../mapping/mapping.ts';
import { resumeAfterGap } from '../protocol/consume.ts';
import { forgetMarks } from '../protocol/ids.ts';
import { errorTable, type SyncError } from '../service/errors.ts';
import type { Logger } from '../service/logger.ts';
import { readPublication, readServer, readSlot } from './catalog.ts';
import { findGap, type Names, readRemembered, UNKNOWN_CLUSTER } from './gap.ts';
import { formatLsn } from './lsn.ts';
import { type Client, inTransaction, type Pool } from './pool.ts';
import { lockRecords, refId, saveRecords } from './records.ts';
import { existingKeys, readColumnTypes } from './rows.ts';
import { quoteIdentifier, type Tables } from './schema.ts';

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

export interface PublishOptions {
  readonly databaseUrl: string;
  readonly pool: Pool;
  readonly tables: Tables;
  readonly names: Names;
  readonly mapped: readonly TableMapping[];
  readonly log: Logger;
  /** Milliseconds that open transactions are waited for while the slot is made. */
  readonly slotTimeoutMs?: number;
}

export interface Published {
  readonly publication: Made;
  readonly slot: Made;
  /** The gap that was found and closed: what happened in it isn't in the stream. */
  readonly gap: SyncError | null;
}

/**
 * Makes what is missing. Where the stream was interrupted before (slot lost, publication made anew)
 * it is taken up from here, and every known record is to be compared.
 * @throws SyncError NOT_OWNER, TABLE_HELD, SLOT_TAKEN, SLOT_WAITS
 */
export async function publish(options: PublishOptions): Promise<Published> {
  const publication = await ensurePublication(options);
  const slot = await ensureSlot(options);
  const gap = await ensureCheckpoint(options);
  return { publication, slot, gap };
}

async function ensurePublication(options: PublishOptions): Promise<Made> {
  const { pool, names, mapped } = options;
  const wanted = mapped.map(({ schema, name, sql }) => ({ id: `${schema}.${name}`, sql }));
  const quoted = quoteIdentifier(names.publication);
  const found = await readPublication(pool, names.publication);
  if (!found) {
    const list = wanted.map(({ sql }) => sql).join(', ');
    await runLocked(
      pool,
      [],
      `create publication ${quoted} for table ${list} with (publish_via_partition_root = true)`,
    );
    return 'created';
  }
  const missing = found.allTables ? [] : wanted.filter(({ id }) => !found.tables[id]);
  for (const { id, sql } of missing) {
    // Rows that an open transaction has written already would never be streamed: the lock waits for it.
    await runLocked(pool, [sql], `alter publication ${quoted} add table ${sql}`, (client) =>
      rememberTable(client, options, id),
    );
  }
  return missing.length > 0 ? 'extended' : 'kept';
}

/**
 * In the transaction that adds the table, so that a stream that is open doesn't take it for a gap. One
 * that was in the publication before was taken out, and what happened to it since is missing: its old
 * entry stays, and tells so.
 */
async function rememberTable(
  client: Client,
  { tables, names }: PublishOptions,
  id: string,
): Promise<void> {
  const table = (await readPublication(client, names.publication))?.tables[id];
  await client.query(
    `update ${tables.checkpoint} set publication = jsonb_set(publication, array['tables', $2], $3)
      where slot = $1 and publication is not null and not publication -> 'tables' ? $2`,
    [names.slot, id, JSON.stringify(table)],
  );
}

const LOCK_TRIES = 5;

/** Runs DDL without ever queueing behind a long transaction for more than 2 s at a time. */
async function runLocked(
  pool: Pool,
  lock: readonly string[],
  statement: string,
  andThen: (client: Client) => Promise<void> = async () => undefined,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await inTransaction(pool, async (client) => {
        await client.query(`set local lock_timeout = '2s'`);
        for (const table of lock) {
          await client.query(`lock table ${table} in share row exclusive mode`);
        }
        await client.query(statement);
        await andThen(client);
      });
      return;
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === '42710' || code === '23505') return; // another init was faster
      if (code === '42501') {
        throw initError('NOT_OWNER', `This role may not run: ${statement}.`, { code }, error);
      }
      if (code !== '55P03') throw error;
      if (tries === LOCK_TRIES) {
        throw initError(
          'TABLE_HELD',
          `A table is locked by others: ${statement}.`,
          { code },
          error,
        );
      }
    }
    await delay(500);
  }
}

async function ensureSlot(options: PublishOptions): Promise<Made> {
  const { databaseUrl, names, slotTimeoutMs = 30_000 } = options;
  const { slot } = names;
  // A session of its own: slots are made outside transactions, and the wait has its own time-out.
  const client = new pg.Client({ connectionString: databaseUrl });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const found = await readSlot(client, slot);
    if (found && found.walStatus !== 'lost') {
      if (found.isThisDatabase && found.plugin === 'pgoutput') return 'kept';
      throw initError(
        'SLOT_TAKEN',
        `There is a slot ${slot} already, of database ${found.database} and plugin ${found.plugin}.`,
        { slot },
      );
    }
    // A slot that the server gave up is of no use to anybody.
    if (found) await client.query('select pg_drop_replication_slot($1)', [slot]);
    await client.query(`set statement_timeout = ${slotTimeoutMs}`);
    await client.query('select pg_create_logical_replication_slot($1, $2)', [slot, 'pgoutput']);
    return 'created';
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === '42710') return 'kept'; // another init was faster
    if (code !== '57014') throw error;
    const seconds = Math.round(slotTimeoutMs / 1000);
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

/** Positions of another cluster mean nothing here; those of the same one only grow. */
const ADOPT = `
  set commit_lsn = case when c.system_identifier = excluded.system_identifier then c.commit_lsn else '0/0' end,
      partial_lsn = null, partial_ordinal = 0, system_identifier = excluded.system_identifier,
      confirmed_lsn = excluded.confirmed_lsn, publication = excluded.publication, updated_at = now()`;

/** @returns the gap between what was remembered and what is there, now closed */
async function ensureCheckpoint(options: PublishOptions): Promise<SyncError | null> {
  const { pool, tables, names, log } = options;
  const slot = await readSlot(pool, names.slot);
  const server = await readServer(pool);
  const publication = await readPublication(pool, names.publication);
  const remembered = await readRemembered(pool, tables, names.slot);
  const gap = remembered && findGap(names, remembered, { server, slot, publication });
  if (remembered && !gap) return null;
  if (gap) {
    log.warn({ err: gap }, 'changes were missed: every known record is going to be compared');
    // Before the checkpoint: a crash in between repeats it, and nothing is streamed without it.
    await resumeRecords(options);
  }
  await pool.query(
    `insert into ${tables.checkpoint} as c (slot, system_identifier, confirmed_lsn, publication)
     values ($1, $2, $3, $4)
     on conflict (slot) do ${gap ? 'update' : 'nothing'}
       ${gap ? ADOPT : ''}`,
    [
      names.slot,
      server.systemIdentifier ?? UNKNOWN_CLUSTER,
      formatLsn(slot?.confirmed ?? 0n),
      JSON.stringify(publication),
    ],
  );
  return gap ?? null;
}

const RESUME_CHUNK = 500;

/**
 * Marks that were on their way in the lost WAL never come: what waits for them goes on without. Nor
 * does the news of rows that were deleted in it: those records are known to have no row from now on.
 */
async function resumeRecords({ pool, tables, mapped }: PublishOptions): Promise<void> {
  for (let after = ['', '']; ; ) {
    const { rows } = await pool.query(
      `select object_type as object, key from ${tables.record}
        where (object_type, key) > ($1, $2) order by object_type, key limit $3`,
      [...after, RESUME_CHUNK],
    );
    if (rows.length === 0) return;
    const last = rows.at(-1);
    after = [last.object, last.key];
    await inTransaction(pool, async (client) => {
      const records = await lockRecords(client, tables, rows);
      const there = new Set<string>();
      for (const table of mapped) {
        const keys = rows.filter(({ object }) => object === table.object).map(({ key }) => key);
        const types = await readColumnTypes(client, table);
        for (const key of await existingKeys(client, table, types, keys)) {
          there.add(refId({ object: table.object, key }));
        }
      }
      for (const [id, record] of records) {
        record.state = forgetMarks(resumeAfterGap(record.state));
        const isMapped = mapped.some(({ object }) => object === record.object);
        if (isMapped && !there.has(id)) record.image = null;
      }
      await saveRecords(client, tables, records.values());
    });
  }
}
