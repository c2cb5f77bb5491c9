// The batch calls of the associations API: read, create, archive, labels/archive, associate/default.
import type { Request } from 'express';
import { readId, readKinds, unknownEndsBody } from '../../crm/associations/input.ts';
import { removeAssociation, removeKinds, setAssociation } from '../../crm/associations/link.ts';
import type { RecordRef } from '../../crm/associations/store.ts';
import type { CrmContext } from '../../crm/context.ts';
import type { ObjectType } from '../../crm/object-types.ts';
import { refuseInvalid } from '../../crm/refusal.ts';
import { type Answer, answerBatch, type BatchError } from '../answer.ts';
import { appActor } from '../objects/batch-write.ts';
import { readBody, readInputs, readType } from '../request.ts';
import type { Dialect } from '../versions.ts';
import { showPair, showPartners } from './show.ts';

const MOST_READ = 1000;
const MOST_WRITTEN = 2000;

type Ends = { from: ObjectType; to: ObjectType };

export function readAssociations(crm: CrmContext, dialect: Dialect, request: Request): Answer {
  const startedAt = crm.now();
  const { from, to } = readEnds(crm, request);
  const results: unknown[] = [];
  const errors: BatchError[] = [];
  for (const input of readInputs(readBody(request), MOST_READ)) {
    const id = needId(input.id);
    const partners = crm.records.getActive(from.id, id)
      ? showPartners(crm, dialect, { typeId: from.id, id }, to.id)
      : [];
    if (partners.length > 0) results.push({ from: { id }, to: partners });
    else errors.push(nothingFound(from, to, id));
  }
  return answerBatch(crm, dialect, 200, { results, errors, startedAt });
}

export function createAssociations(crm: CrmContext, dialect: Dialect, request: Request): Answer {
  const startedAt = crm.now();
  const ends = readEnds(crm, request);
  // A kind that does not exist refuses the whole call; records that do not exist fail alone.
  const wanted = readInputs(readBody(request), MOST_WRITTEN).map((input) => ({
    ...readPair(ends, input.from, input.to),
    typeIds: readKinds(crm, ends.from.id, ends.to.id, input.types),
  }));
  const results: unknown[] = [];
  const errors: BatchError[] = [];
  for (const { from, to, typeIds } of wanted) {
    const problem = findUnknown(crm, ends, from, to);
    if (problem) {
      errors.push(problem);
      continue;
    }
    setAssociation(crm, from, to, typeIds, appActor(crm));
    results.push(showPair(crm, dialect, from, to));
  }
  return answerBatch(crm, dialect, dialect.associationsCreated, { results, errors, startedAt });
}

export function associateByDefault(crm: CrmContext, dialect: Dialect, request: Request): Answer {
  const startedAt = crm.now();
  const ends = readEnds(crm, request);
  const results: unknown[] = [];
  const errors: BatchError[] = [];
  for (const input of readInputs(readBody(request), MOST_WRITTEN)) {
    const { from, to } = readPair(ends, input.from, input.to);
    const problem = findUnknown(crm, ends, from, to);
    if (problem) errors.push(problem);
    else results.push(...associatePairByDefault(crm, from, to));
  }
  return answerBatch(crm, dialect, 200, { results, errors, startedAt });
}

/** Adds the unlabelled kind; answers both directions. */
export function associatePairByDefault(crm: CrmContext, from: RecordRef, to: RecordRef) {
  const kind = crm.associations.kinds.findDefault(from.typeId, to.typeId);
  if (kind === undefined) {
    throw refuseInvalid(`${from.typeId} and ${to.typeId} cannot be associated`);
  }
  const present = crm.associations.read(from, to);
  setAssociation(crm, from, to, [...new Set([...present, kind.typeId])], appActor(crm));
  const associationCategory = kind.category;
  return [
    {
      from: { id: from.id },
      to: { id: to.id },
      associationSpec: { associationCategory, associationTypeId: kind.typeId },
    },
    {
      from: { id: to.id },
      to: { id: from.id },
      associationSpec: { associationCategory, associationTypeId: kind.inverseTypeId },
    },
  ];
}

/** `{from: {id}, to: [{id}]}`: everything between each pair ends. Unknown pairs are no error. */
export function archiveAssociations(crm: CrmContext, dialect: Dialect, request: Request): Answer {
  const startedAt = crm.now();
  const ends = readEnds(crm, request);
  for (const input of readInputs(readBody(request), MOST_WRITTEN)) {
    if (!Array.isArray(input.to)) throw refuseInvalid('Invalid input JSON: to must be a list');
    for (const each of input.to as unknown[]) {
      const { from, to } = readPair(ends, input.from, each);
      removeAssociation(crm, from, to, appActor(crm));
    }
  }
  return answerArchived(crm, dialect, startedAt);
}

/** Ends single kinds; ending the unlabelled one ends everything between the pair. */
export function archiveLabels(crm: CrmContext, dialect: Dialect, request: Request): Answer {
  const startedAt = crm.now();
  const ends = readEnds(crm, request);
  for (const input of readInputs(readBody(request), MOST_WRITTEN)) {
    const { from, to } = readPair(ends, input.from, input.to);
    const typeIds = readKinds(crm, ends.from.id, ends.to.id, input.types);
    removeKinds(crm, from, to, typeIds, appActor(crm));
  }
  return answerArchived(crm, dialect, startedAt);
}

function answerArchived(crm: CrmContext, dialect: Dialect, startedAt: number): Answer {
  if (dialect.associationsArchived === 204) return { status: 204 };
  return answerBatch(crm, dialect, 200, { results: [], errors: [], startedAt });
}

function readEnds(crm: CrmContext, request: Request): Ends {
  return { from: readType(crm, request, 'from'), to: readType(crm, request, 'to') };
}

function readPair(ends: Ends, from: unknown, to: unknown): { from: RecordRef; to: RecordRef } {
  const idOf = (ref: unknown): string => needId((ref as { id?: unknown } | null | undefined)?.id);
  return {
    from: { typeId: ends.from.id, id: idOf(from) },
    to: { typeId: ends.to.id, id: idOf(to) },
  };
}

function needId(given: unknown): string {
  const id = readId(given);
  if (id === undefined) throw refuseInvalid('Invalid input JSON: every input needs ids');
  return id;
}

function findUnknown(
  crm: CrmContext,
  ends: Ends,
  from: RecordRef,
  to: RecordRef,
): BatchError | undefined {
  const invalid = [
    { type: ends.from, ref: from },
    { type: ends.to, ref: to },
  ]
    .filter(({ ref }) => crm.records.getActive(ref.typeId, ref.id) === undefined)
    .map(({ type, ref }) => `${type.label}=${ref.id} is not valid`);
  if (invalid.length === 0) return undefined;
  const { message, category = '', subCategory = '', context = {} } = unknownEndsBody(invalid);
  return { status: 'error', category, subCategory, message, context };
}

/** No failure for the reader: the record has no association of this type, or does not exist. */
function nothingFound(from: ObjectType, to: ObjectType, id: string): BatchError {
  return {
    status: 'error',
    category: 'OBJECT_NOT_FOUND',
    subCategory: 'crm.associations.NO_ASSOCIATIONS_FOUND',
    message: `No ${to.singular} is associated with ${from.singular} ${id}.`,
    context: { fromObjectId: [id], fromObjectType: [from.singular], toObjectType: [to.singular] },
  };
}
