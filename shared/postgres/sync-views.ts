/**
 * What the database itself tells of the sync: `get_sync_stats()` with a column per mapped table, and a
 * view per mapped table. They depend on the mapping, so `init` makes them anew; they depend on no user
 * table, so that they never stand in the way of the application's own migrations.
 */
import type { TableMapping } from '../mapping/mapping.ts';
import { type Client, inTransaction, type Pool } from './pool.ts';
import { quoteIdentifier, type Tables } from './schema.ts';

export async function createSyncViews(
  pool: Pool,
  tables: Tables,
  mapped: readonly TableMapping[],
): Promise<void> {
  await inTransaction(pool, async (client) => {
    // Two at the same time would each see the other's half.
    await client.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [
      `pg-hubspot-sync views ${tables.schema}`,
    ]);
    await createStats(client, tables, mapped);
    for (const table of mapped) await createView(client, tables, nameOf(table, mapped), table);
  });
}

/** `opportunities`; with its schema where two mapped tables have the same name. */
function nameOf(table: TableMapping, mapped: readonly TableMapping[]): string {
  const isAlone = mapped.filter(({ name }) => name === table.name).length === 1;
  return isAlone ? table.name : `${table.schema}_${table.name}`;
}

async function createStats(client: Client, tables: Tables, mapped: readonly TableMapping[]) {
  const schema = quoteIdentifier(tables.schema);
  const pending = mapped.map((table) => ({
    column: quoteIdentifier(`${nameOf(table, mapped)}_pending`),
    object: quoteLiteral(table.object),
  }));
  // A function whose columns change can't be replaced.
  await client.query(`
    drop function if exists ${schema}.get_sync_stats();
    create function ${schema}.get_sync_stats()
    returns table (${pending.map(({ column }) => `${column} bigint, `).join('')}sync_errors_24h bigint, last_successful_sync timestamptz)
    language sql stable as $$
      select ${pending.map(({ object }) => `(select count(*) from ${tables.outbox} o where o.object_type = ${object}), `).join('')}
             (select count(*) from ${tables.syncLog} l
               where l.status = 'error' and l.completed_at > now() - interval '24 hours'),
             (select max(l.completed_at) from ${tables.syncLog} l where l.status = 'success')
    $$;
    comment on function ${schema}.get_sync_stats() is 'Changes waiting for HubSpot per mapped table, errors of a day, last success';
  `);
}

/** Key columns as text beside the state of the record. */
async function createView(client: Client, tables: Tables, name: string, table: TableMapping) {
  const view = `${quoteIdentifier(tables.schema)}.${quoteIdentifier(`${name}_sync`)}`;
  const key = table.key.map(
    (column, i) =>
      `${table.key.length === 1 ? 'r.key' : `(r.key::json ->> ${i})`} as ${quoteIdentifier(column)}`,
  );
  await client.query(`
    drop view if exists ${view};
    create view ${view} as
    select ${key.join(', ')}, r.hubspot_id,
           r.hubspot_id is not null and o.key is null and r.doubt_since is null and r.call_since is null as hubspot_synced,
           r.last_synced_at, coalesce(o.error, r.sync_error) as sync_error, o.key is not null as pending
      from ${tables.record} r
      left join ${tables.outbox} o using (object_type, key)
     where r.object_type = ${quoteLiteral(table.object)};
    comment on view ${view} is ${quoteLiteral(`Records of ${table.schema}.${table.name} and how far they are synced`)};
  `);
}

function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
