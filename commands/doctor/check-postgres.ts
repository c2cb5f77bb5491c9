/**
 * The preconditions on the side of Postgres: the server's settings, the role's rights, the mapped tables
 * with their replica identity, the publication and the slot.
 */
import type pg from 'pg';
import type { Mapping, TableMapping } from '../../shared/mapping/mapping.ts';
import type { Config } from '../../shared/service/config.ts';
import { error, type Finding, ok, warning } from './check.ts';

type Pool = Pick<pg.Pool, 'query'>;

/** @param config names of slot, publication and schema */
export async function checkPostgres(
  pool: Pool,
  mapping: Mapping,
  config: Pick<Config, 'cdc' | 'schema'>,
): Promise<Finding[]> {
  return [
    ...(await checkServerAndTables(pool, mapping)),
    await checkPublication(pool, mapping, config.cdc.publication),
    await checkSlot(pool, config.cdc),
  ];
}

/** What must hold before anything is made: `init` refuses to begin otherwise. */
export async function checkServerAndTables(pool: Pool, mapping: Mapping): Promise<Finding[]> {
  const tables = await Promise.all(mapping.tables.map((table) => checkTable(pool, table)));
  return [...(await checkServer(pool)), await checkRole(pool), ...tables.flat()];
}

async function checkServer(pool: Pool): Promise<Finding[]> {
  const { rows } = await pool.query(`
    select current_setting('server_version_num')::int as version,
      current_setting('server_version') as version_text,
      current_setting('wal_level') as wal_level,
      current_setting('max_replication_slots')::int as slots,
      (select count(*) from pg_replication_slots)::int as slots_used,
      current_setting('max_wal_senders')::int as senders,
      (select count(*) from pg_stat_replication)::int as senders_used,
      current_setting('max_slot_wal_keep_size') as keep_size`);
  const s = rows[0];
  return [
    s.version >= 140_000
      ? ok('postgres.version', `Postgres ${s.version_text}`)
      : error(
          'postgres.version',
          `Postgres ${s.version_text} can’t carry messages to pgoutput.`,
          'Upgrade the server to 14 or later.',
        ),
    s.wal_level === 'logical'
      ? ok('postgres.wal_level', 'wal_level is logical')
      : error(
          'postgres.wal_level',
          `wal_level is ${s.wal_level}; changes can’t be decoded.`,
          'Run `ALTER SYSTEM SET wal_level = logical` and restart the server (managed: set its logical replication parameter).',
        ),
    s.slots_used < s.slots
      ? ok('postgres.slots', `${s.slots_used} of ${s.slots} replication slots are used`)
      : warning(
          'postgres.slots',
          `All ${s.slots} replication slots are used.`,
          'Drop a slot that nobody needs, or raise max_replication_slots.',
        ),
    s.senders_used < s.senders
      ? ok('postgres.wal_senders', `${s.senders_used} of ${s.senders} WAL senders are used`)
      : warning(
          'postgres.wal_senders',
          `All ${s.senders} WAL senders are used.`,
          'Raise max_wal_senders.',
        ),
    ok('postgres.max_slot_wal_keep_size', `max_slot_wal_keep_size is ${s.keep_size}`),
  ];
}

/** Managed servers give the right by membership in a role of theirs. */
async function checkRole(pool: Pool): Promise<Finding> {
  const { rows } = await pool.query(`
    select rolname, rolsuper or rolreplication or exists (
        select from pg_auth_members m join pg_roles g on g.oid = m.roleid
        where m.member = r.oid and g.rolname in ('rds_replication', 'cloudsqlsuperuser')
      ) as may
    from pg_roles r where rolname = current_user`);
  const { rolname, may } = rows[0];
  const id = 'postgres.role';
  if (may) return ok(id, `role ${rolname} may replicate`);
  return error(
    id,
    `Role ${rolname} may not use a replication slot.`,
    `Run \`ALTER ROLE "${rolname}" REPLICATION\` as a superuser (RDS: GRANT rds_replication TO "${rolname}").`,
  );
}

async function checkTable(pool: Pool, table: TableMapping): Promise<Finding[]> {
  const name = `${table.schema}.${table.name}`;
  const id = `postgres.table.${name}`;
  const { rows } = await pool.query(
    `select c.oid::int as oid, c.relreplident as identity, c.relkind as kind,
       c.relpersistence as persistence, current_user::text as role,
       has_table_privilege(c.oid, 'select') and has_table_privilege(c.oid, 'update')
         and has_table_privilege(c.oid, 'insert') as may_write,
       array(select attname::text from pg_attribute
         where attrelid = c.oid and attnum > 0 and not attisdropped) as columns,
       array(select attname::text from pg_attribute
         where attrelid = c.oid and attnum > 0 and not attisdropped and attnotnull
           and not atthasdef and attidentity = '') as required,
       (select array_agg(a.attname::text) from pg_index i
          join pg_attribute a on a.attrelid = c.oid and a.attnum = any (i.indkey)
          where i.indrelid = c.oid
            and case c.relreplident when 'i' then i.indisreplident else i.indisprimary end
       ) as identity_columns
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'p')`,
    [table.schema, table.name],
  );
  const found = rows[0];
  if (found === undefined) {
    return [
      error(
        id,
        `The mapped table ${name} doesn’t exist.`,
        'Correct the table’s name in sync.yaml.',
      ),
    ];
  }
  return [
    checkColumns(id, name, table, found.columns),
    checkIdentity(id, name, table, found),
    checkRequired(id, name, table, found.required),
    ...(found.persistence === 'u'
      ? [
          error(
            `${id}.unlogged`,
            `${name} is unlogged: its changes never reach the WAL.`,
            `Run \`ALTER TABLE ${table.sql} SET LOGGED\`.`,
          ),
        ]
      : []),
    found.may_write
      ? ok(`${id}.rights`, `${name} may be read and written`)
      : error(
          `${id}.rights`,
          `This role may not read, insert and update ${name}.`,
          `Run \`GRANT SELECT, INSERT, UPDATE, DELETE ON ${table.sql} TO "${found.role}"\`.`,
        ),
  ];
}

