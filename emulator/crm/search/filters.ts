// The filters of a search: what each operator means for each type of property, and what is no filter at all.
import type { CrmContext } from '../context.ts';
import type { ObjectType } from '../object-types.ts';
import type { PropertyDefinition } from '../properties/definition.ts';
import type { StoredRecord } from '../records/store.ts';
import { readProperty } from '../records/visible.ts';
import { Refusal } from '../refusal.ts';

type Filter = {
  property: PropertyDefinition;
  operator: string;
  value: string;
  highValue: string;
  values: string[];
};

/** Groups of which one must match, filters of which all must. */
export type FilterGroups = Filter[][];

const MOST_GROUPS = 5;
const MOST_FILTERS_IN_GROUP = 6;
const MOST_FILTERS = 18;

const WITHOUT_VALUE = new Set(['HAS_PROPERTY', 'NOT_HAS_PROPERTY']);
const WITH_LIST = new Set(['IN', 'NOT_IN']);
const OPERATORS = new Set([
  'EQ',
  'NEQ',
  'LT',
  'LTE',
  'GT',
  'GTE',
  'BETWEEN',
  'CONTAINS_TOKEN',
  'NOT_CONTAINS_TOKEN',
  ...WITHOUT_VALUE,
  ...WITH_LIST,
]);

/** As HubSpot refuses a search: without a category. */
export function refuseSearch(detail: string): Refusal {
  return new Refusal(400, {
    message: `There was a problem with the request. ${detail}`,
    errors: [{ message: detail }],
  });
}

export function readFilterGroups(
  crm: CrmContext,
  type: ObjectType,
  filterGroups: unknown,
): FilterGroups {
  if (filterGroups === undefined || filterGroups === null) return [];
  if (!Array.isArray(filterGroups)) throw refuseSearch('filterGroups must be a list');
  if (filterGroups.length > MOST_GROUPS) {
    throw refuseSearch(`A search takes at most ${MOST_GROUPS} filterGroups`);
  }
  const groups = filterGroups.map((group: unknown) => {
    const filters = (group as { filters?: unknown } | null)?.filters;
    if (!Array.isArray(filters)) throw refuseSearch('filters must be a list');
    if (filters.length > MOST_FILTERS_IN_GROUP) {
      throw refuseSearch(`A filterGroup takes at most ${MOST_FILTERS_IN_GROUP} filters`);
    }
    return filters.map((filter: unknown) => readFilter(crm, type, filter));
  });
  if (groups.flat().length > MOST_FILTERS) {
    throw refuseSearch(`A search takes at most ${MOST_FILTERS} filters`);
  }
  return groups;
}

function readFilter(crm: CrmContext, type: ObjectType, filter: unknown): Filter {
  const { propertyName, operator, value, highValue, values } = (filter ?? {}) as Record<
    string,
    unknown
  >;
  const name = String(propertyName).toLowerCase();
  const property = crm.properties.find(type.id, name);
  if (property === undefined) throw refuseSearch(`Property ${String(propertyName)} doesn't exist`);
  if (typeof operator !== 'string' || !OPERATORS.has(operator)) {
    throw refuseSearch(`${String(operator)} is not an operator`);
  }
  const read = { property, operator, value: '', highValue: '', values: [] as string[] };
  if (WITHOUT_VALUE.has(operator)) return read;
  if (WITH_LIST.has(operator)) {
    if (!Array.isArray(values) || values.length === 0) {
      throw refuseSearch(`operator ${operator} requires values`);
    }
    return { ...read, values: values.map((each) => readOperand(property, each)) };
  }
  read.value = readOperand(property, value);
  if (operator === 'BETWEEN') read.highValue = readOperand(property, highValue);
  return read;
}

/** Dates are compared as epoch milliseconds, which is how a search writes them. */
function readOperand(property: PropertyDefinition, value: unknown): string {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
    throw refuseSearch(`A filter on ${property.name} requires a value`);
  }
  const text = String(value);
  const isNumeric = ['number', 'date', 'datetime'].includes(property.type);
  if (isNumeric && (text.trim() === '' || Number.isNaN(Number(text)))) {
    throw refuseSearch(`${text} is not a number, for property ${property.name}`);
  }
  return text;
}

export function matches(
  crm: CrmContext,
  type: ObjectType,
  record: StoredRecord,
  groups: FilterGroups,
): boolean {
  if (groups.length === 0) return true;
  return groups.some((filters) =>
    filters.every((filter) =>
      matchesOne(filter, readProperty(crm, type, record, filter.property.name) ?? ''),
    ),
  );
}

function matchesOne(filter: Filter, present: string): boolean {
  const { property, operator } = filter;
  switch (operator) {
    case 'HAS_PROPERTY':
      return present !== '';
    case 'NOT_HAS_PROPERTY':
      return present === '';
    case 'NEQ':
      return present !== '' && compare(property, present, filter.value) !== 0;
    case 'NOT_IN':
      return present !== '' && !isAmong(property, present, filter.values);
    case 'NOT_CONTAINS_TOKEN':
      return !containsToken(present, filter.value);
  }
  if (present === '') return false;
  switch (operator) {
    case 'IN':
      return isAmong(property, present, filter.values);
    case 'CONTAINS_TOKEN':
      return containsToken(present, filter.value);
    case 'EQ':
      return compare(property, present, filter.value) === 0;
    case 'LT':
      return compare(property, present, filter.value) < 0;
    case 'LTE':
      return compare(property, present, filter.value) <= 0;
    case 'GT':
      return compare(property, present, filter.value) > 0;
    case 'GTE':
      return compare(property, present, filter.value) >= 0;
    default:
      return (
        compare(property, present, filter.value) >= 0 &&
        compare(property, present, filter.highValue) <= 0
      );
  }
}

/** Texts are indexed in lower case; the operand of EQ is folded, the members of IN are not. */
function isAmong(property: PropertyDefinition, present: string, values: string[]): boolean {
  if (property.type !== 'string') {
    return values.some((value) => compare(property, present, value) === 0);
  }
  return values.includes(present.toLowerCase());
}

function compare(property: PropertyDefinition, present: string, operand: string): number {
  switch (property.type) {
    case 'number':
      return Number(present) - Number(operand);
    case 'date':
    case 'datetime':
      return Date.parse(present) - Number(operand);
    case 'string': {
      const [one, other] = [present.toLowerCase(), operand.toLowerCase()];
      return one === other ? 0 : one < other ? -1 : 1;
    }
    default:
      return present === operand ? 0 : present < operand ? -1 : 1;
  }
}

/** Words, with `*` at either end. */
function containsToken(present: string, operand: string): boolean {
  const words = present.toLowerCase().split(/[^\p{L}\p{N}]+/u);
  const wanted = operand
    .toLowerCase()
    .split(/[^\p{L}\p{N}*]+/u)
    .filter((word) => word !== '');
  return wanted.every((word) => {
    const plain = word.replaceAll('*', '');
    return words.some((candidate) => {
      if (word.startsWith('*') && word.endsWith('*')) return candidate.includes(plain);
      if (word.startsWith('*')) return candidate.endsWith(plain);
      if (word.endsWith('*')) return candidate.startsWith(plain);
      return candidate === plain;
    });
  });
}
