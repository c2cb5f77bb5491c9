// Calls about one record, and the list. Ids of merged records lead to the survivor here.
import type { Request } from 'express';
import { planAssociations } from '../../crm/associations/input.ts';
import type { CrmContext } from '../../crm/context.ts';
import type { ObjectType } from '../../crm/object-types.ts';
import { archiveRecord, deleteForPrivacy } from '../../crm/records/archive.ts';
import { followMerges, mergeRecords } from '../../crm/records/merge.ts';
import { planWrite } from '../../crm/records/plan.ts';
import { savePlan } from '../../crm/records/save.ts';
import type { StoredRecord } from '../../crm/records/store.ts';
import { refuseInvalid, refuseMissing } from '../../crm/refusal.ts';
import type { Answer } from '../answer.ts';
import {
  pathPart,
  queryFlag,
  queryLimit,
  queryList,
  queryText,
  readBody,
  readType,
} from '../request.ts';
import { appActor } from './batch-write.ts';
import { checkIdProperty, findByUnique } from './find.ts';
import { showRead, showWritten, type Wanted } from './item.ts';
import { showAssociations } from './with-associations.ts';

export function createOne(crm: CrmContext, request: Request): Answer {
  const type = readType(crm, request);
  const body = readBody(request);
  const plan = planWrite(crm, type, undefined, body.properties, appActor(crm), new Set());
  const associations = planAssociations(crm, type, body.associations);
  return {
    status: 201,
    body: showWritten(crm, savePlan(crm, plan, appActor(crm), { associations })),
  };
}

export function readOne(crm: CrmContext, request: Request): Answer {
  const type = readType(crm, request);
  const archived = queryFlag(request, 'archived');
  const record = findOne(crm, type, request);
  if (record === undefined || (record.archivedAt !== undefined) !== archived) throw refuseMissing();
  return { status: 200, body: showWithAssociations(crm, type, record, request) };
}

export function updateOne(crm: CrmContext, request: Request): Answer {
  const type = readType(crm, request);
  const { properties } = readBody(request);
  const record = findOne(crm, type, request);
  if (record === undefined || record.archivedAt !== undefined) throw refuseMissing();
  const plan = planWrite(crm, type, record, properties, appActor(crm), new Set());
  return { status: 200, body: showWritten(crm, savePlan(crm, plan, appActor(crm))) };
}

export function archiveOne(crm: CrmContext, request: Request): Answer {
  const type = readType(crm, request);
  const done = archiveRecord(crm, type, pathPart(request, 'id'), appActor(crm));
  if (!done && crm.behaviour.singleDeleteOfUnknown === '404') throw refuseMissing();
  return { status: 204 };
}

export function listPage(crm: CrmContext, request: Request): Answer {
  const type = readType(crm, request);
  const archived = queryFlag(request, 'archived');
  const { history } = readWanted(request);
  const limit = queryLimit(request, 10, history.length > 0 ? 50 : 100);
  const after = Number(queryText(request, 'after') ?? 0);
  if (Number.isNaN(after)) throw refuseInvalid('after must be a paging cursor');
  const page: StoredRecord[] = [];
  let hasMore = false;
  for (const record of crm.records.walk(type.id, after)) {
    if (record.mergedInto !== undefined || (record.archivedAt !== undefined) !== archived) continue;
    hasMore = page.length === limit;
    if (hasMore) break;
    page.push(record);
  }
  const last = page.at(-1);
  const next =
    hasMore && last
      ? { paging: { next: { after: last.id, link: nextLink(request, last.id) } } }
      : {};
  const results = page.map((record) => showWithAssociations(crm, type, record, request));
  return { status: 200, body: { results, ...next } };
}

export function mergeTwo(crm: CrmContext, request: Request): Answer {
  const type = readType(crm, request);
  const { primaryObjectId, objectIdToMerge } = readBody(request);
  if (typeof primaryObjectId !== 'string' || typeof objectIdToMerge !== 'string') {
    throw refuseInvalid('Invalid input JSON: primaryObjectId and objectIdToMerge are required');
  }
  const record = mergeRecords(crm, type, primaryObjectId, objectIdToMerge, appActor(crm));
  const answered = Object.keys(record.values).concat('hs_merged_object_ids');
  return { status: 200, body: showWritten(crm, { type, record, isNew: true, answered }) };
}

export function deletePrivately(crm: CrmContext, request: Request): Answer {
  const type = readType(crm, request);
  const { objectId, idProperty } = readBody(request);
  if (typeof objectId !== 'string') throw refuseInvalid('Invalid input JSON: objectId is required');
  const id =
    idProperty === undefined || idProperty === null
      ? objectId
      : findByUnique(crm, type, checkIdProperty(crm, type, idProperty), objectId)?.id;
  if (type.id !== '0-1' || id === undefined || !deleteForPrivacy(crm, type, id, appActor(crm))) {
    throw refuseMissing();
  }
  return { status: 204 };
}

function findOne(crm: CrmContext, type: ObjectType, request: Request): StoredRecord | undefined {
  const id = pathPart(request, 'id');
  const idProperty = queryText(request, 'idProperty');
  if (idProperty === undefined || idProperty === 'hs_object_id') return followMerges(crm, type, id);
  return findByUnique(crm, type, checkIdProperty(crm, type, idProperty), id);
}

function readWanted(request: Request): Wanted {
  return {
    properties: queryList(request, 'properties'),
    history: queryList(request, 'propertiesWithHistory'),
  };
}

function showWithAssociations(
  crm: CrmContext,
  type: ObjectType,
  record: StoredRecord,
  request: Request,
) {
  const associations = showAssociations(crm, type, record, queryList(request, 'associations'));
  return {
    ...showRead(crm, type, record, readWanted(request)),
    ...(Object.keys(associations).length > 0 ? { associations } : {}),
  };
}

function nextLink(request: Request, after: string): string {
  const query = new URLSearchParams(request.originalUrl.split('?')[1] ?? '');
  query.set('after', after);
  return `https://api.hubapi.com${request.originalUrl.split('?')[0]}?${query}`;
}
