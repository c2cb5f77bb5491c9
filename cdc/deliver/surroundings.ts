/**
 * What claiming a record depends on beside it: the records its foreign keys name, rows whose keys
 * HubSpot takes for its own, and whose the HubSpot ids are that keys name. Looked up without locks
 * and for all records at once; only delivery makes links, and it claims one set at a time.
 */
import type { AssociationMapping, TableMapping } from '../../shared/mapping/mapping.ts';
import { encodeKey } from '../../shared/postgres/key.ts';
import type { Client } from '../../shared/postgres/pool.ts';
import { type RecordRef, refId, type StoredRecord } from '../../shared/postgres/records.ts';
import type { DeliverContext } from '../records/context.ts';

/** The foreign key's other record. */
export interface Target {
  readonly hubspotId: string | null;
  /** It has something to send itself, so it may get an id soon. */
  readonly coming: boolean;
}

/** Another row of the table whose key is the same for HubSpot, and which comes first. */
export interface Twin {
  readonly key: string;
  readonly linked: boolean;
}

export interface Surroundings {
  /** By `refId`. */
  readonly targets: ReadonlyMap<string, Target>;
  /** By `refId` of the row that has to give way. */
  readonly twins: ReadonlyMap<string, Twin>;
  /** HubSpot ids named by keys that belong or belonged to another row, as `object/id`. */
  readonly takenIds: ReadonlySet<string>;
}

export function targetOf(
  record: StoredRecord,
  { column, toObject }: AssociationMapping,
): RecordRef | undefined {
  const text = record.image?.[column];
  if (text === null || text === undefined) return undefined;
  return { object: toObject, key: encodeKey([text]) };
}

export async function lookAround(
  client: Client,
  context: DeliverContext,
  records: readonly StoredRecord[],
): Promise<Surroundings> {
  const twins = new Map<string, Twin>();
  const takenIds = new Set<string>();
  for (const table of context.mapping.tables) {
    const unlinked = records.filter(
      ({ object, state, outbox }) =>
        object === table.object && state.existence.link === null && outbox?.operation === 'write',
    );
    if (unlinked.length === 0) continue;
    for (const [id, twin] of await findTwins(client, context, table, unlinked)) twins.set(id, twin);
    for (const id of await findTakenIds(client, context, table, unlinked)) takenIds.add(id);
  }
  return { targets: await findTargets(client, context, records), twins, takenIds };
}

async function findTargets(
  client: Client,
  { tables, mapping }: DeliverContext,
  records: readonly StoredRecord[],
): Promise<Map<string, Target>> {
  const refs: RecordRef[] = [];
  for (const record of records) {
    for (const association of mapping.objectOf(record.object)?.associations ?? []) {
      const ref = record.outbox?.pending[association.name] && targetOf(record, association);
      if (ref) refs.push(ref);
    }
  }
  if (refs.length === 0) return new Map();
  const { rows } = await client.query(
    `select r.object_type as object, r.key, r.hubspot_id,
            (r.call_since is not null or o.key is not null or r.doubt_since is not null) as coming
       from ${tables.record} r
       left join ${tables.outbox} o using (object_type, key)
       join unnest($1::text[], $2::text[]) as t (o, k) on r.object_type = t.o and r.key = t.k`,
    [refs.map((ref) => ref.object), refs.map((ref) => ref.key)],
  );
  return new Map(
    rows.map((row) => [refId(row), { hubspotId: row.hubspot_id, coming: row.coming }]),
  );
}

/** As the index on `record` folds a key: more alike than HubSpot's own folding makes them. */
const folded = (key: string) => `lower(regexp_replace(${key} collate "C", '[^!-~]', '', 'g'))`;

/**
 * Of two rows with the same key for HubSpot the linked one comes first, then one with a call under
 * way or in doubt, then the one that was known first.
 */
async function findTwins(
  client: Client,
  { tables }: DeliverContext,
  table: TableMapping,
  unlinked: readonly StoredRecord[],
): Promise<Map<string, Twin>> {
  const { rows } = await client.query(
    `select t.k as key, r.key as other, r.hubspot_id is not null as linked,
            r.call_since is not null or r.doubt_since is not null as busy,
            coalesce(o.operation = 'write', false)
              and (r.created_at, r.key collate "C") < (self.created_at, self.key collate "C") as earlier
       from unnest($2::text[]) as t (k)
       join ${tables.record} self on self.object_type = $1 and self.key = t.k
       join ${tables.record} r on r.object_type = $1 and ${folded('r.key')} = ${folded('t.k')} and r.key <> t.k
       left join ${tables.outbox} o on o.object_type = r.object_type and o.key = r.key`,
    [table.object, unlinked.map(({ key }) => key)],
  );
  const twins = new Map<string, Twin>();
  for (const { key, other, linked, busy, earlier } of rows) {
    if (!(linked || busy || earlier) || !isSame(table, key, other)) continue;
    const id = refId({ object: table.object, key });
    if (!twins.get(id)?.linked) twins.set(id, { key: other, linked });
  }
  return twins;
}

function isSame(table: TableMapping, key: string, other: string): boolean {
  try {
    return table.keyValue(key) === table.keyValue(other);
  } catch {
    return false;
  }
}

async function findTakenIds(
  client: Client,
  { tables }: DeliverContext,
  table: TableMapping,
  unlinked: readonly StoredRecord[],
): Promise<string[]> {
  const keyOf = new Map<string, string>();
  for (const { key } of unlinked) {
    const id = table.rowId?.parse(key);
    if (id !== undefined) keyOf.set(id, key);
  }
  if (keyOf.size === 0) return [];
  const { rows } = await client.query(
    `select hubspot_id as id, key from ${tables.hubspotId}
      where object_type = $1 and hubspot_id = any ($2::text[]) and key is not null`,
    [table.object, [...keyOf.keys()]],
  );
  return rows
    .filter(({ id, key }) => keyOf.get(id) !== key)
    .map(({ id }) => `${table.object}/${id}`);
}
