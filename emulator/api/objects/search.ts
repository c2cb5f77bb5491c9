// Search: filters, one sort, pages by offset, and its caps.
import type { Request } from 'express';
import type { CrmContext } from '../../crm/context.ts';
import type { ObjectType } from '../../crm/object-types.ts';
import type { StoredRecord } from '../../crm/records/store.ts';
import { readProperty } from '../../crm/records/visible.ts';
import { matches, readFilterGroups, refuseSearch } from '../../crm/search/filters.ts';
import { listIndexed } from '../../crm/search/index-view.ts';
import { sortRecords } from '../../crm/search/sort.ts';
import type { Answer } from '../answer.ts';
import { readBody, readTexts, readType } from '../request.ts';
import { showRead } from './item.ts';

const MOST_ON_PAGE = 200;
/** No search reaches further than this many records. */
const WINDOW = 10_000;
const LONGEST_BODY = 3000;

export function search(crm: CrmContext, request: Request): Answer {
  const type = readType(crm, request);
  const body = readBody(request);
  if (JSON.stringify(body).length > LONGEST_BODY) {
    throw refuseSearch(`The request body is longer than ${LONGEST_BODY} characters`);
  }
  const groups = readFilterGroups(crm, type, body.filterGroups);
  const limit = readWhole(body.limit, 10, 'limit');
  if (limit > MOST_ON_PAGE || limit < 1) {
    throw refuseSearch(`limit must be from 1 to ${MOST_ON_PAGE}`);
  }
  const after = readWhole(body.after, 0, 'after');
  if (after + limit > WINDOW) {
    throw refuseSearch(`A search answers the first ${WINDOW} results at most`);
  }
  const found = listIndexed(crm, type).filter(
    (record) => matches(crm, type, record, groups) && containsQuery(crm, type, record, body.query),
  );
  const sorted = sortRecords(crm, type, found, body.sorts);
  const wanted = { properties: readTexts(body.properties, 'properties'), history: [] };
  const end = after + limit;
  return {
    status: 200,
    body: {
      total: found.length,
      results: sorted.slice(after, end).map((record) => showRead(crm, type, record, wanted)),
      ...(end < found.length ? { paging: { next: { after: String(end) } } } : {}),
    },
  };
}

/** `after` comes as text, `limit` as a number; an absent one or an empty text is the preset. */
function readWhole(value: unknown, preset: number, name: string): number {
  if (value === undefined || value === null || value === '') return preset;
  const number = Number(value);
  if (!Number.isInteger(number) || number < 0) throw refuseSearch(`${name} must be a whole number`);
  return number;
}

/** `query` looks at the properties that the type shows by default. */
function containsQuery(
  crm: CrmContext,
  type: ObjectType,
  record: StoredRecord,
  query: unknown,
): boolean {
  if (typeof query !== 'string' || query === '') return true;
  const wanted = query.toLowerCase();
  return [...type.defaultProperties, 'phone'].some((name) =>
    (readProperty(crm, type, record, name) ?? '').toLowerCase().includes(wanted),
  );
}
