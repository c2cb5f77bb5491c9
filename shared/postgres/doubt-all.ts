/** Reconcile's whole rule: every linked record is a doubt, to be read and judged like any other. */
import type { Pool } from './pool.ts';
import type { Tables } from './schema.ts';

const CHUNK = 1000;

/**
 * Makes a doubt of every linked record of the object types, in chunks by key. Those that have one
 * already, or a call under way whose end will tell, are doubted too: a doubt waits for the call.
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
        `with chunk as (
           select key from ${tables.record}
            where object_type = $1 and key > $2 and hubspot_id is not null
            order by key limit ${CHUNK} for update)
         update ${tables.record} r
            set state = jsonb_set(state, '{doubt}', (state -> 'doubt') || '["reconcile"]'),
                doubt_since = coalesce(doubt_since, now())
           from chunk c
          where r.object_type = $1 and r.key = c.key and not state -> 'doubt' ? 'reconcile'
         returning r.key`,
        [object, after],
      );
      total += rows.length;
      const { rows: last } = await pool.query(
        `select max(key) as key from (
           select key from ${tables.record}
            where object_type = $1 and key > $2 and hubspot_id is not null
            order by key limit ${CHUNK}) chunk`,
        [object, after],
      );
      if (last[0]?.key == null) break;
      after = last[0].key;
    }
  }
  return total;
}
