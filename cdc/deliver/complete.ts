/**
 * Whole rows into the WAL, for records whose image has gaps: the stream carries no TOAST value that
 * didn't change, and of a row that wasn't known before that leaves a gap.
 */
import { emitMark } from '../../shared/postgres/mark.ts';
import { inTransaction } from '../../shared/postgres/pool.ts';
import type { RecordRef } from '../../shared/postgres/records.ts';
import { lockRows, mappedColumns } from '../../shared/postgres/rows.ts';
import type { DeliverContext } from '../records/context.ts';

export async function completeImages(
  context: DeliverContext,
  refs: readonly RecordRef[],
): Promise<void> {
  const { pool, mapping, secret, typesOf } = context;
  for (const table of mapping.tables) {
    const keys = refs.filter((ref) => ref.object === table.object).map((ref) => ref.key);
    if (keys.length === 0) continue;
    const types = await typesOf(table);
    await inTransaction(pool, async (client) => {
      const rows = await lockRows(client, table, types, keys, { skipLocked: true });
      if (rows.size === 0) return;
      await emitMark(client, secret, {
        kind: 'complete',
        rows: [...rows.values()].map(({ key, columns }) => ({
          object: table.object,
          key,
          row: Object.fromEntries(
            mappedColumns(table).map((name) => [name, columns[name] ?? null]),
          ),
        })),
      });
    });
  }
}
