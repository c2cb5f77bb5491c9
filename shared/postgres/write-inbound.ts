/**
 * Writes decided inbound values into the user's rows: cast, mark, set-based write, in savepoints, so
 * that a row Postgres refuses goes alone and its mark is never seen. The caller has locked the rows
 * and then the records, and has decided; afterwards it stores the records.
 */
import type { TableMapping } from '../mapping/mapping.ts';
import { decodeKey } from './key.ts';
import { emitMark, type InboundRow } from './mark.ts';
import type { Client } from './pool.ts';
import type { Image } from './records.ts';
import { type ColumnType, castExpression, castValues, mappedColumns } from './rows.ts';
import { quoteIdentifier } from './schema.ts';

/** What is to be written to one row. */
export interface InboundWrite {
  readonly key: string;
  readonly kind: 'insert' | 'update' | 'delete';
  readonly hubspotId: string;
  /**
   * By property (or an association's name): canonical HubSpot value with its history time, and the
   * text for the column before it is cast.
   */
  readonly values: Readonly<
    Record<string, { readonly value: string; readonly time: number; readonly text: string | null }>
  >;
  /** The row's columns as locked; null for an insert. */
  readonly row: Image | null;
  /** The HubSpot record lives again: the column that marks a deleted one is cleared. */
  readonly unmark?: boolean;
}

export interface WrittenRow {
  readonly write: InboundWrite;
  /** By property: the column's text as cast, which is what the mark says. */
  readonly texts: Readonly<Record<string, string | null>>;
  /** Columns that really changed; empty where the row held every value already. */
  readonly changed: readonly string[];
}

export interface RefusedRow {
  readonly write: InboundWrite;
  /** SQLSTATE and constraint or column, never values: the server's message may quote them. */
  readonly code: string;
  readonly detail: string;
  readonly error: Error;
}

export interface WriteContext {
  readonly client: Client;
  readonly table: TableMapping;
  readonly types: ReadonlyMap<string, ColumnType>;
  readonly secret: Buffer;
}

/** Errors that are about the whole transaction, not about a row: they are thrown. */
const NOT_OF_A_ROW = /^(40|57|53|08|XX|25|55P03)/;

/** Values of one mark stay below this many characters, but for a record's own. */
const MARK_CHARACTERS = 128 * 1024;

/**
 * Writes all that Postgres accepts; of an update that is refused, each property that is accepted
 * alone. @throws on errors that no single row is to blame for (deadlock, serialization, shutdown,
 * lock time-out): the caller rolls back and tries again.
 */
export async function writeInbound(
  context: WriteContext,
  writes: readonly InboundWrite[],
): Promise<{ written: WrittenRow[]; refused: RefusedRow[] }> {
  const written: WrittenRow[] = [];
  const refused: RefusedRow[] = [];
  for (const part of partsOf(writes)) {
    const result = await writePart(context, part);
    written.push(...result.written);
    refused.push(...result.refused);
  }
  return { written, refused };
}

async function writePart(
  context: WriteContext,
  writes: readonly InboundWrite[],
): Promise<{ written: WrittenRow[]; refused: RefusedRow[] }> {
  const { client } = context;
  await client.query('savepoint inbound');
  try {
    const written = await writeTogether(context, writes);
    // A deferred constraint would fail at COMMIT and take every neighbour along.
    await client.query('set constraints all immediate; set constraints all deferred');
    await client.query('release savepoint inbound');
    return { written, refused: [] };
  } catch (error) {
    const code = (error as { code?: string }).code ?? '';
    if (!(error instanceof Error) || code === '' || NOT_OF_A_ROW.test(code)) throw error;
    await client.query('rollback to savepoint inbound; release savepoint inbound');
    const [only] = writes;
    if (writes.length > 1) return writeHalves(context, writes);
    if (!only) throw error;
    const single = singlesOf(only);
    if (single.length > 1) return writeHalves(context, single);
    return { written: [], refused: [{ write: only, code, detail: describe(error), error }] };
  }
}

async function writeHalves(context: WriteContext, writes: readonly InboundWrite[]) {
  const half = Math.ceil(writes.length / 2);
  const first = await writePart(context, writes.slice(0, half));
  const second = await writePart(context, writes.slice(half));
  return {
    written: [...first.written, ...second.written],
    refused: [...first.refused, ...second.refused],
  };
}

