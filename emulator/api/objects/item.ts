// One record in an answer: which properties it shows after a read and after a write.
import type { CrmContext } from '../../crm/context.ts';
import type { ObjectType } from '../../crm/object-types.ts';
import type { StoredRecord } from '../../crm/records/store.ts';
import { readHistory, readModifiedAt, readProperty } from '../../crm/records/visible.ts';
import type { WriteResult } from '../../crm/records/write.ts';

/** What a read asks for; names in any case. */
export type Wanted = { properties: string[]; history: string[] };

export type Item = {
  id: string;
  properties: Record<string, string | null>;
  propertiesWithHistory?: Record<string, unknown[]>;
  createdAt: string;
  updatedAt: string;
  archived: boolean;
  archivedAt?: string;
  url: string;
};

/** A read shows what was asked for, else the type's few default properties; unset ones as null. */
export function showRead(
  crm: CrmContext,
  type: ObjectType,
  record: StoredRecord,
  wanted: Wanted,
): Item {
  const asked = [...wanted.properties, ...wanted.history].map((name) => name.toLowerCase());
  const names = new Set([
    ...(asked.length > 0 ? asked : type.defaultProperties),
    type.createdProperty,
    type.modifiedProperty,
    'hs_object_id',
  ]);
  const properties: Record<string, string | null> = {};
  for (const name of [...names].sort()) {
    // An unknown property in a read is left out without a word.
    const value = readProperty(crm, type, record, name);
    if (value !== undefined) properties[name] = value;
  }
  return frame(crm, type, record, properties, wanted.history);
}

/** HubSpot adds these to the answer of every write. */
const ALWAYS_ANSWERED = [
  'hs_object_id',
  'hs_object_source',
  'hs_object_source_id',
  'hs_object_source_label',
  'lifecyclestage',
];

/** A write shows what it named and changed, as stored, and a few more. */
export function showWritten(crm: CrmContext, result: WriteResult): Item {
  const { type, record, answered } = result;
  const properties: Record<string, string | null> = {};
  const further = [...ALWAYS_ANSWERED, type.createdProperty, type.modifiedProperty];
  for (const name of [...new Set([...answered, ...further])].sort()) {
    const value = readProperty(crm, type, record, name);
    if (value === undefined || (value === null && !answered.includes(name))) continue;
    properties[name] = isLifecycleDate(name) && value ? String(Date.parse(value)) : value;
  }
  return frame(crm, type, record, properties, []);
}

/** In answers of writes, and only there, these are epoch milliseconds. */
function isLifecycleDate(name: string): boolean {
  return /^hs_lifecyclestage_.+_date$/.test(name);
}

function frame(
  crm: CrmContext,
  type: ObjectType,
  record: StoredRecord,
  properties: Record<string, string | null>,
  history: string[],
): Item {
  const { id, createdAt, archivedAt } = record;
  return {
    id,
    properties,
    ...(history.length > 0
      ? { propertiesWithHistory: showHistories(crm, type, record, history) }
      : {}),
    createdAt: new Date(createdAt).toISOString(),
    updatedAt: new Date(readModifiedAt(crm, record)).toISOString(),
    archived: archivedAt !== undefined,
    ...(archivedAt === undefined ? {} : { archivedAt: new Date(archivedAt).toISOString() }),
    url: `https://app.hubspot.com/contacts/${crm.portalId}/record/${type.id}/${id}`,
  };
}

function showHistories(
  crm: CrmContext,
  type: ObjectType,
  record: StoredRecord,
  names: string[],
): Record<string, unknown[]> {
  const shown: Record<string, unknown[]> = {};
  for (const name of names.map((each) => each.toLowerCase())) {
    if (crm.properties.find(type.id, name) === undefined) continue;
    shown[name] = readHistory(crm, type, record, name).map(({ value, at, source, sourceId }) => {
      const userId = /^userId:(\d+)$/.exec(sourceId)?.[1];
      return {
        value,
        timestamp: new Date(at).toISOString(),
        sourceType: source,
        sourceId,
        ...(userId === undefined ? {} : { updatedByUserId: Number(userId) }),
      };
    });
  }
  return shown;
}
