// Batch create, update, upsert and archive. All inputs are planned before the first one is written: without trace
// ids one wrong input refuses the batch, with them it fails alone.
import type { Request } from 'express';
import { type PlannedAssociation, planAssociations, readId } from '../../crm/associations/input.ts';
import type { Actor } from '../../crm/change.ts';
import type { CrmContext } from '../../crm/context.ts';
import type { ObjectType } from '../../crm/object-types.ts';
import { archiveRecord } from '../../crm/records/archive.ts';
import {
  InvalidPropertiesRefusal,
  refuseProperties,
} from '../../crm/records/invalid-properties.ts';
import { planWrite, type WritePlan } from '../../crm/records/plan.ts';
import { savePlan } from '../../crm/records/save.ts';
import type { StoredRecord } from '../../crm/records/store.ts';
import { ConflictRefusal, foldIdValue } from '../../crm/records/unique.ts';
import type { WriteResult } from '../../crm/records/write.ts';
import { Refusal, refuseInvalid } from '../../crm/refusal.ts';
import { type Answer, answerBatch, type BatchError } from '../answer.ts';
import { readBody, readInputs, readType } from '../request.ts';
import type { Dialect } from '../versions.ts';
import { missingError } from './batch-read.ts';
import { checkIdProperty, findBySecondaryEmail, findByUnique } from './find.ts';
import { showWritten } from './item.ts';

/** The app whose token the request bears. */
export function appActor(crm: CrmContext): Actor {
  return { source: 'INTEGRATION', sourceId: String(crm.appId) };
}

type Planned = { plan: WritePlan; associations: PlannedAssociation[]; traceId: string | undefined };

export function batchCreate(crm: CrmContext, dialect: Dialect, request: Request): Answer {
  const startedAt = crm.now();
  const type = readType(crm, request);
  const inputs = readInputs(readBody(request));
  const reserved = new Set<string>();
  const planned = planAll(inputs, hasTraceIds(inputs), crm, (input) => ({
    plan: planWrite(crm, type, undefined, input.properties, appActor(crm), reserved),
    associations: planAssociations(crm, type, input.associations),
  }));
  return answerWrites(crm, dialect, 201, startedAt, planned, []);
}

export function batchUpdate(crm: CrmContext, dialect: Dialect, request: Request): Answer {
  const startedAt = crm.now();
  const type = readType(crm, request);
  const inputs = readInputs(readBody(request));
  const idProperty = readIdProperty(crm, type, inputs);
  const ids = readIds(crm, inputs, idProperty);
  const missing: string[] = [];
  const present: { input: Record<string, unknown>; record: StoredRecord }[] = [];
  for (const [at, input] of inputs.entries()) {
    const id = ids[at] as string;
    // Ids of merged records work in single calls, not here.
    const record =
      idProperty === undefined
        ? crm.records.getActive(type.id, id)
        : findByUnique(crm, type, idProperty, id);
    if (record) present.push({ input, record });
    else missing.push(id);
  }
  const partial = hasTraceIds(inputs) && crm.behaviour.traceIdsOnUpdate === 'partial';
  const reserved = new Set<string>();
  const planned = planAll(present, partial, crm, ({ input, record }) => ({
    plan: planWrite(crm, type, record, input.properties, appActor(crm), reserved),
    associations: [],
  }));
  const errors = missing.length > 0 ? [missingError(type, missing)] : [];
  return answerWrites(crm, dialect, 200, startedAt, planned, errors);
}

export function batchUpsert(crm: CrmContext, dialect: Dialect, request: Request): Answer {
  const startedAt = crm.now();
  const type = readType(crm, request);
  const inputs = readInputs(readBody(request));
  const [first] = inputs;
  const idProperty = readIdProperty(crm, type, inputs);
  if (idProperty === undefined) throw checkIdPropertyOf(crm, type, first?.idProperty);
  const ids = readIds(crm, inputs, idProperty);
  const partial =
    hasTraceIds(inputs) &&
    crm.behaviour.traceIdsOnUpsert === 'partial' &&
    (idProperty !== 'email' || crm.behaviour.partialUpsertByEmail);
  const reserved = new Set<string>();
  const planned = planAll([...inputs.entries()], partial, crm, ([at, input]) => {
    const key = ids[at] as string;
    let record = findByUnique(crm, type, idProperty, key);
    if (!record && idProperty === 'email' && crm.behaviour.upsertFindsSecondaryEmail) {
      record = findBySecondaryEmail(crm, type, key);
    }
    checkRace(crm, type, record);
    const properties = (input.properties ?? {}) as Record<string, unknown>;
    const written = record ? properties : { ...properties, [idProperty]: key };
    return {
      plan: planWrite(crm, type, record, written, appActor(crm), reserved),
      associations: [],
    };
  });
  return answerWrites(crm, dialect, 200, startedAt, planned, [], true);
}

export function batchArchive(crm: CrmContext, request: Request): Answer {
  const type = readType(crm, request);
  for (const input of readInputs(readBody(request))) {
    const id = readId(input.id);
    if (id === undefined) throw refuseInvalid('Invalid input JSON: every input needs an id');
    archiveRecord(crm, type, id, appActor(crm));
  }
  return { status: 204 };
}

/** Two upserts of a new key at the same time: the later one may lose instead of finding the record. */
function checkRace(crm: CrmContext, type: ObjectType, record: StoredRecord | undefined): void {
  const { upsertRaceMs, upsertRaceLoser } = crm.behaviour;
  if (record === undefined || upsertRaceMs === 0) return;
  if (crm.now() - record.createdAt >= upsertRaceMs) return;
  if (upsertRaceLoser === '423') {
    throw new Refusal(423, { message: 'The record is locked', category: 'RECORD_LOCKED' });
  }
  throw new ConflictRefusal(
    { message: `${type.label} already exists. Existing ID: ${record.id}`, category: 'CONFLICT' },
    record.id,
  );
}

