/**
 * Compare messages: a comparison of a row with HubSpot's known values is made in WAL order, so the
 * row's text travels through the WAL, and `consume` compares it where it stands. The row is locked
 * first and the record after it, as everywhere.
 */
import type { TableMapping } from '../mapping/mapping.ts';
import { comparisonEmitted } from '../protocol/record.ts';
import { emitMark, type RowImage } from './mark.ts';
import type { Client } from './pool.ts';
import { inTransaction, type Pool } from './pool.ts';
import { lockRecords, saveRecords } from './records.ts';
import { type ColumnType, existingKeys, lockRows } from './rows.ts';
import type { Tables } from './schema.ts';

export interface CompareContext {
  readonly pool: Pool;
  readonly tables: Tables;
  readonly secret: Buffer;
  readonly typesOf: (table: TableMapping) => Promise<ReadonlyMap<string, ColumnType>>;
}

/** Inside the caller's transaction, which holds the rows' and the records' locks. */
export async function emitCompare(
  client: Client,
  secret: Buffer,
  rows: readonly RowImage[],
): Promise<void> {
  if (rows.length > 0) await emitMark(client, secret, { kind: 'compare', rows: [...rows] });
}

/**
 * Makes the comparisons that are wanted of a table's records, up to `limit`. A row that the
 * application holds is left for the next time.
 * @returns how many were made.
 */
export async function makeComparisons(
  { pool, tables, secret, typesOf }: CompareContext,
  table: TableMapping,
  limit = 500,
): Promise<number> {
  const { rows: wanted } = await pool.query(
    `select key from ${tables.record}
      where compare_since is not null and object_type = $1 order by compare_since limit $2`,
    [table.object, limit],
  );
  if (wanted.length === 0) return 0;
  const types = await typesOf(table);
  const keys = wanted.map(({ key }) => key as string);
  return inTransaction(pool, async (client) => {
    const locked = await lockRows(client, table, types, keys, { skipLocked: true });
    const records = await lockRecords(
      client,
      tables,
      keys.map((key) => ({ object: table.object, key })),
      { skipLocked: true },
    );
    // What wasn't locked is held by somebody and waits, or there is no such row. Asked only now: an
    // insert that is seen by nobody yet can't be consumed before the record's lock is given back.
    const rest = keys.filter((key) => !locked.has(key));
    const held = await existingKeys(client, table, types, rest);
    const ready = [...records.values()].filter((record) => !held.has(record.key));
    const images: RowImage[] = [];
    for (const record of ready) {
      record.state = comparisonEmitted(record.state);
      const row = locked.get(record.key)?.columns ?? null;
      images.push({ object: table.object, key: record.key, row });
    }
    await emitCompare(client, secret, images);
    await saveRecords(client, tables, ready);
    return images.length;
  });
}
