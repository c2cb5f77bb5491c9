// What a record looks like from outside: stored values, the ones HubSpot computes, and their history.
import type { CrmContext } from '../context.ts';
import type { ObjectType } from '../object-types.ts';
import type { StoredRecord, StoredValue } from './store.ts';

/** The time of the last change as known at this moment; a bump that is still to come does not count. */
export function readModifiedAt(crm: CrmContext, record: StoredRecord): number {
  const { bumpAt } = record;
  return bumpAt !== undefined && bumpAt <= crm.now()
    ? Math.max(record.modifiedAt, bumpAt)
    : record.modifiedAt;
}

/** The value of a property as answered: null if there is none. Unknown properties: undefined. */
export function readProperty(
  crm: CrmContext,
  type: ObjectType,
  record: StoredRecord,
  name: string,
): string | null | undefined {
  const computed = compute(crm, type, record, name);
  if (computed !== undefined) return computed;
  const stored = record.values[name];
  if (stored !== undefined) {
    if (stored.value === '') return crm.behaviour.clearedReadsAs === 'empty' ? '' : null;
    return stored.value;
  }
  return crm.properties.find(type.id, name) ? null : undefined;
}

/** Newest first. Computed properties have one entry. */
export function readHistory(
  crm: CrmContext,
  type: ObjectType,
  record: StoredRecord,
  name: string,
): StoredValue[] {
  const computed = compute(crm, type, record, name);
  if (typeof computed === 'string') {
    const { createdAt: at, source, sourceId } = record;
    const modified = name === type.modifiedProperty;
    return [
      modified
        ? { value: computed, at: readModifiedAt(crm, record), source: 'CALCULATED', sourceId: '' }
        : { value: computed, at, source, sourceId },
    ];
  }
  return crm.records.readHistory(type.id, record, name);
}

/** Every property that has a value. */
export function readAllProperties(
  crm: CrmContext,
  type: ObjectType,
  record: StoredRecord,
): Record<string, string> {
  const properties: Record<string, string> = {};
  for (const { name } of crm.properties.list(type.id)) {
    const value = readProperty(crm, type, record, name);
    if (value !== null && value !== undefined && value !== '') properties[name] = value;
  }
  return properties;
}

const SOURCE_LABELS: Record<string, string> = {
  INTEGRATION: 'Integration',
  CRM_UI: 'CRM UI',
  CALCULATED: 'Internal processing',
};

/** Properties that are worked out of others at each read; undefined if this is none of them. */
function compute(
  crm: CrmContext,
  type: ObjectType,
  record: StoredRecord,
  name: string,
): string | null | undefined {
  switch (name) {
    case 'hs_object_id':
      return record.id;
    case 'hs_createdate':
      return new Date(record.createdAt).toISOString();
    case 'createdate':
      // Of a deal it can be written.
      if (type.createdProperty !== 'createdate') return undefined;
      return record.values.createdate?.value || new Date(record.createdAt).toISOString();
    case 'hs_lastmodifieddate':
    case 'lastmodifieddate':
      // Contacts have both, and hs_lastmodifieddate is empty there.
      if (name !== type.modifiedProperty) return name === 'hs_lastmodifieddate' ? null : undefined;
      return new Date(readModifiedAt(crm, record)).toISOString();
    case 'hs_object_source':
      return record.source;
    case 'hs_object_source_id':
      return record.sourceId;
    case 'hs_object_source_label':
      return SOURCE_LABELS[record.source] ?? record.source;
    case 'hs_merged_object_ids':
      return record.mergedIds?.map(({ id }) => id).join(';') ?? null;
    case 'hs_calculated_merged_vids':
      if (type.id !== '0-1') return undefined;
      return record.mergedIds?.map(({ id, at }) => `${id}:${at}`).join(';') ?? null;
    case 'hs_email_domain':
      if (type.id !== '0-1') return undefined;
      return record.values.email?.value.split('@')[1] ?? null;
    case 'hs_deal_stage_probability_shadow':
      return readStage(crm, type, record)?.probability ?? null;
    case 'hs_is_closed':
      return type.id === '0-3' ? (readStage(crm, type, record)?.isClosed ?? 'false') : undefined;
    case 'hs_is_closed_won':
    case 'hs_is_closed_lost': {
      if (type.id !== '0-3') return undefined;
      const stage = readStage(crm, type, record);
      const won = Number(stage?.probability) > 0;
      return String(stage?.isClosed === 'true' && won === (name === 'hs_is_closed_won'));
    }
    case 'hs_projected_amount': {
      if (type.id !== '0-3') return undefined;
      const amount = record.values.amount?.value;
      const probability = record.values.hs_deal_stage_probability?.value;
      return amount && probability ? String(Number(amount) * Number(probability)) : null;
    }
    default:
      return undefined;
  }
}

/** The metadata of a deal's stage. */
function readStage(
  crm: CrmContext,
  type: ObjectType,
  record: StoredRecord,
): Record<string, string> | undefined {
  const { pipeline, dealstage } = record.values;
  if (!pipeline || !dealstage) return undefined;
  return crm.pipelines.findStage(type.id, pipeline.value, dealstage.value)?.metadata;
}
