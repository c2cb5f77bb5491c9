/** Records that point to one which has a HubSpot id since now: their association can be made. */
import type { Client } from '../../shared/postgres/pool.ts';
import type { StoredRecord } from '../../shared/postgres/records.ts';
import type { DeliverContext } from './context.ts';

/**
 * Asks for a comparison of the linked records whose foreign key names one of `linked` and that have
 * nothing waiting. Set-based; reads the images, since user tables aren't touched under these locks.
 */
export async function wantDependents(
  client: Client,
  { tables, mapping }: Pick<DeliverContext, 'tables' | 'mapping'>,
  linked: readonly Pick<StoredRecord, 'object' | 'key'>[],
): Promise<void> {
  for (const table of mapping.tables) {
    for (const association of table.associations) {
      const keys = linked
        .filter((record) => record.object === association.toObject)
        .map((record) => record.key);
      if (keys.length === 0) continue;
      await client.query(
        `update ${tables.record} r
            set compare_since = coalesce(compare_since, now()),
                state = jsonb_set(state, '{compareWanted}', 'true')
          where (object_type, key) in (
            select object_type, key from ${tables.record}
             where object_type = $1 and image ->> $2 = any ($3::text[]) and compare_since is null
             order by key for update skip locked)`,
        [table.object, association.column, keys],
      );
    }
  }
}