/** An update, property by property. */
function singlesOf({ unmark, ...write }: InboundWrite): InboundWrite[] {
  if (write.kind !== 'update') return [];
  const singles: InboundWrite[] = Object.entries(write.values).map(([name, value]) => ({
    ...write,
    values: { [name]: value },
  }));
  return unmark ? [{ ...write, values: {}, unmark }, ...singles] : singles;
}

function partsOf(writes: readonly InboundWrite[]): InboundWrite[][] {
  const parts: InboundWrite[][] = [];
  let size = Number.POSITIVE_INFINITY;
  for (const write of writes) {
    const values = Object.values(write.values);
    const own = values.reduce((sum, { value }) => sum + value.length + 100, 100);
    if (size + own > MARK_CHARACTERS) {
      parts.push([]);
      size = 0;
    }
    parts.at(-1)?.push(write);
    size += own;
  }
  return parts;
}

function describe(error: Error): string {
  const { constraint, column, table } = error as Error & Partial<Record<string, string>>;
  if (constraint) return `constraint ${constraint}${table ? ` of ${table}` : ''}`;
  if (column) return `column ${column}`;
  return 'a value that does not fit its column';
}

async function writeTogether(context: WriteContext, writes: readonly InboundWrite[]) {
  const { client, table, types, secret } = context;
  const columnOf = columnsByName(table);
  const texts = await castValues(
    client,
    types,
    writes.map(({ values }) =>
      Object.fromEntries(Object.entries(values).map(([name, v]) => [columnOf(name), v.text])),
    ),
  );
  const written = writes.map((write, i): WrittenRow => {
    const cast = texts[i] ?? {};
    const byProperty = Object.fromEntries(
      Object.keys(write.values).map((name) => [name, cast[columnOf(name)] ?? null]),
    );
    const changed = Object.keys(cast).filter(
      (column) => write.row === null || write.row[column] !== cast[column],
    );
    return { write, texts: byProperty, changed };
  });
  // The mark names a row even where nothing changes: `consume` learns from it that HubSpot has spoken.
  await emitMark(client, secret, {
    kind: 'inbound',
    rows: written.map(
      ({ write, texts: row }): InboundRow => ({
        object: table.object,
        key: write.key,
        kind: write.kind,
        hubspotId: write.hubspotId,
        values: Object.fromEntries(
          Object.entries(write.values).map(([name, { value, time }]) => [
            name,
            { value, time, text: row[name] ?? null },
          ]),
        ),
      }),
    ),
  });
  await updateRows(context, written, texts);
  await insertRows(context, written, texts);
  await deleteRows(context, written);
  await unmarkRows(context, written);
  return written;
}

/** The column of a property's or association's name. */
function columnsByName(table: TableMapping): (name: string) => string {
  const columns = new Map<string, string>();
  for (const { property, column } of table.properties) columns.set(property, column);
  for (const { name, column } of table.associations) columns.set(name, column);
  return (name) => {
    const column = columns.get(name);
    if (column === undefined) throw new Error(`${name} is not mapped for ${table.object}`);
    return column;
  };
}

/** One UPDATE per set of changed columns; a row that holds every value already isn't touched. */
async function updateRows(
  { client, table, types }: WriteContext,
  written: readonly WrittenRow[],
  texts: readonly Readonly<Record<string, string | null>>[],
) {
  const groups = new Map<string, { columns: readonly string[]; rows: number[] }>();
  written.forEach(({ write, changed }, i) => {
    if (write.kind !== 'update' || changed.length === 0) return;
    const id = JSON.stringify(changed);
    const group = groups.get(id) ?? { columns: changed, rows: [] };
    group.rows.push(i);
    groups.set(id, group);
  });
  for (const { columns, rows } of groups.values()) {
    const names = [...table.key.map((_, i) => `k${i}`), ...columns.map((_, i) => `c${i}`)];
    const typeOf = (name: string) => types.get(name) as ColumnType;
    await client.query(
      `update ${table.sql} t
          set ${columns.map((name, i) => `${quoteIdentifier(name)} = ${castExpression(`v.c${i}`, typeOf(name))}`).join(', ')}
         from unnest(${names.map((_, i) => `$${i + 1}::text[]`).join(', ')}) as v (${names.join(', ')})
        where ${table.key.map((name, i) => `t.${quoteIdentifier(name)} = ${castExpression(`v.k${i}`, typeOf(name))}`).join(' and ')}`,
      [
        ...table.key.map((_, k) =>
          rows.map((i) => decodeKey(written[i]?.write.key ?? '', table.key.length)[k] ?? null),
        ),
        ...columns.map((name) => rows.map((i) => texts[i]?.[name] ?? null)),
      ],
    );
  }
}

