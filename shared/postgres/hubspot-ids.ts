/**
 * HubSpot ids as such: whose they are, and what is remembered of those that belong to no row. An
 * announcement of an id's death and the answer that links it meet at the id's row, so whoever is
 * about to link locks it first.
 */
import type { Bracket } from '../protocol/state.ts';
import type { Client } from './pool.ts';
import type { Tables } from './schema.ts';

export interface HubspotId {
  /** The row it belongs to or belonged to; null: to none that is known. */
  readonly key: string | null;
  /** The row that is linked to it now. */
  readonly linkedTo: string | null;
  /** Known dead as of here. */
  readonly dead: Bracket | null;
}

export interface IdRef {
  readonly object: string;
  readonly id: string;
}

export const idRef = ({ object, id }: IdRef): string => `${object}/${id}`;

/**
 * Locks the ids' rows, in order, and makes the missing ones: after the records, as everywhere.
 * @returns by `idRef`
 */
export async function lockIds(
  client: Client,
  tables: Tables,
  refs: Iterable<IdRef>,
): Promise<Map<string, HubspotId>> {
  const unique = new Map([...refs].map((ref) => [idRef(ref), ref]));
  const sorted = [...unique.values()].sort((a, b) => (idRef(a) < idRef(b) ? -1 : 1));
  if (sorted.length === 0) return new Map();
  const values = [sorted.map(({ object }) => object), sorted.map(({ id }) => id)];
  await client.query(
    `insert into ${tables.hubspotId} (object_type, hubspot_id)
     select o, i from unnest($1::text[], $2::text[]) with ordinality as t (o, i, n) order by n
     on conflict do nothing`,
    values,
  );
  const { rows } = await client.query(
    `select h.object_type as object, h.hubspot_id as id, h.key, h.dead_low::float8 as low, h.dead_high::float8 as high
       from ${tables.hubspotId} h
       join unnest($1::text[], $2::text[]) as t (o, i) on h.object_type = t.o and h.hubspot_id = t.i
      order by h.object_type collate "C", h.hubspot_id collate "C" for update of h`,
    values,
  );
  const linked = await findLinks(client, tables, sorted);
  return new Map(
    rows.map(({ object, id, key, low, high }) => [
      idRef({ object, id }),
      {
        key,
        linkedTo: linked.get(idRef({ object, id })) ?? null,
        dead: high === null ? null : { low, high },
      },
    ]),
  );
}

/** The keys of the records that are linked to ids now, by `idRef`; without a lock. */
export async function findLinks(
  client: Client,
  tables: Tables,
  refs: readonly IdRef[],
): Promise<Map<string, string>> {
  const { rows } = await client.query(
    `select r.object_type as object, r.hubspot_id as id, r.key
       from ${tables.record} r
       join unnest($1::text[], $2::text[]) as t (o, i) on r.object_type = t.o and r.hubspot_id = t.i`,
    [refs.map(({ object }) => object), refs.map(({ id }) => id)],
  );
  return new Map(rows.map(({ object, id, key }) => [idRef({ object, id }), key]));
}
