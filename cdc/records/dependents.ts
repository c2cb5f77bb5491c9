/** Records that point to one which has a HubSpot id since now: their association can be made. */
import { decodeKey, encodeKey } from '../../shared/postgres/key.ts';
import { type Client, queryText } from '../../shared/postgres/pool.ts';
import type { RecordRef } from '../../shared/postgres/records.ts';
import { type ColumnType, castExpression } from '../../shared/postgres/rows.ts';
import { quoteIdentifier } from '../../shared/postgres/schema.ts';
import type { DeliverContext } from './context.ts';

/**
 * Asks for a comparison of the linked records whose row names one of `linked`. The rows are only
 * read; the records are waited for, in key order, since a wish that is passed over is lost. One that
 * is asked for already is asked for again: its message may leave before this is committed.
 */
export async function wantDependents(
  client: Client,
  { tables, mapping, typesOf }: Pick<DeliverContext, 'tables' | 'mapping' | 'typesOf'>,
  linked: readonly RecordRef[],
): Promise<void> {
  for (const table of mapping.tables) {
    const keys = new Set<string>();
    for (const { toObject, column } of table.associations) {
      const targets = linked.filter(({ object }) => object === toObject).map(({ key }) => key);
      if (targets.length === 0) continue;
      const type = (await typesOf(table)).get(column) as ColumnType;
      const rows = await queryText(
        client,
        `select ${table.key.map((name) => `t.${quoteIdentifier(name)}`).join(', ')}
           from ${table.sql} t
           join unnest($1::text[]) as g (k) on t.${quoteIdentifier(column)} = ${castExpression('g.k', type)}`,
        [targets.map((key) => decodeKey(key, 1)[0])],
      );
      for (const row of rows) keys.add(encodeKey(table.key.map((name) => row[name] ?? '')));
    }
    if (keys.size === 0) continue;
    await client.query(
      `with locked as (
         select key from ${tables.record}
          where object_type = $1 and key = any ($2::text[]) and hubspot_id is not null
          order by key collate "C" for update)
       update ${tables.record} r
          set compare_since = coalesce(compare_since, now()),
              state = jsonb_set(state, '{compareWanted}', 'true')
         from locked l
        where r.object_type = $1 and r.key = l.key`,
      [table.object, [...keys]],
    );
  }
}
