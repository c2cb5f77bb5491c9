/**
 * The preconditions on the side of Postgres: the server's settings, the role's rights, the mapped tables
 * with their replica identity, the publication and the slot.
 */
import type pg from 'pg';
import { type Catalog, checkMappingAgainstPostgres } from '../../shared/mapping/check-postgres.ts';
import type { Mapping, TableMapping } from '../../shared/mapping/mapping.ts';
import { describeCatalog, readServer, type ServerFacts } from '../../shared/postgres/catalog.ts';
import type { Queryable } from '../../shared/postgres/pool.ts';
import type { Config } from '../../shared/service/config.ts';
import { error, type Finding, ok, warning } from './check.ts';
import { checkMaking } from './check-making.ts';

type Pool = Pick<pg.Pool, 'query'>;

/** @param config names of slot, publication and schema */
export async function checkPostgres(
  pool: Pool,
  mapping: Mapping,
  config: Pick<Config, 'cdc' | 'schema'>,
): Promise<Finding[]> {
  return [
    ...(await checkServerAndTables(pool, mapping)),
    ...(await checkMaking(pool, mapping, config)),
    await checkPublication(pool, mapping, config.cdc.publication),
    await checkSlot(pool, config.cdc),
  ];
}

/** What must hold before anything is made: `init` refuses to begin otherwise. */
export async function checkServerAndTables(pool: Pool, mapping: Mapping): Promise<Finding[]> {
  const server = await readServer(pool as Queryable);
  const catalog = await describeCatalog(pool as Queryable, mapping.tables);
  const rights = await Promise.all(mapping.tables.map((table) => checkRights(pool, table)));
  return [...(await checkServer(pool, server)), ...checkTables(mapping, catalog), ...rights.flat()];
}

async function checkServer(pool: Pool, server: ServerFacts): Promise<Finding[]> {
  const { rows } = await pool.query(
    `select current_setting('server_version') as version, current_user::text as role`,
  );
  const { version, role } = rows[0];
  return [
    server.version >= 140_000
      ? ok('postgres.version', `Postgres ${version}`)
      : error(
          'postgres.version',
          `Postgres ${version} can’t carry messages to pgoutput.`,
          'Upgrade the server to 14 or later.',
        ),
    server.walLevel === 'logical'
      ? ok('postgres.wal_level', 'wal_level is logical')
      : error(
          'postgres.wal_level',
          `wal_level is ${server.walLevel}; changes can’t be decoded.`,
          'Run `ALTER SYSTEM SET wal_level = logical` and restart the server (managed: set its logical replication parameter).',
        ),
    server.freeSlots > 0
      ? ok('postgres.slots', `${server.freeSlots} replication slots are free`)
      : warning(
          'postgres.slots',
          'No further replication slot is free.',
          'Drop a slot that nobody needs, or raise max_replication_slots.',
        ),
    server.freeSenders > 0
      ? ok('postgres.wal_senders', `${server.freeSenders} WAL senders are free`)
      : warning('postgres.wal_senders', 'No further WAL sender is free.', 'Raise max_wal_senders.'),
    server.mayReplicate
      ? ok('postgres.role', `role ${role} may replicate`)
      : error(
          'postgres.role',
          `Role ${role} may not use a replication slot.`,
          `Run \`ALTER ROLE "${role}" REPLICATION\` as a superuser (RDS: GRANT rds_replication TO "${role}").`,
        ),
  ];
}

/** Columns, types, the key and its replica identity: what the mapping's own check says of each. */
function checkTables(mapping: Mapping, catalog: Catalog): Finding[] {
  const wrong = checkMappingAgainstPostgres(mapping, catalog);
  return mapping.tables.flatMap((table) => {
    const name = `${table.schema}.${table.name}`;
    const mine = wrong.filter((finding) => finding.table === name);
    const facts = catalog.get(name);
    return [
      ...(mine.length === 0 ? [ok(`postgres.${name}`, `${name} fits the mapping`)] : []),
      ...mine.map(({ severity, column, message, remedy }) => ({
        id: `postgres.${name}${column ? `.${column}` : ''}`,
        level: severity,
        message,
        advice: remedy,
      })),
      ...(facts?.unlogged
        ? [
            error(
              `postgres.${name}.unlogged`,
              `${name} is unlogged: its changes never reach the WAL.`,
              `Run \`ALTER TABLE ${table.sql} SET LOGGED\`.`,
            ),
          ]
        : []),
    ];
  });
}

async function checkRights(pool: Pool, table: TableMapping): Promise<Finding[]> {
  const { rows } = await pool.query(
    `select current_user::text as role, to_regclass($1) is not null as exists,
       case when to_regclass($1) is not null then has_table_privilege($1, 'select')
         and has_table_privilege($1, 'insert') and has_table_privilege($1, 'update') end as may`,
    [table.sql],
  );
  const { role, exists, may } = rows[0];
  if (!exists) return [];
  const name = `${table.schema}.${table.name}`;
  const id = `postgres.${name}.rights`;
  if (may) return [ok(id, `${name} may be read and written`)];
  return [
    error(
      id,
      `Role ${role} may not read, insert and update ${name}.`,
      `Run \`GRANT SELECT, INSERT, UPDATE, DELETE ON ${table.sql} TO "${role}"\`.`,
    ),
  ];
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
