/**
 * Before the first byte: what the stream can't do without, each with its remedy. `doctor` looks at
 * more; here stand only the things without which going on would lose changes or fail for ever.
 */
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import type { ServerFacts, TableFacts } from '../../shared/postgres/catalog.ts';
import { mappedColumns } from '../../shared/postgres/rows.ts';
import { errorTable, type SyncError } from '../../shared/service/errors.ts';

export const preflightError = errorTable({
  WAL_LEVEL: {
    disposition: 'stop',
    advice:
      'Set wal_level = logical (a managed server has a switch for it) and restart the server.',
  },
  TABLE_MISSING: {
    disposition: 'stop',
    advice: 'Take the table out of the mapping, or create it and run `pg-hubspot-sync init`.',
  },
  COLUMN_DROPPED: {
    disposition: 'stop',
    advice: 'Take the column out of the mapping, or bring it back, and start again.',
  },
  KEY_OUTSIDE_IDENTITY: {
    disposition: 'stop',
    advice: 'Give the table its primary key back, or a replica identity that covers the key.',
  },
});

export function columnDropped(table: TableMapping, column: string): SyncError {
  return preflightError(
    'COLUMN_DROPPED',
    `the mapped column ${column} of ${table.sql} was dropped or renamed`,
    { table: table.sql, column },
  );
}

/** Pure. @param facts by `schema.table` @throws the first thing that is missing */
export function checkPreconditions(
  server: Pick<ServerFacts, 'walLevel'>,
  mapped: readonly TableMapping[],
  facts: ReadonlyMap<string, TableFacts>,
): void {
  if (server.walLevel !== 'logical') {
    throw preflightError('WAL_LEVEL', `the server's wal_level is ${server.walLevel}`);
  }
  for (const table of mapped) {
    const found = facts.get(`${table.schema}.${table.name}`);
    if (!found) {
      throw preflightError('TABLE_MISSING', `the mapped table ${table.sql} does not exist`, {
        table: table.sql,
      });
    }
    const columns = new Set(found.columns.map(({ name }) => name));
    const gone = mappedColumns(table).find((name) => !columns.has(name));
    if (gone !== undefined) throw columnDropped(table, gone);
    const outside = table.key.find((name) => !found.identityColumns.includes(name));
    if (outside !== undefined) {
      throw preflightError(
        'KEY_OUTSIDE_IDENTITY',
        `${table.sql}: a deletion would not name the row, since ${outside} lies outside the replica identity`,
        { table: table.sql, column: outside },
      );
    }
  }
}
