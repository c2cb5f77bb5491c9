// Associations of one pair or one record, under the object paths.
import type { Request } from 'express';
import { readKinds, refuseUnknownEnds } from '../../crm/associations/input.ts';
import { removeAssociation, setAssociation } from '../../crm/associations/link.ts';
import type { RecordRef } from '../../crm/associations/store.ts';
import type { CrmContext } from '../../crm/context.ts';
import { refuseMissing } from '../../crm/refusal.ts';
import { type Answer, answerBatch } from '../answer.ts';
import { appActor } from '../objects/batch-write.ts';
import { pathPart, queryLimit, queryText, readType } from '../request.ts';
import type { Dialect } from '../versions.ts';
import { associatePairByDefault } from './batch.ts';
import { showPair, showPartners } from './show.ts';

/** Up to 500 a page; `after` is an offset here. */
export function listAssociated(crm: CrmContext, dialect: Dialect, request: Request): Answer {
  const from = { typeId: readType(crm, request).id, id: pathPart(request, 'id') };
  const to = readType(crm, request, 'to');
  if (crm.records.getActive(from.typeId, from.id) === undefined) throw refuseMissing();
  const limit = queryLimit(request, 500, 500);
  const after = Number(queryText(request, 'after') ?? 0);
  const all = showPartners(crm, dialect, from, to.id);
  const end = after + limit;
  return {
    status: 200,
    body: {
      results: all.slice(after, end),
      ...(end < all.length ? { paging: { next: { after: String(end) } } } : {}),
    },
  };
}

export function setPair(crm: CrmContext, dialect: Dialect, request: Request): Answer {
  const { from, to } = readActivePair(crm, request);
  const typeIds = readKinds(crm, from.typeId, to.typeId, request.body);
  setAssociation(crm, from, to, typeIds, appActor(crm));
  return { status: 201, body: showPair(crm, dialect, from, to) };
}

export function setPairByDefault(crm: CrmContext, dialect: Dialect, request: Request): Answer {
  const startedAt = crm.now();
  const { from, to } = readActivePair(crm, request);
  const results = associatePairByDefault(crm, from, to);
  return answerBatch(crm, dialect, 200, { results, errors: [], startedAt });
}

export function removePair(crm: CrmContext, request: Request): Answer {
  const { from, to } = readPair(crm, request);
  removeAssociation(crm, from, to, appActor(crm));
  return { status: 204 };
}

function readPair(crm: CrmContext, request: Request): { from: RecordRef; to: RecordRef } {
  return {
    from: { typeId: readType(crm, request).id, id: pathPart(request, 'id') },
    to: { typeId: readType(crm, request, 'to').id, id: pathPart(request, 'toId') },
  };
}

function readActivePair(crm: CrmContext, request: Request): { from: RecordRef; to: RecordRef } {
  const pair = readPair(crm, request);
  const invalid = [pair.from, pair.to]
    .filter(({ typeId, id }) => crm.records.getActive(typeId, id) === undefined)
    .map(({ typeId, id }) => `${crm.types.byId(typeId).label}=${id} is not valid`);
  if (invalid.length > 0) throw refuseUnknownEnds(invalid);
  return pair;
}
