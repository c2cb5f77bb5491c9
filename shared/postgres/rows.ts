/**
 * The user's rows: locked, read and cast, always as the text the types' output functions print, which
 * is what the WAL carries. (`::text` would not do: it prints `true` where the WAL says `t`, and cuts
 * the padding of char(n).)
 */
import type { TableMapping } from '../mapping/mapping.ts';
import { decodeKey, encodeKey } from './key.ts';
import { type Client, type Queryable, queryText } from './pool.ts';
import type { Image } from './records.ts';
import { quoteIdentifier } from './schema.ts';

export interface ColumnType {
  readonly name: string;
  /** As `format_type` prints it, `numeric(14,2)`; safe to put into SQL. */
  readonly type: string;
  readonly notNull: boolean;
  readonly hasDefault: boolean;
}

/** The mapped columns of a table in one order: key, properties, foreign keys. */
export function mappedColumns(table: TableMapping): string[] {
  return [
    ...new Set([
      ...table.key,
      ...table.properties.map((property) => property.column),
      ...table.associations.map((association) => association.column),
    ]),
  ];
}

/** Reads the columns' types from the catalog. @throws when the table doesn't exist. */
export async function readColumnTypes(
  client: Queryable,
  table: TableMapping,
): Promise<Map<string, ColumnType>> {
  const { rows } = await client.query(
    `select attname, format_type(atttypid, atttypmod) as type, attnotnull, atthasdef
       from pg_attribute
      where attrelid = $1::regclass and attnum > 0 and not attisdropped`,
    [table.sql],
  );
  return new Map(
    rows.map((row) => [
      row.attname,
      { name: row.attname, type: row.type, notNull: row.attnotnull, hasDefault: row.atthasdef },
    ]),
  );
}

/**
 * A text as an expression of the column's type. An explicit cast to varchar(n) or char(n) cuts what
 * is too long without a word, where an assignment refuses it: for these the length is left to the
 * assignment.
 */