/** All inputs of a batch name the same property, or none. */
function readIdProperty(
  crm: CrmContext,
  type: ObjectType,
  inputs: Record<string, unknown>[],
): string | undefined {
  const named = new Set(inputs.map(({ idProperty }) => idProperty ?? undefined));
  if (named.size > 1) {
    throw refuseInvalid('All inputs of a batch must have the same idProperty');
  }
  const [idProperty] = named;
  return idProperty === undefined ? undefined : checkIdProperty(crm, type, idProperty);
}

function checkIdPropertyOf(crm: CrmContext, type: ObjectType, idProperty: unknown): Refusal {
  try {
    checkIdProperty(crm, type, idProperty ?? 'hs_object_id');
  } catch (error) {
    if (error instanceof Refusal) return error;
  }
  return refuseInvalid('idProperty is required');
}

/** The ids of the inputs; throws `Refusal` if one occurs twice, in whatever case for emails. */
function readIds(
  crm: CrmContext,
  inputs: Record<string, unknown>[],
  idProperty: string | undefined,
): string[] {
  const ids = inputs.map((input) => {
    const id = readId(input.id);
    if (id === undefined) throw refuseInvalid('Invalid input JSON: every input needs an id');
    return id;
  });
  const folded = idProperty === undefined ? ids : ids.map((id) => foldIdValue(crm, idProperty, id));
  const twice = [...new Set(folded.filter((id, at) => folded.indexOf(id) !== at))];
  if (twice.length > 0) {
    throw refuseInvalid(
      `Duplicate IDs found in batch input: [${twice.join(', ')}]. IDs must be unique`,
      { context: { ids: twice } },
    );
  }
  return ids;
}

/** Whether every input has a trace id of its own. */
function hasTraceIds(inputs: Record<string, unknown>[]): boolean {
  const ids = inputs.map(({ objectWriteTraceId }) => objectWriteTraceId);
  return ids.every((id) => typeof id === 'string' && id !== '') && new Set(ids).size === ids.length;
}

type PlanOutcome = { planned: Planned[]; errors: BatchError[] };

/** Plans every input. What is refused fails alone if `partial`, else it refuses the batch. */
function planAll<Input>(
  inputs: Input[],
  partial: boolean,
  crm: CrmContext,
  planOne: (input: Input) => Omit<Planned, 'traceId'>,
): PlanOutcome {
  const planned: Planned[] = [];
  const refusals: { refusal: Refusal; traceId: string | undefined }[] = [];
  for (const input of inputs) {
    const traceId = readTraceId(input);
    try {
      planned.push({ ...planOne(input), traceId });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      refusals.push({ refusal: error, traceId });
    }
  }
  const [first] = refusals;
  if (first === undefined) return { planned, errors: [] };
  if (!partial)
    throw joinRefusals(
      refusals.map(({ refusal }) => refusal),
      crm.portalId,
    );
  return {
    planned,
    errors: refusals.map(({ refusal, traceId }) => toBatchError(refusal, traceId)),
  };
}

function readTraceId(input: unknown): string | undefined {
  const holder = Array.isArray(input) ? input[1] : ((input as { input?: unknown }).input ?? input);
  const id = (holder as Record<string, unknown>).objectWriteTraceId;
  return typeof id === 'string' ? id : undefined;
}

/** One body for the batch: property problems of all inputs together, of anything else the first. */
function joinRefusals(refusals: Refusal[], portalId: number): Refusal {
  const [first] = refusals;
  if (!(first instanceof InvalidPropertiesRefusal)) return first as Refusal;
  const problems = refusals.flatMap((refusal) =>
    refusal instanceof InvalidPropertiesRefusal ? refusal.problems : [],
  );
  return refuseProperties(problems, portalId);
}

function toBatchError(refusal: Refusal, traceId: string | undefined): BatchError {
  const { message, category = 'VALIDATION_ERROR', subCategory, context, errors } = refusal.body;
  const existingId = refusal instanceof ConflictRefusal ? refusal.existingId : undefined;
  return {
    status: 'error',
    category,
    ...(subCategory === undefined ? {} : { subCategory }),
    message: refusal instanceof ConflictRefusal ? message.replace(/\. Existing ID.*/, '') : message,
    context: {
      ...context,
      ...(existingId === undefined ? {} : { existingId: [existingId] }),
      ...(traceId === undefined ? {} : { objectWriteTraceId: [traceId] }),
    },
    ...(errors === undefined ? {} : { errors }),
  };
}

function answerWrites(
  crm: CrmContext,
  dialect: Dialect,
  success: 200 | 201,
  startedAt: number,
  { planned, errors }: PlanOutcome,
  otherErrors: BatchError[],
  tellsNew = false,
): Answer {
  let lastChangeAt = 0;
  const results = planned.map(({ plan, associations, traceId }) => {
    const result = savePlan(crm, plan, appActor(crm), { associations });
    lastChangeAt = Math.max(lastChangeAt, lastTimeOf(result));
    return {
      ...showWritten(crm, result),
      ...(tellsNew ? { new: result.isNew } : {}),
      ...(crm.behaviour.traceIdInResults && traceId ? { objectWriteTraceId: traceId } : {}),
    };
  });
  return answerBatch(crm, dialect, success, {
    results,
    errors: [...otherErrors, ...errors],
    startedAt,
    lastChangeAt,
  });
}

function lastTimeOf({ record, answered }: WriteResult): number {
  return Math.max(record.createdAt, ...answered.map((name) => record.values[name]?.at ?? 0));
}
