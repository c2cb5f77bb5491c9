/** What `status` shows: where replication stands, what waits, what failed, all from the database. */
import type pg from 'pg';
import { serviceError } from '../shared/service/errors.ts';

export interface Overview {
  readonly slot: {
    readonly name: string;
    /** False when nobody made it yet, or it was dropped. */
    readonly exists: boolean;
    /** Somebody streams from it now. */
    readonly active: boolean;
    readonly confirmedLsn: string | null;
    /** Bytes of WAL between the server's insert position and what we confirmed. */
    readonly lagBytes: number | null;
    /** Bytes of WAL that the server keeps for the slot. */
    readonly retainedBytes: number | null;
    /** `reserved`, `extended`, `unreserved` or `lost`, as Postgres says. */
    readonly walStatus: string | null;
  };
  /** Who streams and calls HubSpot; null when nobody does. */
  readonly lease: { readonly holder: string; readonly term: number } | null;
  readonly objects: readonly {
    readonly id: string;
    readonly linked: number;
    readonly outbound: number;
    readonly doubts: number;
    readonly deadLetters: number;
  }[];
  readonly inbox: { readonly waiting: number; readonly dead: number };
  readonly errors24h: number;
  readonly lastSuccessfulSync: string | null;
}

export interface OverviewOptions {
  readonly pool: Pick<pg.Pool, 'query'>;
  readonly schema: string;
  readonly slot: string;
}

/** @throws SyncError NOT_INITIALISED where the sync's tables are missing */
export async function readOverview({ pool, schema, slot }: OverviewOptions): Promise<Overview> {
  const table = (name: string) => `"${schema}".${name}`;
  const found = await pool.query('select to_regclass($1) as found', [`${schema}.outbox`]);
  if (found.rows[0]?.found === null) {
    throw serviceError('NOT_INITIALISED', `The database has no tables of the sync in ${schema}.`, {
      schema,
    });
  }
  const [slots, leases, objects, inbox, sums] = await Promise.all([
    pool.query(
      `select active, confirmed_flush_lsn::text as confirmed, wal_status,
         pg_wal_lsn_diff(pg_current_wal_insert_lsn(), confirmed_flush_lsn)::bigint as lag,
         pg_wal_lsn_diff(pg_current_wal_insert_lsn(), restart_lsn)::bigint as retained
       from pg_replication_slots where slot_name = $1`,
      [slot],
    ),
    pool.query(`select holder, term from ${table('lease')} where expires_at > now() limit 1`),
    pool.query(`select * from ${table('get_object_stats()')}`),
    pool.query(
      `select count(*) filter (where state = 'new')::int as waiting,
         count(*) filter (where state = 'dead')::int as dead from ${table('inbox')}`,
    ),
    pool.query(`select sync_errors_24h, last_successful_sync from ${table('get_sync_stats()')}`),
  ]);
  const state = slots.rows[0];
  const lease = leases.rows[0];
  const last = sums.rows[0]?.last_successful_sync as Date | null | undefined;
  return {
    slot: {
      name: slot,
      exists: state !== undefined,
      active: state?.active ?? false,
      confirmedLsn: state?.confirmed ?? null,
      lagBytes: state?.lag == null ? null : Number(state.lag),
      retainedBytes: state?.retained == null ? null : Number(state.retained),
      walStatus: state?.wal_status ?? null,
    },
    lease: lease ? { holder: lease.holder, term: Number(lease.term) } : null,
    objects: objects.rows.map((row) => ({
      id: row.object_type,
      linked: Number(row.linked),
      outbound: Number(row.pending),
      doubts: Number(row.doubts),
      deadLetters: Number(row.dead_letters),
    })),
    inbox: { waiting: inbox.rows[0]?.waiting ?? 0, dead: inbox.rows[0]?.dead ?? 0 },
    errors24h: Number(sums.rows[0]?.sync_errors_24h ?? 0),
    lastSuccessfulSync: last?.toISOString() ?? null,
  };
}
