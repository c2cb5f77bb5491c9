/**
 * What the server's catalog says about the things the sync stands on: the server, the slot, the
 * publication, the mapped tables. Read-only; what it means is decided by those who ask.
 */
import type { QueryResultRow } from 'pg';
import { type Lsn, parseLsn } from './lsn.ts';
import type { Queryable } from './pool.ts';

export interface ServerFacts {
  /** `server_version_num`: 150018. */
  readonly version: number;
  /** Names the cluster; null where this role may not ask. */
  readonly systemIdentifier: string | null;
  readonly walLevel: string;
  /** 0 where it is off. */
  readonly walSenderTimeoutMs: number;
  readonly freeSlots: number;
  readonly freeSenders: number;
  /** REPLICATION, superuser, or a managed server's role for it. */
  readonly mayReplicate: boolean;
  /** -1: without a limit. */
  readonly maxSlotWalKeepMb: number;
}

export async function readServer(client: Queryable): Promise<ServerFacts> {
  const { rows } = await client.query(
    `select current_setting('server_version_num')::int as version,
            current_setting('wal_level') as wal_level,
            (select setting::int from pg_settings where name = 'wal_sender_timeout') as timeout,
            current_setting('max_replication_slots')::int - (select count(*)::int from pg_replication_slots) as free_slots,
            current_setting('max_wal_senders')::int - (select count(*)::int from pg_stat_activity where backend_type = 'walsender') as free_senders,
            (select setting::int from pg_settings where name = 'max_slot_wal_keep_size') as keep,
            (select rolreplication or rolsuper from pg_roles where rolname = current_user)
              or exists (select from pg_roles where rolname in ('rds_replication', 'alloydbreplica', 'azure_replication')
                          and pg_has_role(current_user, oid, 'member')) as may_replicate,
            has_function_privilege('pg_control_system()', 'execute') as may_identify`,
  );
  const [row] = rows;
  const identified = row.may_identify
    ? (await client.query('select system_identifier::text as id from pg_control_system()')).rows
    : [];
  return {
    version: row.version,
    systemIdentifier: identified[0]?.id ?? null,
    walLevel: row.wal_level,
    walSenderTimeoutMs: row.timeout,
    freeSlots: row.free_slots,
    freeSenders: row.free_senders,
    mayReplicate: row.may_replicate,
    maxSlotWalKeepMb: row.keep,
  };
}

export interface SlotFacts {
  readonly plugin: string;
  readonly database: string;
  readonly activePid: number | null;
  /** `reserved`, `extended`, `unreserved` or `lost`. */
  readonly walStatus: string;
  /** Why the server invalidated it; null where it didn't, or is older than 17. */
  readonly invalidated: string | null;
  /** Null while the slot was never confirmed or is lost. */
  readonly confirmed: Lsn | null;
  /** Bytes of WAL between the server's insert position and what was confirmed. */
  readonly lagBytes: number;
  /** Bytes of WAL that the slot holds back; not ours to bound while others' transactions are open. */
  readonly retainedBytes: number;
  readonly isThisDatabase: boolean;
}

/** Undefined when there is no such slot. */
export async function readSlot(client: Queryable, slot: string): Promise<SlotFacts | undefined> {
  const { rows } = await client.query(
    `select plugin, database, active_pid, wal_status, to_jsonb(s) ->> 'invalidation_reason' as invalidated,
            confirmed_flush_lsn::text as confirmed, database = current_database() as here,
            (pg_current_wal_insert_lsn() - confirmed_flush_lsn)::float8 as lag,
            (pg_current_wal_insert_lsn() - restart_lsn)::float8 as retained
       from pg_replication_slots s where slot_name = $1`,
    [slot],
  );
  const [row] = rows;
  if (!row) return undefined;
  return {
    plugin: row.plugin,
    database: row.database,
    activePid: row.active_pid,
    walStatus: row.wal_status,
    invalidated: row.invalidated,
    confirmed: row.confirmed && parseLsn(row.confirmed),
    lagBytes: row.lag ?? 0,
    retainedBytes: row.retained ?? 0,
    isThisDatabase: row.here,
  };
}

/**
 * The identity of a publication and of each table in it. A table that was dropped and added again,
 * or a publication that was made anew, reads the same by name, but rows were lost in between; it
 * differs here.
 */
export interface PublicationFacts {
  readonly oid: string;
  readonly xmin: string;
  readonly viaRoot: boolean;
  /** Whatever tables there are: then none is listed. */
  readonly allTables: boolean;
  /** `insert`, `update`, `delete`, `truncate` as published. */
  readonly actions: readonly string[];
  /** By `schema.table`. */
  readonly tables: Readonly<Record<string, { readonly oid: string; readonly xmin: string }>>;
}