function checkColumns(
  id: string,
  name: string,
  table: TableMapping,
  columns: readonly string[],
): Finding {
  const mapped = [
    ...table.key,
    ...table.properties.map(({ column }) => column),
    ...table.associations.map(({ column }) => column),
    ...(table.hubspotIdColumn ? [table.hubspotIdColumn] : []),
    ...(table.deletes.markColumn ? [table.deletes.markColumn] : []),
  ];
  const missing = [...new Set(mapped)].filter((column) => !columns.includes(column));
  if (missing.length === 0) return ok(`${id}.columns`, `${name} has every mapped column`);
  return error(
    `${id}.columns`,
    `${name} has no column ${missing.join(', ')}.`,
    'Correct the column’s name in sync.yaml, or add the column.',
  );
}

/** A record that is made in HubSpot becomes a row only if every required column gets a value. */
function checkRequired(
  id: string,
  name: string,
  table: TableMapping,
  required: readonly string[],
): Finding {
  const filled = new Set([
    ...table.key,
    ...table.properties.filter((p) => p.direction !== 'outbound').map(({ column }) => column),
    ...table.associations.map(({ column }) => column),
    ...(table.hubspotIdColumn ? [table.hubspotIdColumn] : []),
    ...Object.keys(table.defaults),
  ]);
  const empty = required.filter((column) => !filled.has(column));
  if (empty.length === 0) return ok(`${id}.required`, `every required column of ${name} is filled`);
  return warning(
    `${id}.required`,
    `Records made in HubSpot can’t become rows of ${name}: ${empty.join(', ')} would be empty.`,
    `Give a value under \`defaults\` of the table in sync.yaml, or a DEFAULT in the database.`,
  );
}

/** The key must be part of what an update or delete carries, else deletes can't be told apart. */
function checkIdentity(
  id: string,
  name: string,
  table: TableMapping,
  found: { identity: string; identity_columns: string[] | null },
): Finding {
  const advice = `Run \`ALTER TABLE ${table.sql} ADD PRIMARY KEY (${table.key.join(', ')})\`, or map a key that lies inside the replica identity.`;
  if (found.identity === 'f') return ok(`${id}.identity`, `${name} has replica identity full`);
  const columns = found.identity === 'n' ? [] : (found.identity_columns ?? []);
  if (columns.length === 0) {
    return error(
      `${id}.identity`,
      `${name} has no replica identity: once published, its updates and deletes would fail.`,
      advice,
    );
  }
  const outside = table.key.filter((column) => !columns.includes(column));
  if (outside.length === 0) {
    return ok(`${id}.identity`, `the replica identity of ${name} covers its key`);
  }
  return error(
    `${id}.identity`,
    `The replica identity of ${name} doesn’t cover the mapped key (${outside.join(', ')}).`,
    advice,
  );
}

async function checkPublication(pool: Pool, mapping: Mapping, name: string): Promise<Finding> {
  const id = 'postgres.publication';
  const { rows } = await pool.query(
    `select puballtables, array(
       select schemaname || '.' || tablename from pg_publication_tables where pubname = p.pubname
     ) as tables
     from pg_publication p where pubname = $1`,
    [name],
  );
  const found = rows[0];
  const advice = 'Run `pg-hubspot-sync init`.';
  if (found === undefined) return error(id, `There is no publication ${name}.`, advice);
  const missing = mapping.tables
    .map((table) => `${table.schema}.${table.name}`)
    .filter((table) => !found.tables.includes(table));
  if (missing.length === 0) return ok(id, `publication ${name} lists every mapped table`);
  return error(id, `Publication ${name} lacks ${missing.join(', ')}.`, advice);
}

async function checkSlot(pool: Pool, cdc: Config['cdc']): Promise<Finding> {
  const id = 'postgres.slot';
  const { rows } = await pool.query(
    `select plugin, database, database = current_database() as ours, wal_status, active,
       pg_wal_lsn_diff(pg_current_wal_insert_lsn(), restart_lsn)::bigint as retained
     from pg_replication_slots where slot_name = $1`,
    [cdc.slot],
  );
  const slot = rows[0];
  if (slot === undefined) {
    return error(id, `There is no replication slot ${cdc.slot}.`, 'Run `pg-hubspot-sync init`.');
  }
  if (!slot.ours) {
    return error(
      id,
      `Slot ${cdc.slot} belongs to the database ${slot.database}.`,
      'Choose another name by CDC_SLOT: slot names are the server’s, not the database’s.',
    );
  }
  if (slot.plugin !== cdc.plugin) {
    return error(
      id,
      `Slot ${cdc.slot} was made for ${slot.plugin}, not for ${cdc.plugin}.`,
      'Set CDC_PLUGIN to the slot’s, or choose another slot by CDC_SLOT and run init.',
    );
  }
  if (slot.wal_status === 'lost') {
    return error(
      id,
      `Slot ${cdc.slot} is lost: the server removed WAL that was not read yet.`,
      'Drop the slot, run `pg-hubspot-sync init`, then `pg-hubspot-sync reconcile`; raise max_slot_wal_keep_size.',
    );
  }
  return ok(
    id,
    `slot ${cdc.slot} is ${slot.active ? 'streamed' : 'idle'}, keeps ${slot.retained} bytes of WAL (${slot.wal_status})`,
  );
}
