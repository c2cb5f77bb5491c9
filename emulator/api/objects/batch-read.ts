// Batch read: by id or unique property, with or without histories. An id of a merged record answers the survivor.
import type { Request } from 'express';
import { readId } from '../../crm/associations/input.ts';
import type { CrmContext } from '../../crm/context.ts';
import type { ObjectType } from '../../crm/object-types.ts';
import { followMerges } from '../../crm/records/merge.ts';
import type { StoredRecord } from '../../crm/records/store.ts';
import { refuseInvalid } from '../../crm/refusal.ts';
import { type Answer, answerBatch, type BatchError } from '../answer.ts';
import {
  MOST_INPUTS,
  MOST_INPUTS_WITH_HISTORY,
  queryFlag,
  readBody,
  readInputs,
  readTexts,
  readType,
} from '../request.ts';
import type { Dialect } from '../versions.ts';
import { checkIdProperty, findByUnique } from './find.ts';
import { showRead } from './item.ts';

export function batchRead(crm: CrmContext, dialect: Dialect, request: Request): Answer {
  const startedAt = crm.now();
  const type = readType(crm, request);
  const body = readBody(request);
  const wanted = {
    properties: readTexts(body.properties, 'properties'),
    history: readTexts(body.propertiesWithHistory, 'propertiesWithHistory'),
  };
  const inputs =
    wanted.history.length > 0
      ? readInputs(
          body,
          MOST_INPUTS_WITH_HISTORY,
          `The maximum number of inputs supported in a batch request for property histories is ${MOST_INPUTS_WITH_HISTORY}`,
        )
      : readInputs(body, MOST_INPUTS);
  const find = chooseLookup(crm, type, body.idProperty, queryFlag(request, 'archived'));

  const found = new Map<string, StoredRecord>();
  const missing = new Set<string>();
  for (const input of inputs) {
    const id = readId(input.id);
    if (id === undefined) throw refuseInvalid('Invalid input JSON: every input needs an id');
    const record = find(id);
    if (record) found.set(record.id, record);
    else missing.add(id);
  }
  const errors = missing.size > 0 ? [missingError(type, [...missing])] : [];
  const results = [...found.values()].map((record) => showRead(crm, type, record, wanted));
  return answerBatch(crm, dialect, 200, { results, errors, startedAt });
}

function chooseLookup(
  crm: CrmContext,
  type: ObjectType,
  idProperty: unknown,
  archived: boolean,
): (id: string) => StoredRecord | undefined {
  if (idProperty === undefined || idProperty === null || idProperty === 'hs_object_id') {
    return (id) => {
      const record = followMerges(crm, type, id);
      return (record?.archivedAt !== undefined) === archived ? record : undefined;
    };
  }
  const name = checkIdProperty(crm, type, idProperty);
  if (!archived) return (value) => findByUnique(crm, type, name, value);
  return (value) =>
    crm.records
      .list(type.id)
      .find(({ archivedAt, values }) => archivedAt !== undefined && values[name]?.value === value);
}

/** One entry for all ids that lead nowhere. */
export function missingError(type: ObjectType, ids: string[]): BatchError {
  return {
    status: 'error',
    category: 'OBJECT_NOT_FOUND',
    message: `Could not get some ${type.label} objects, they may be deleted or not exist. Check that ids are valid.`,
    context: { ids },
  };
}
