// The properties API: list, read, create, change, archive, batches, groups.
import type { Request, Router } from 'express';
import type { CrmContext } from '../../crm/context.ts';
import type { ObjectType } from '../../crm/object-types.ts';
import type { PropertyDefinition } from '../../crm/properties/definition.ts';
import { listExternalOptions } from '../../crm/records/plan.ts';
import { Refusal, refuseInvalid } from '../../crm/refusal.ts';
import { type Answer, answerBatch, type BatchError, route } from '../answer.ts';
import { pathPart, queryFlag, queryText, readBody, readInputs, readType } from '../request.ts';
import { type Dialect, listRoots } from '../versions.ts';
import { addGroupRoutes } from './groups.ts';
import { changeProperty, readNewProperty } from './property-input.ts';

export function addPropertyRoutes(router: Router, crm: CrmContext): void {
  for (const { root, dialect } of listRoots('properties')) {
    const properties = `${root}/:type`;
    router.get(
      properties,
      route(crm, (req) => listProperties(crm, req)),
    );
    router.post(
      properties,
      route(crm, (req) => createProperty(crm, req)),
    );
    router.post(
      `${properties}/batch/read`,
      route(crm, (req) => batchRead(crm, dialect, req)),
    );
    router.post(
      `${properties}/batch/create`,
      route(crm, (req) => batchCreate(crm, dialect, req)),
    );
    router.post(
      `${properties}/batch/archive`,
      route(crm, (req) => batchArchive(crm, req)),
    );
    addGroupRoutes(router, crm, properties);
    router.get(
      `${properties}/:name`,
      route(crm, (req) => readProperty(crm, req)),
    );
    router.patch(
      `${properties}/:name`,
      route(crm, (req) => patchProperty(crm, req)),
    );
    router.delete(
      `${properties}/:name`,
      route(crm, (req) => archiveProperty(crm, req)),
    );
  }
}

/** Sensitive properties are listed only when asked for. */
function listProperties(crm: CrmContext, request: Request): Answer {
  const type = readType(crm, request);
  const wanted = queryText(request, 'dataSensitivity') ?? 'non_sensitive';
  const definitions = queryFlag(request, 'archived')
    ? crm.properties.listArchived(type.id)
    : crm.properties.list(type.id);
  return {
    status: 200,
    body: {
      results: definitions
        .filter(({ dataSensitivity = 'non_sensitive' }) => dataSensitivity === wanted)
        .map((each) => showProperty(crm, type, each)),
    },
  };
}

function readProperty(crm: CrmContext, request: Request): Answer {
  const type = readType(crm, request);
  const name = pathPart(request, 'name');
  const definition = queryFlag(request, 'archived')
    ? crm.properties.findArchived(type.id, name)
    : crm.properties.find(type.id, name);
  if (definition === undefined) throw refuseNoProperty(type, name);
  return { status: 200, body: showProperty(crm, type, definition) };
}

/** Creating a name that is archived restores it with the new definition. */
function createProperty(crm: CrmContext, request: Request): Answer {
  const type = readType(crm, request);
  const definition = readNewProperty(crm, type, readBody(request));
  crm.properties.put(type.id, definition);
  return { status: 201, body: showProperty(crm, type, definition) };
}

function patchProperty(crm: CrmContext, request: Request): Answer {
  const type = readType(crm, request);
  const definition = findOwn(crm, type, pathPart(request, 'name'));
  const body = readBody(request);
  if (body.hasUniqueValue !== undefined && body.hasUniqueValue !== definition.hasUniqueValue) {
    throw refuseInvalid('hasUniqueValue can be set at creation only');
  }
  const onlyOptions = Object.keys(body).every((name) => name === 'options');
  if (definition.readOnlyDefinition && !onlyOptions) {
    throw refuseInvalid(`The definition of ${definition.name} cannot be changed`);
  }
  const changed = changeProperty(crm, type, definition, body);
  crm.properties.put(type.id, changed);
  return { status: 200, body: showProperty(crm, type, changed) };
}

