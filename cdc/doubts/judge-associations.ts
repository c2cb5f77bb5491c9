/** The association sets of a reading, judged against the row's foreign keys. */
import type { AssociationRow } from '../../shared/hubspot/hubspot.ts';
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import { decodeKey, encodeKey } from '../../shared/postgres/key.ts';
import type { Client } from '../../shared/postgres/pool.ts';
import type { Image, StoredRecord } from '../../shared/postgres/records.ts';
import { existingKeys } from '../../shared/postgres/rows.ts';
import type { InboundWrite } from '../../shared/postgres/write-inbound.ts';
import { type Associated, judgeAssociation, primaryOf } from '../../shared/protocol/association.ts';
import type { DeliverContext } from '../records/context.ts';
import type { Associations } from '../records/outbox-row.ts';
import type { Place } from './judge-record.ts';
import type { Reading } from './read.ts';

type Values = Record<string, InboundWrite['values'][string]>;

/** Rows and HubSpot ids of the associations' other ends, each by the other, as `object/…`. */
export interface Targets {
  readonly keys: ReadonlyMap<string, string>;
  readonly ids: ReadonlyMap<string, string>;
}

export async function findTargets(
  client: Client,
  { tables, mapping, typesOf }: DeliverContext,
  table: TableMapping,
  readings: readonly Reading[],
  rows: readonly Image[],
): Promise<Targets> {
  const keys = new Map<string, string>();
  const ids = new Map<string, string>();
  const sets = readings.flatMap(({ associations, found }) =>
    found.map(({ id }) => associations.get(id)),
  );
  for (const { name, column, toObject } of table.associations) {
    const target = mapping.objectOf(toObject);
    if (!target) continue;
    const associated = sets.flatMap((set) => (set?.[name]?.to ?? []).map(({ id }) => id));
    const texts = rows.flatMap((row) => row[column] ?? []);
    const { rows: linked } = await client.query(
      `select key, hubspot_id from ${tables.record}
        where object_type = $1 and hubspot_id is not null
          and (key = any ($2::text[]) or hubspot_id = any ($3::text[]))`,
      [toObject, texts.map((text) => encodeKey([text])), associated],
    );
    const all = linked.map(({ key }) => key as string);
    const there = await existingKeys(client, target, await typesOf(target), all);
    for (const { key, hubspot_id } of linked) {
      ids.set(`${toObject}/${key}`, hubspot_id);
      if (there.has(key)) keys.set(`${toObject}/${hubspot_id}`, key);
    }
  }
  return { keys, ids };
}

function toSet(set: AssociationRow, typeId: number): Associated[] {
  return set.to.map(({ id, types }) => ({
    id,
    primary: types.some((type) => type.typeId === typeId),
  }));
}

/** What of the sets is to be written into the row's foreign keys. */
export function judgeAssociations(
  { context, table, reading, targets }: Place,
  record: StoredRecord,
  waiting: Associations,
  row: Image,
): Values {
  const values: Values = {};
  const sets = reading.associations.get(record.state.existence.link ?? '') ?? {};
  for (const { name, column, toObject, typeId } of table.associations) {
    const set = sets[name];
    if (!set) continue;
    const text = row[column] ?? null;
    const mark = waiting[name];
    const judged = judgeAssociation(
      record.state,
      name,
      { set: toSet(set, typeId), time: reading.time },
      text === null ? '' : targets.ids.get(`${toObject}/${encodeKey([text])}`),
      mark && { ...mark, value: '' },
    );
    record.state = judged.record;
    const { value, outcome } = judged;
    const about = { object: record.object, key: record.key, association: name };
    if (outcome === 'several') {
      context.log.warn(about, 'several associations and none is primary: the row is left as it is');
    }
    if (outcome !== 'apply') continue;
    const key = value === '' ? null : targets.keys.get(`${toObject}/${value}`);
    if (key === undefined) {
      // When it gets a row one day, this record is judged once more.
      context.log.info(about, 'HubSpot associates it with a record that has no row');
      continue;
    }
    values[name] = foreignKey(value, key, reading.time.high);
  }
  return values;
}

/** The foreign keys of a new row. */
export function insertedAssociations(
  table: TableMapping,
  sets: Readonly<Record<string, AssociationRow>>,
  { time }: Reading,
  targets: Targets,
): Values {
  const values: Values = {};
  for (const { name, toObject, typeId } of table.associations) {
    const set = sets[name];
    const primary = set && primaryOf(toSet(set, typeId));
    const key = primary ? targets.keys.get(`${toObject}/${primary}`) : undefined;
    if (primary && key !== undefined) values[name] = foreignKey(primary, key, time.high);
  }
  return values;
}

function foreignKey(value: string, key: string | null, time: number) {
  return { value, time, text: key === null ? null : (decodeKey(key, 1)[0] ?? null) };
}