export function castExpression(parameter: string, type: ColumnType): string {
  if (/^character varying/.test(type.type)) return `(${parameter})::varchar`;
  if (/^character\(/.test(type.type)) {
    const width = /\((\d+)\)/.exec(type.type)?.[1] ?? '1';
    return `(case when length(${parameter}) > ${width} then (${parameter})::bpchar else (${parameter})::${type.type} end)`;
  }
  return `(${parameter})::${type.type}`;
}

export interface LockedRow {
  readonly key: string;
  /** Text of every mapped column. */
  readonly columns: Image;
}

/**
 * Locks rows by key, in key order, and reads their mapped columns. The lock is `FOR NO KEY UPDATE`:
 * what an UPDATE of ours takes, and it passes beside an application that inserts children. With
 * `skipLocked` a row that the application holds is left out, so that it doesn't hold up the others.
 */
export async function lockRows(
  client: Client,
  table: TableMapping,
  types: ReadonlyMap<string, ColumnType>,
  keys: readonly string[],
  { skipLocked = false, forDelete = false }: { skipLocked?: boolean; forDelete?: boolean } = {},
): Promise<Map<string, LockedRow>> {
  if (keys.length === 0) return new Map();
  const parts = keys.map((key) => decodeKey(key, table.key.length));
  const columns = mappedColumns(table);
  const given = table.key.map((_, i) => `k${i}`);
  const match = table.key
    .map((name, i) => {
      const type = types.get(name);
      if (!type) throw new Error(`${table.sql} has no column ${name}`);
      return `t.${quoteIdentifier(name)} = ${castExpression(`g.k${i}`, type)}`;
    })
    .join(' and ');
  const rows = await queryText(
    client,
    `select ${columns.map((name) => `t.${quoteIdentifier(name)}`).join(', ')}
       from ${table.sql} t
       join unnest(${table.key.map((_, i) => `$${i + 1}::text[]`).join(', ')}) as g (${given.join(', ')}) on ${match}
      order by ${table.key.map((name) => `t.${quoteIdentifier(name)}`).join(', ')}
        for ${forDelete ? 'update' : 'no key update'} of t ${skipLocked ? 'skip locked' : ''}`,
    table.key.map((_, i) => parts.map((part) => part[i] ?? null)),
  );
  const locked = new Map<string, LockedRow>();
  for (const row of rows) {
    const key = encodeKey(table.key.map((name) => row[name] ?? ''));
    locked.set(key, { key, columns: row });
  }
  return locked;
}

/** Which of the keys have a row, without locking anything. */
export async function existingKeys(
  client: Queryable,
  table: TableMapping,
  types: ReadonlyMap<string, ColumnType>,
  keys: readonly string[],
): Promise<Set<string>> {
  if (keys.length === 0) return new Set();
  const parts = keys.map((key) => decodeKey(key, table.key.length));
  const rows = await queryText(
    client,
    `select ${table.key.map((name) => `t.${quoteIdentifier(name)}`).join(', ')}
       from ${table.sql} t
       join unnest(${table.key.map((_, i) => `$${i + 1}::text[]`).join(', ')}) as g (${table.key.map((_, i) => `k${i}`).join(', ')})
         on ${table.key.map((name, i) => `t.${quoteIdentifier(name)} = ${castExpression(`g.k${i}`, types.get(name) as ColumnType)}`).join(' and ')}`,
    table.key.map((_, i) => parts.map((part) => part[i] ?? null)),
  );
  return new Set(rows.map((row) => encodeKey(table.key.map((name) => row[name] ?? ''))));
}

/**
 * Brings HubSpot ids into the column that the mapping names for them. Not a mapped column: the WAL
 * change that this makes is none for the sync. The caller's transaction holds the records' locks
 * already, so a row that the application holds is passed over rather than waited for.
 */
export async function writeHubspotIds(
  client: Client,
  table: TableMapping,
  types: ReadonlyMap<string, ColumnType>,
  ids: ReadonlyMap<string, string | null>,
): Promise<void> {
  const column = table.hubspotIdColumn;
  if (!column) return;
  const locked = await lockRows(client, table, types, [...ids.keys()], { skipLocked: true });
  const keys = [...locked.keys()];
  const parts = keys.map((key) => decodeKey(key, table.key.length));
  const names = table.key.map((_, i) => `k${i}`);
  await client.query(
    `update ${table.sql} t set ${quoteIdentifier(column)} = ${castExpression('v.id', types.get(column) as ColumnType)}
       from unnest(${names.map((_, i) => `$${i + 2}::text[]`).join(', ')}, $1::text[]) as v (${names.join(', ')}, id)
      where ${table.key.map((name, i) => `t.${quoteIdentifier(name)} = ${castExpression(`v.k${i}`, types.get(name) as ColumnType)}`).join(' and ')}
        and t.${quoteIdentifier(column)} is distinct from ${castExpression('v.id', types.get(column) as ColumnType)}`,
    [keys.map((key) => ids.get(key) ?? null), ...names.map((_, i) => parts.map((part) => part[i]))],
  );
}

/**
 * Texts as the columns' types print them: `50000.005` for numeric(12,2) comes back as `50000.01`.
 * One statement for all rows. @throws the server's error when any value doesn't fit its type.
 */
export async function castValues(
  client: Client,
  types: ReadonlyMap<string, ColumnType>,
  rows: readonly Readonly<Record<string, string | null>>[],
): Promise<Record<string, string | null>[]> {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  if (columns.length === 0) return rows.map(() => ({}));
  const casts = columns.map((name, i) => {
    const type = types.get(name);
    if (!type) throw new Error(`no type is known of column ${name}`);
    return `${castExpression(`v.c${i}`, type)} as ${quoteIdentifier(name)}`;
  });
  const cast = await queryText(
    client,
    `select ${casts.join(', ')}
       from unnest(${columns.map((_, i) => `$${i + 1}::text[]`).join(', ')}) with ordinality
            as v (${columns.map((_, i) => `c${i}`).join(', ')}, n)
      order by n`,
    columns.map((name) => rows.map((row) => row[name] ?? null)),
  );
  return rows.map((row, i) =>
    Object.fromEntries(Object.keys(row).map((name) => [name, cast[i]?.[name] ?? null])),
  );
}
