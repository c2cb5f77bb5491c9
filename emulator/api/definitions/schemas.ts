// Schemas: the portal's custom object types. Creating one makes its properties and what it can be associated with.
import type { Request, Router } from 'express';
import type { CrmContext } from '../../crm/context.ts';
import type { CustomSchema } from '../../crm/object-types.ts';
import { Refusal, refuseInvalid, refuseMissing } from '../../crm/refusal.ts';
import { type Answer, route } from '../answer.ts';
import { pathPart, readBody, readTexts } from '../request.ts';
import { DATED_VERSIONS } from '../versions.ts';
import { showProperty } from './properties.ts';
import { readNewProperty } from './property-input.ts';

export function addSchemaRoutes(router: Router, crm: CrmContext): void {
  const roots = [
    '/crm/v3/schemas',
    '/crm-object-schemas/v3/schemas',
    ...DATED_VERSIONS.map((version) => `/crm-object-schemas/${version}/schemas`),
  ];
  for (const root of roots) {
    router.get(
      root,
      route(crm, () => listSchemas(crm)),
    );
    router.post(
      root,
      route(crm, (req) => createSchema(crm, req)),
    );
    router.get(
      `${root}/:type`,
      route(crm, (req) => readSchema(crm, req)),
    );
    router.delete(
      `${root}/:type`,
      route(crm, (req) => archiveSchema(crm, req)),
    );
  }
}

function listSchemas(crm: CrmContext): Answer {
  const schemas = [...crm.types.schemas.values()].filter(
    ({ archivedAt }) => archivedAt === undefined,
  );
  return { status: 200, body: { results: schemas.map((schema) => showSchema(crm, schema)) } };
}

function readSchema(crm: CrmContext, request: Request): Answer {
  return { status: 200, body: showSchema(crm, findSchema(crm, request)) };
}

function createSchema(crm: CrmContext, request: Request): Answer {
  const body = readBody(request);
  const { name, labels } = body;
  if (typeof name !== 'string' || !/^[a-z][a-z0-9_]*$/.test(name)) {
    throw refuseInvalid('Invalid input JSON: name is required, in lower case');
  }
  if (typeof labels !== 'object' || labels === null) {
    throw refuseInvalid('Invalid input JSON: labels is required');
  }
  if (crm.types.find(name)) {
    throw new Refusal(409, {
      message: `An object type named '${name}' already exists.`,
      category: 'OBJECT_ALREADY_EXISTS',
    });
  }
  const objectTypeId = newTypeId(crm);
  const now = crm.now();
  const schema: CustomSchema = {
    objectTypeId,
    name,
    labels,
    ...(typeof body.description === 'string' ? { description: body.description } : {}),
    ...(typeof body.primaryDisplayProperty === 'string'
      ? { primaryDisplayProperty: body.primaryDisplayProperty }
      : {}),
    secondaryDisplayProperties: readTexts(
      body.secondaryDisplayProperties,
      'secondaryDisplayProperties',
    ),
    requiredProperties: readTexts(body.requiredProperties, 'requiredProperties'),
    searchableProperties: readTexts(body.searchableProperties, 'searchableProperties'),
    associatedTypeIds: readTexts(body.associatedObjects, 'associatedObjects').map((segment) => {
      const type = crm.types.find(segment);
      if (type === undefined) throw refuseInvalid(`Object type ${segment} does not exist`);
      return type.id;
    }),
    createdAt: now,
    updatedAt: now,
  };
  crm.types.schemas.set(objectTypeId, schema);
  try {
    addProperties(crm, objectTypeId, body.properties);
  } catch (error) {
    crm.types.schemas.delete(objectTypeId);
    throw error;
  }
  for (const typeId of schema.associatedTypeIds) {
    crm.associations.kinds.add(objectTypeId, typeId, { role: 'default', label: null });
  }
  return { status: 201, body: showSchema(crm, schema) };
}

function addProperties(crm: CrmContext, objectTypeId: string, properties: unknown): void {
  if (!Array.isArray(properties)) {
    throw refuseInvalid('Invalid input JSON: properties must be a list');
  }
  const type = crm.types.byId(objectTypeId);
  const groupName = crm.properties.defaultGroup(objectTypeId);
  for (const input of properties as Record<string, unknown>[]) {
    crm.properties.put(objectTypeId, readNewProperty(crm, type, { groupName, ...input }));
  }
}

function archiveSchema(crm: CrmContext, request: Request): Answer {
  const schema = findSchema(crm, request);
  if (crm.records.count(schema.objectTypeId) > 0) {
    throw refuseInvalid('Object type cannot be deleted while it has records');
  }
  crm.types.schemas.set(schema.objectTypeId, { ...schema, archivedAt: crm.now() });
  return { status: 204 };
}

function findSchema(crm: CrmContext, request: Request): CustomSchema {
  const type = crm.types.find(pathPart(request, 'type'));
  const schema = type && crm.types.schemas.get(type.id);
  if (schema === undefined) throw refuseMissing();
  return schema;
}

function newTypeId(crm: CrmContext): string {
  const counters = crm.journal.map<number>('counters');
  const next = (counters.get('schemas') ?? 50_123_000) + 1;
  counters.set('schemas', next);
  return `2-${next}`;
}

function showSchema(crm: CrmContext, schema: CustomSchema) {
  const { associatedTypeIds, createdAt, updatedAt, archivedAt, ...rest } = schema;
  const type = crm.types.byId(schema.objectTypeId);
  const time = (at: number): string => new Date(at).toISOString();
  return {
    ...rest,
    id: schema.objectTypeId.slice(2),
    allowsSensitiveProperties: false,
    fullyQualifiedName: `p${crm.portalId}_${schema.name}`,
    properties: crm.properties.list(type.id).map((each) => showProperty(crm, type, each)),
    associations: associatedTypeIds.flatMap((typeId) =>
      crm.associations.kinds.list(type.id, typeId).map((kind) => ({
        id: String(kind.typeId),
        fromObjectTypeId: kind.fromTypeId,
        toObjectTypeId: kind.toTypeId,
        name: `${schema.name}_to_${crm.types.byId(typeId).singular}`,
        createdAt: time(createdAt),
        updatedAt: time(updatedAt),
      })),
    ),
    createdAt: time(createdAt),
    updatedAt: time(updatedAt),
    archived: archivedAt !== undefined,
  };
}
