/**
 * What `init` does to the database: the sync's schema, the key that signs marks, the publication and
 * the slot, the checkpoint, and what people look at. Safe to repeat; what is there is kept.
 */
import type { Mapping } from '../mapping/mapping.ts';
import type { Logger } from '../service/logger.ts';
import { ensureMarkSecret } from './mark.ts';
import { migrate } from './migrate.ts';
import type { Pool } from './pool.ts';
import { type Published, publish } from './publish.ts';
import { tablesOf } from './schema.ts';
import { createSyncViews } from './sync-views.ts';

export interface SetUpOptions {
  readonly databaseUrl: string;
  /** Schema of the sync's own tables. */
  readonly schema: string;
  readonly slot: string;
  readonly publication: string;
  readonly mapping: Mapping;
  readonly pool: Pool;
  readonly log: Logger;
  /** Milliseconds that open transactions are waited for while the slot is made. */
  readonly slotTimeoutMs?: number;
}

export interface SetUp extends Published {
  /** Names of the migrations that were applied now. */
  readonly migrations: readonly string[];
  /** Signs marks. */
  readonly secret: Buffer;
}

/**
 * The mapped tables must have been checked before (identity covers the key): publishing a table
 * without identity makes the application's own updates fail.
 * @throws SyncError of `publish`
 */
export async function setUp(options: SetUpOptions): Promise<SetUp> {
  const { databaseUrl, schema, slot, publication, mapping, pool, log, slotTimeoutMs } = options;
  const migrations = await migrate({
    databaseUrl,
    schema,
    onLine: (line) => log.debug({ line }, 'migration'),
  });
  const tables = tablesOf(schema);
  const secret = await ensureMarkSecret(pool, tables);
  const published = await publish({
    databaseUrl,
    pool,
    tables,
    names: { slot, publication },
    mapped: mapping.tables,
    log,
    ...(slotTimeoutMs === undefined ? {} : { slotTimeoutMs }),
  });
  await createSyncViews(pool, tables, mapping.tables);
  return { migrations, secret, ...published };
}