/** Undefined when there is no such publication. */
export async function readPublication(
  client: Queryable,
  name: string,
): Promise<PublicationFacts | undefined> {
  const { rows } = await client.query(
    `select p.oid::text as oid, p.xmin::text as xmin, p.pubviaroot, p.puballtables,
            array_remove(array[case when pubinsert then 'insert' end, case when pubupdate then 'update' end,
                               case when pubdelete then 'delete' end, case when pubtruncate then 'truncate' end], null) as actions,
            coalesce((select jsonb_object_agg(n.nspname || '.' || c.relname, jsonb_build_object('oid', r.oid::text, 'xmin', r.xmin::text))
               from pg_publication_rel r join pg_class c on c.oid = r.prrelid join pg_namespace n on n.oid = c.relnamespace
              where r.prpubid = p.oid), '{}') as tables
       from pg_publication p where p.pubname = $1`,
    [name],
  );
  const [row] = rows;
  if (!row) return undefined;
  return {
    oid: row.oid,
    xmin: row.xmin,
    viaRoot: row.pubviaroot,
    allTables: row.puballtables,
    actions: row.actions,
    tables: row.tables,
  };
}

export interface ColumnFacts {
  readonly name: string;
  /** As `format_type` prints it. */
  readonly type: string;
  readonly notNull: boolean;
  readonly hasDefault: boolean;
  /** Computed by the server: never written, and published only in part. */
  readonly generated: boolean;
}

export interface TableFacts {
  readonly schema: string;
  readonly name: string;
  readonly kind: 'table' | 'partitioned' | 'view' | 'foreign' | 'other';
  readonly unlogged: boolean;
  /** This role owns it, or is a member of the owner: it may publish it. */
  readonly owned: boolean;
  readonly owner: string;
  readonly columns: readonly ColumnFacts[];
  readonly primaryKey: readonly string[];
  /** Column sets of unique, whole, immediate indexes, the primary key's included. */
  readonly uniqueKeys: readonly (readonly string[])[];
  readonly replicaIdentity: 'default' | 'nothing' | 'full' | 'index';
  /** Columns that an UPDATE or DELETE names the row by in the WAL; all of them for `full`. */
  readonly identityColumns: readonly string[];
}

/**
 * The facts of tables, by `schema.table`; one that doesn't exist is missing in the answer. The
 * mapping's check reads types and keys from it, `init` the identity.
 */
export async function describeCatalog(
  client: Queryable,
  tables: readonly { readonly schema: string; readonly name: string }[],
): Promise<Map<string, TableFacts>> {
  const { rows } = await client.query(
    `select n.nspname as schema, c.relname as name, c.relkind, c.relpersistence, c.relreplident,
            pg_has_role(current_user, c.relowner, 'member') as owned, pg_get_userbyid(c.relowner) as owner,
            (select jsonb_agg(jsonb_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
                       'notNull', a.attnotnull, 'hasDefault', a.atthasdef, 'generated', a.attgenerated <> '') order by a.attnum)
               from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
            (select jsonb_agg(jsonb_build_object('primary', i.indisprimary, 'identity', i.indisreplident,
                       'columns', (select jsonb_agg(a.attname order by k.n)
                                     from unnest(i.indkey::int2[]) with ordinality as k (attnum, n)
                                     join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
                                    where k.n <= i.indnkeyatts)))
               from pg_index i
              where i.indrelid = c.oid and i.indisunique and i.indimmediate and i.indpred is null
                and i.indexprs is null and i.indisvalid) as keys
       from unnest($1::text[], $2::text[]) as t (s, r)
       join pg_namespace n on n.nspname = t.s
       join pg_class c on c.relnamespace = n.oid and c.relname = t.r`,
    [tables.map(({ schema }) => schema), tables.map(({ name }) => name)],
  );
  return new Map(rows.map((row) => [`${row.schema}.${row.name}`, toTableFacts(row)]));
}

interface KeyRow {
  readonly primary: boolean;
  readonly identity: boolean;
  readonly columns: readonly string[];
}

function toTableFacts(row: QueryResultRow): TableFacts {
  const columns: readonly ColumnFacts[] = row.columns ?? [];
  const keys: readonly KeyRow[] = row.keys ?? [];
  const primaryKey = keys.find((key) => key.primary)?.columns ?? [];
  const identities = { d: 'default', n: 'nothing', f: 'full', i: 'index' } as const;
  const replicaIdentity = identities[row.relreplident as keyof typeof identities] ?? 'nothing';
  const identityColumns = {
    default: primaryKey,
    nothing: [],
    full: columns.map(({ name }) => name),
    index: keys.find((key) => key.identity)?.columns ?? [],
  }[replicaIdentity];
  const kinds = { r: 'table', p: 'partitioned', v: 'view', f: 'foreign' } as const;
  return {
    schema: row.schema,
    name: row.name,
    kind: kinds[row.relkind as keyof typeof kinds] ?? 'other',
    unlogged: row.relpersistence === 'u',
    owned: row.owned,
    owner: row.owner,
    columns,
    primaryKey,
    uniqueKeys: keys.map((key) => key.columns),
    replicaIdentity,
    identityColumns,
  };
}
