/** Whether the role may make what `init` makes: the sync's schema, the publication of the mapped tables. */
import type pg from 'pg';
import type { Mapping } from '../../shared/mapping/mapping.ts';
import type { Config } from '../../shared/service/config.ts';
import { error, type Finding, ok } from './check.ts';

/** CREATE on the database, and the tables' ownership; only as far as something is still to be made. */
export async function checkMaking(
  pool: Pick<pg.Pool, 'query'>,
  mapping: Mapping,
  { cdc, schema }: Pick<Config, 'cdc' | 'schema'>,
): Promise<Finding[]> {
  const { rows } = await pool.query(
    `select current_user::text as role, quote_ident(current_user) as role_sql,
       quote_ident(current_database()) as database,
       has_database_privilege(current_database(), 'create') as may_create,
       exists (select from pg_namespace where nspname = $1) as has_schema,
       coalesce((select has_schema_privilege(oid, 'usage') from pg_namespace where nspname = $1), true)
         as may_use,
       exists (select from pg_publication where pubname = $2) as has_publication`,
    [schema, cdc.publication],
  );
  const { role, role_sql, database, may_create, has_schema, may_use, has_publication } = rows[0];
  const findings: Finding[] = [];
  if (!may_create && !(has_schema && has_publication)) {
    const what = [
      ...(has_schema ? [] : [`the schema ${schema}`]),
      ...(has_publication ? [] : [`the publication ${cdc.publication}`]),
    ].join(' and ');
    findings.push(
      error(
        'postgres.create',
        `Role ${role} may not create ${what}.`,
        `Run \`GRANT CREATE ON DATABASE ${database} TO ${role_sql}\`, or run init as another role.`,
      ),
    );
  } else {
    findings.push(ok('postgres.create', `role ${role} may make what init makes`));
  }
  if (!may_use) {
    findings.push(
      error(
        'postgres.schema',
        `Role ${role} may not use the schema ${schema}, which another role made.`,
        `Run \`ALTER SCHEMA ${schema} OWNER TO ${role_sql}\` and make it owner of its tables, or use the role that ran init.`,
      ),
    );
  }
  for (const table of mapping.tables) {
    const name = `${table.schema}.${table.name}`;
    const owned = await pool.query(
      `select pg_has_role(current_user, c.relowner, 'usage') as mine,
         exists (select from pg_publication_tables
           where pubname = $3 and schemaname = $1 and tablename = $2) as published
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where n.nspname = $1 and c.relname = $2`,
      [table.schema, table.name, cdc.publication],
    );
    const facts = owned.rows[0];
    if (facts === undefined || facts.mine || facts.published) continue;
    findings.push(
      error(
        `postgres.${name}.owner`,
        `Role ${role} is not the owner of ${name}, which only its owner can publish.`,
        `Run \`ALTER TABLE ${table.sql} OWNER TO ${role_sql}\`, make ${role} a member of the owner, or let the owner run init.`,
      ),
    );
  }
  return findings;
}
