// The order of search results: one rule at most, records without the value last, ties by id.
import type { CrmContext } from '../context.ts';
import type { ObjectType } from '../object-types.ts';
import type { StoredRecord } from '../records/store.ts';
import { readProperty } from '../records/visible.ts';
import { refuseSearch } from './filters.ts';

/** `sorts` as requests write it: a property name, `-name`, or `{propertyName, direction}`. */
export function sortRecords(
  crm: CrmContext,
  type: ObjectType,
  records: StoredRecord[],
  sorts: unknown,
): StoredRecord[] {
  const rule = readRule(crm, type, sorts);
  if (rule === undefined) return records;
  const { name, isText, descending } = rule;
  const keyed = records.map((record) => {
    const value = readProperty(crm, type, record, name) ?? '';
    const key = isText ? value.toLowerCase() : toNumber(value);
    return { record, key, isMissing: value === '' };
  });
  keyed.sort((one, other) => {
    if (one.isMissing !== other.isMissing) return one.isMissing ? 1 : -1;
    const order = one.key < other.key ? -1 : one.key > other.key ? 1 : 0;
    return (descending ? -order : order) || Number(one.record.id) - Number(other.record.id);
  });
  return keyed.map(({ record }) => record);
}

function readRule(crm: CrmContext, type: ObjectType, sorts: unknown) {
  if (sorts === undefined || sorts === null) return undefined;
  if (!Array.isArray(sorts)) throw refuseSearch('sorts must be a list');
  if (sorts.length > 1) throw refuseSearch('A search takes one sort at most');
  const [sort] = sorts as unknown[];
  if (sort === undefined) return undefined;
  const given =
    typeof sort === 'string'
      ? {
          propertyName: sort.replace(/^-/, ''),
          direction: sort.startsWith('-') ? 'DESCENDING' : '',
        }
      : (sort as Record<string, unknown>);
  const name = String(given.propertyName).toLowerCase();
  const property = crm.properties.find(type.id, name);
  if (property === undefined)
    throw refuseSearch(`Property ${String(given.propertyName)} doesn't exist`);
  const isText = !['number', 'date', 'datetime'].includes(property.type);
  return { name, isText, descending: given.direction === 'DESCENDING' };
}

function toNumber(value: string): number {
  const number = Number(value);
  return Number.isNaN(number) ? Date.parse(value) : number;
}
