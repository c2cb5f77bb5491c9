/**
 * Links rows that carry a HubSpot id in their key (`hs_123`) and are not known yet. Init asks HubSpot
 * which of the ids exist; row and record are taken for equal as they stand, and nothing is copied.
 * An id that HubSpot doesn't know is left alone: a wrong account must not look like a mass deletion.
 */
import { batchSizes, type HubSpot, type RecordAnswer } from '../../shared/hubspot/hubspot.ts';
import type { Mapping, TableMapping } from '../../shared/mapping/mapping.ts';
import { encodeKey } from '../../shared/postgres/key.ts';
import { emitMark, type RowImage } from '../../shared/postgres/mark.ts';
import { inTransaction, type Pool, queryText } from '../../shared/postgres/pool.ts';
import { lockRecords, refId, saveRecords } from '../../shared/postgres/records.ts';
import { type ColumnType, lockRows, readColumnTypes } from '../../shared/postgres/rows.ts';
import { quoteIdentifier, type Tables } from '../../shared/postgres/schema.ts';
import { rowValues } from '../../shared/postgres/values.ts';
import { type Held, linkAsTheyStand } from '../../shared/protocol/link.ts';

export interface LinkOptions {
  readonly pool: Pool;
  readonly tables: Tables;
  readonly mapping: Mapping;
  readonly hubspot: HubSpot;
  /** Signs the message that carries the rows' images into the WAL. */
  readonly secret: Buffer;
}

export interface Linked {
  /** Rows whose record exists in HubSpot, by object. */
  readonly found: Record<string, number>;
  /** Rows whose key names an id that HubSpot doesn't know. */
  readonly unknown: Record<string, number>;
}

export async function linkByTemplate(options: LinkOptions): Promise<Linked> {
  const found: Record<string, number> = {};
  const unknown: Record<string, number> = {};
  for (const table of options.mapping.tables) {
    if (!table.rowId || table.key.length !== 1) continue;
    const types = await readColumnTypes(options.pool, table);
    for (let after = ''; ; ) {
      const keys = await readUnknownKeys(options, table, after);
      if (keys.length === 0) break;
      after = keys.at(-1) as string;
      const linked = await linkChunk(options, table, types, keys);
      found[table.object] = (found[table.object] ?? 0) + linked.found;
      unknown[table.object] = (unknown[table.object] ?? 0) + linked.unknown;
    }
  }
  return { found, unknown };
}

/** Keys without a record, in byte order after `after`, whether the template fits them or not. */
async function readUnknownKeys(
  { pool, tables }: LinkOptions,
  table: TableMapping,
  after: string,
): Promise<string[]> {
  const key = `t.${quoteIdentifier(table.key[0] as string)}::text collate "C"`;
  const rows = await queryText(
    pool,
    `select ${key} as key from ${table.sql} t
     where ${key} > $2 and not exists (
       select from ${tables.record} r where r.object_type = $1 and r.key = ${key})
     order by 1 limit ${batchSizes.history}`,
    [table.object, after],
  );
  return rows.map((row) => row.key as string);
}

async function linkChunk(
  { pool, tables, hubspot, secret }: LinkOptions,
  table: TableMapping,
  types: ReadonlyMap<string, ColumnType>,
  keys: readonly string[],
): Promise<{ found: number; unknown: number }> {
  const ids = new Map<string, string>();
  for (const key of keys) {
    const id = table.rowId?.parse(encodeKey([key]));
    if (id !== undefined) ids.set(id, encodeKey([key]));
  }
  if (ids.size === 0) return { found: 0, unknown: 0 };
  const answer = await hubspot.readBatch(
    table.object,
    {
      ids: [...ids.keys()],
      properties: table.properties.map(({ property }) => property),
      withHistory: true,
    },
    { lane: 'backfill' },
  );
  const alive = answer.results.filter(({ id, archived }) => ids.has(id) && archived !== true);
  await inTransaction(pool, async (client) => {
    // Rows first, then records, as everywhere; the message is emitted while both are locked.
    const rows = await lockRows(
      client,
      table,
      types,
      alive.map(({ id }) => ids.get(id) as string),
    );
    const refs = [...rows.keys()].map((key) => ({ object: table.object, key }));
    const records = await lockRecords(client, tables, refs, { create: true });
    const images: RowImage[] = [];
    for (const found of alive) {
      const { id } = found;
      const key = ids.get(id) as string;
      const record = records.get(refId({ object: table.object, key }));
      const row = rows.get(key);
      if (!record || !row || record.state.existence.link !== null) continue;
      const { values } = rowValues(table, record.state, row.columns);
      record.state = linkAsTheyStand(record.state, id, answer.date, values, heldBy(table, found));
      record.image = row.columns;
      images.push({ object: table.object, key, row: row.columns });
    }
    await saveRecords(client, tables, [...records.values()]);
    if (images.length > 0) await emitMark(client, secret, { kind: 'link', rows: images });
  });
  return { found: alive.length, unknown: ids.size - alive.length };
}

/** What HubSpot holds, with its history times; a value that its codec doesn't know stays out. */
function heldBy(table: TableMapping, { histories }: RecordAnswer): Record<string, Held> {
  const held: Record<string, Held> = {};
  for (const { property, codec } of table.properties) {
    const current = histories?.[property]?.[0];
    if (!current) continue;
    try {
      held[property] = { value: codec.canonical(current.value), time: current.timestamp };
    } catch {
      // A later reading says what is wrong with it.
    }
  }
  return held;
}