/** Archiving twice is no error. */
function archiveProperty(crm: CrmContext, request: Request): Answer {
  const type = readType(crm, request);
  archive(crm, type, pathPart(request, 'name'));
  return { status: 204 };
}

function batchRead(crm: CrmContext, dialect: Dialect, request: Request): Answer {
  const startedAt = crm.now();
  const type = readType(crm, request);
  const body = readBody(request);
  const results: unknown[] = [];
  const errors: BatchError[] = [];
  for (const input of readInputs(body)) {
    const name = String(input.name);
    const definition =
      body.archived === true
        ? crm.properties.findArchived(type.id, name)
        : crm.properties.find(type.id, name);
    if (definition) results.push(showProperty(crm, type, definition));
    else errors.push(toBatchError(refuseNoProperty(type, name), name));
  }
  return answerBatch(crm, dialect, 200, { results, errors, startedAt });
}

function batchCreate(crm: CrmContext, dialect: Dialect, request: Request): Answer {
  const startedAt = crm.now();
  const type = readType(crm, request);
  const results: unknown[] = [];
  const errors: BatchError[] = [];
  for (const input of readInputs(readBody(request))) {
    try {
      const definition = readNewProperty(crm, type, input);
      crm.properties.put(type.id, definition);
      results.push(showProperty(crm, type, definition));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      errors.push(toBatchError(error, String(input.name)));
    }
  }
  return answerBatch(crm, dialect, dialect.propertiesCreated, { results, errors, startedAt });
}

function batchArchive(crm: CrmContext, request: Request): Answer {
  const type = readType(crm, request);
  for (const input of readInputs(readBody(request))) archive(crm, type, String(input.name));
  return { status: 204 };
}

function archive(crm: CrmContext, type: ObjectType, name: string): void {
  const definition = crm.properties.find(type.id, name);
  if (definition === undefined) return;
  if (definition.hubspotDefined) throw refuseInvalid(`${name} is HubSpot's and cannot be archived`);
  crm.properties.put(type.id, { ...definition, archivedAt: crm.now() });
}

function findOwn(crm: CrmContext, type: ObjectType, name: string): PropertyDefinition {
  const definition = crm.properties.find(type.id, name);
  if (definition === undefined) throw refuseNoProperty(type, name);
  return definition;
}

function refuseNoProperty(type: ObjectType, name: string): Refusal {
  return new Refusal(404, {
    message: `Property "${name}" does not exist in ${type.name}`,
    category: 'OBJECT_NOT_FOUND',
    subCategory: 'Properties.PROPERTY_NOT_FOUND',
  });
}

function toBatchError({ body }: Refusal, name: string): BatchError {
  const { message, category = 'VALIDATION_ERROR', subCategory } = body;
  return {
    status: 'error',
    category,
    ...(subCategory === undefined ? {} : { subCategory }),
    message,
    context: { name: [name] },
  };
}

/** A property as the API shows it. */
export function showProperty(crm: CrmContext, type: ObjectType, definition: PropertyDefinition) {
  const { readOnlyValue, readOnlyDefinition, createdAt, updatedAt, archivedAt, ...rest } =
    definition;
  const time = (at: number | undefined): string =>
    new Date(at ?? Date.UTC(2024, 0, 1)).toISOString();
  // HubSpot shows the probability as writable or not by what it does with writes.
  const isProbability = type.id === '0-3' && definition.name === 'hs_deal_stage_probability';
  return {
    ...rest,
    options: listExternalOptions(crm, type, definition.name) ?? definition.options,
    archived: archivedAt !== undefined,
    ...(archivedAt === undefined ? {} : { archivedAt: time(archivedAt) }),
    createdAt: time(createdAt),
    updatedAt: time(updatedAt),
    dataSensitivity: definition.dataSensitivity ?? 'non_sensitive',
    modificationMetadata: {
      archivable: !definition.hubspotDefined,
      readOnlyDefinition,
      readOnlyValue: isProbability ? !crm.behaviour.probabilityWritable : readOnlyValue,
      ...(definition.type === 'enumeration' ? { readOnlyOptions: readOnlyDefinition } : {}),
    },
  };
}
