/** Doubts that are put on many records at once, each to be read and judged like any other. */
import type { DoubtReason } from '../protocol/state.ts';
import type { Pool, Queryable } from './pool.ts';
import type { Tables } from './schema.ts';

const CHUNK = 1000;

/**
 * Reconcile's whole rule: makes a doubt of every linked record of the object types, in chunks by key.
 * Those that have one already, or a call under way whose end will tell, are doubted too: a doubt
 * waits for the call.
 * @returns how many
 */
export async function doubtAll(
  pool: Pool,
  tables: Tables,
  objects: readonly string[],
): Promise<number> {
  let total = 0;
  for (const object of objects) {
    for (let after = ''; ; ) {
      const { rows } = await pool.query(
        `select key from ${tables.record}
          where object_type = $1 and key > $2 and hubspot_id is not null order by key limit ${CHUNK}`,
        [object, after],
      );
      const keys = rows.map((row) => row.key as string);
      if (keys.length === 0) break;
      after = keys.at(-1) as string;
      total += await addDoubt(pool, tables, object, 'reconcile', { keys });
    }
  }
  return total;
}

/**
 * Makes a doubt of the linked records among these, in one statement that locks them in key order.
 * Readings that are under way don't answer it.
 * @returns how many hadn't this doubt before
 */
export async function addDoubt(
  client: Queryable,
  tables: Tables,
  object: string,
  reason: DoubtReason,
  named: { readonly keys: readonly string[] } | { readonly hubspotIds: readonly string[] },
): Promise<number> {
  const [column, names] = 'keys' in named ? ['key', named.keys] : ['hubspot_id', named.hubspotIds];
  if (names.length === 0) return 0;
  const { rowCount } = await client.query(
    `with locked as (
       select key from ${tables.record}
        where object_type = $1 and ${column} = any ($2::text[]) and hubspot_id is not null
        order by key collate "C" for update)
     update ${tables.record} r
        set state = state || jsonb_build_object(
              'doubt', state -> 'doubt' || to_jsonb(array[$3::text]),
              'revision', (state ->> 'revision')::int + 1),
            doubt_since = coalesce(doubt_since, now())
       from locked l
      where r.object_type = $1 and r.key = l.key and not state -> 'doubt' ? $3`,
    [object, names, reason],
  );
  return rowCount ?? 0;
}
