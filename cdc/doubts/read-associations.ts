/** The association sets of what was read: what our records point to, and what points to them. */
import {
  type AssociationRow,
  batchSizes,
  type HubSpot,
  type RecordAnswer,
} from '../../shared/hubspot/hubspot.ts';
import type { Mapping, TableMapping } from '../../shared/mapping/mapping.ts';
import type { Pointer, Reading } from './read.ts';

/** By id and association name. */
export async function readAssociated(
  hubspot: HubSpot,
  table: TableMapping,
  live: readonly RecordAnswer[],
): Promise<Reading['associations']> {
  const sets = new Map<string, Record<string, AssociationRow>>();
  for (const { name, toObject } of table.associations) {
    for (const row of await readRows(hubspot, table.object, toObject, live)) {
      sets.set(row.from, { ...sets.get(row.from), [name]: row });
    }
  }
  return sets;
}

/**
 * Records that HubSpot associates with ones that are just about to be linked: their rows' foreign
 * keys couldn't name a row that wasn't there, and are judged once more.
 */
export async function readPointers(
  hubspot: HubSpot,
  mapping: Mapping,
  table: TableMapping,
  unlinked: readonly RecordAnswer[],
): Promise<Reading['pointers']> {
  const pointers = new Map<string, Pointer[]>();
  for (const other of mapping.tables) {
    if (!other.associations.some(({ toObject }) => toObject === table.object)) continue;
    for (const { from, to } of await readRows(hubspot, table.object, other.object, unlinked)) {
      const pointer = { object: other.object, hubspotIds: to.map(({ id }) => id) };
      pointers.set(from, [...(pointers.get(from) ?? []), pointer]);
    }
  }
  return pointers;
}

async function readRows(
  hubspot: HubSpot,
  from: string,
  to: string,
  records: readonly RecordAnswer[],
): Promise<AssociationRow[]> {
  const ids = [...new Set(records.map(({ id }) => id))];
  const rows: AssociationRow[] = [];
  for (let i = 0; i < ids.length; i += batchSizes.associations) {
    const part = ids.slice(i, i + batchSizes.associations);
    rows.push(...(await hubspot.readAssociations(from, to, part, { lane: 'retry' })));
  }
  return rows;
}
