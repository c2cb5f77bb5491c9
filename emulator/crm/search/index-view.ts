// Records as the search index knows them: with a lag, the values of some time ago.
import type { CrmContext } from '../context.ts';
import type { ObjectType } from '../object-types.ts';
import type { StoredRecord } from '../records/store.ts';

/** Active records as they stood `searchLagMs` ago. Archived ones vanish at once. */
export function listIndexed(crm: CrmContext, type: ObjectType): StoredRecord[] {
  const lag = crm.behaviour.searchLagMs;
  const active = crm.records
    .list(type.id)
    .filter((record) => record.archivedAt === undefined && record.mergedInto === undefined);
  if (lag === 0) return active;
  const until = crm.now() - lag;
  return active
    .filter((record) => record.createdAt <= until)
    .map((record) => (record.modifiedAt <= until ? record : asOf(crm, type, record, until)));
}

function asOf(
  crm: CrmContext,
  type: ObjectType,
  record: StoredRecord,
  until: number,
): StoredRecord {
  const values: StoredRecord['values'] = {};
  let modifiedAt = record.createdAt;
  for (const name of Object.keys(record.values)) {
    const past = crm.records.readHistory(type.id, record, name).find(({ at }) => at <= until);
    if (past === undefined) continue;
    values[name] = past;
    modifiedAt = Math.max(modifiedAt, past.at);
  }
  const { bumpAt: _, ...rest } = record;
  return { ...rest, values, modifiedAt };
}