/**
 * Names every mapped column, NULL where HubSpot is empty: a column left to its DEFAULT would count
 * as a local change. Only a NOT NULL column with a default is left out: there the default stands,
 * and travels outwards.
 */
async function insertRows(
  { client, table, types }: WriteContext,
  written: readonly WrittenRow[],
  texts: readonly Readonly<Record<string, string | null>>[],
) {
  for (const [i, { write }] of written.entries()) {
    if (write.kind !== 'insert') continue;
    const key = decodeKey(write.key, table.key.length);
    const row: Record<string, string | null> = { ...table.defaults };
    for (const name of mappedColumns(table)) row[name] = texts[i]?.[name] ?? null;
    table.key.forEach((name, k) => {
      row[name] = key[k] ?? null;
    });
    if (table.hubspotIdColumn) row[table.hubspotIdColumn] = write.hubspotId;
    const columns = Object.keys(row).filter((name) => {
      const type = types.get(name);
      return !(row[name] === null && type?.notNull && type.hasDefault);
    });
    await client.query(
      `insert into ${table.sql} (${columns.map(quoteIdentifier).join(', ')})
       values (${columns.map((name, c) => castExpression(`$${c + 1}::text`, types.get(name) as ColumnType)).join(', ')})`,
      columns.map((name) => row[name]),
    );
  }
}

/** By the mapping's policy: removes the row, or sets its mark column; `keep` writes nothing. */
async function deleteRows(context: WriteContext, written: readonly WrittenRow[]) {
  const { client, table } = context;
  const gone = written.filter(({ write }) => write.kind === 'delete');
  if (gone.length === 0 || table.deletes.inbound === 'keep') return;
  if (table.deletes.inbound === 'mark') {
    await setMarkColumn(context, gone, { boolean: 'true', time: 'now()' });
    return;
  }
  const { given, match, values } = keysOf(context, gone);
  await client.query(`delete from ${table.sql} t using ${given} where ${match}`, values);
}

async function unmarkRows(context: WriteContext, written: readonly WrittenRow[]) {
  const alive = written.filter(({ write }) => write.unmark);
  if (alive.length === 0) return;
  await setMarkColumn(context, alive, { boolean: 'false', time: 'null' });
}

async function setMarkColumn(
  context: WriteContext,
  rows: readonly WrittenRow[],
  to: { readonly boolean: string; readonly time: string },
) {
  const { client, table, types } = context;
  const { markColumn } = table.deletes;
  if (!markColumn) return;
  const { given, match, values } = keysOf(context, rows);
  const value = types.get(markColumn)?.type === 'boolean' ? to.boolean : to.time;
  await client.query(
    `update ${table.sql} t set ${quoteIdentifier(markColumn)} = ${value} from ${given} where ${match}`,
    values,
  );
}

/** The rows' keys as a relation `v`, and the condition that joins the table `t` with it. */
function keysOf({ table, types }: WriteContext, rows: readonly WrittenRow[]) {
  const keys = rows.map(({ write }) => decodeKey(write.key, table.key.length));
  const names = table.key.map((_, i) => `k${i}`).join(', ');
  const equals = table.key.map(
    (name, i) =>
      `t.${quoteIdentifier(name)} = ${castExpression(`v.k${i}`, types.get(name) as ColumnType)}`,
  );
  return {
    given: `unnest(${table.key.map((_, i) => `$${i + 1}::text[]`).join(', ')}) as v (${names})`,
    match: equals.join(' and '),
    values: table.key.map((_, k) => keys.map((key) => key[k] ?? null)),
  };
}
