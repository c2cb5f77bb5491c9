// Groups of properties.
import type { Request, Router } from 'express';
import type { CrmContext } from '../../crm/context.ts';
import type { ObjectType } from '../../crm/object-types.ts';
import type { PropertyGroup } from '../../crm/properties/properties.ts';
import { Refusal, refuseInvalid, refuseMissing } from '../../crm/refusal.ts';
import { type Answer, route } from '../answer.ts';
import { pathPart, readBody, readType } from '../request.ts';

/** `properties` is the path of a type's properties. */
export function addGroupRoutes(router: Router, crm: CrmContext, properties: string): void {
  const groups = `${properties}/groups`;
  router.get(
    groups,
    route(crm, (req) => listGroups(crm, req)),
  );
  router.post(
    groups,
    route(crm, (req) => createGroup(crm, req)),
  );
  router.get(
    `${groups}/:group`,
    route(crm, (req) => readGroup(crm, req)),
  );
  router.patch(
    `${groups}/:group`,
    route(crm, (req) => changeGroup(crm, req)),
  );
  router.delete(
    `${groups}/:group`,
    route(crm, (req) => deleteGroup(crm, req)),
  );
}

function listGroups(crm: CrmContext, request: Request): Answer {
  const type = readType(crm, request);
  return { status: 200, body: { results: crm.properties.listGroups(type.id).map(show) } };
}

function readGroup(crm: CrmContext, request: Request): Answer {
  return { status: 200, body: show(findGroup(crm, readType(crm, request), request)) };
}

function createGroup(crm: CrmContext, request: Request): Answer {
  const type = readType(crm, request);
  const { name, label, displayOrder } = readBody(request);
  if (typeof name !== 'string' || typeof label !== 'string' || !/^[a-z][a-z0-9_]*$/.test(name)) {
    throw refuseInvalid('Invalid input JSON: name and label are required');
  }
  if (crm.properties.listGroups(type.id).some((group) => group.name === name)) {
    throw new Refusal(409, {
      message: `A property group named '${name}' already exists.`,
      category: 'OBJECT_ALREADY_EXISTS',
    });
  }
  const group = { name, label, displayOrder: typeof displayOrder === 'number' ? displayOrder : -1 };
  crm.properties.putGroup(type.id, group);
  return { status: 201, body: show(group) };
}

function changeGroup(crm: CrmContext, request: Request): Answer {
  const type = readType(crm, request);
  const group = findGroup(crm, type, request);
  const { label, displayOrder } = readBody(request);
  const changed = {
    ...group,
    ...(typeof label === 'string' ? { label } : {}),
    ...(typeof displayOrder === 'number' ? { displayOrder } : {}),
  };
  crm.properties.putGroup(type.id, changed);
  return { status: 200, body: show(changed) };
}

function deleteGroup(crm: CrmContext, request: Request): Answer {
  const type = readType(crm, request);
  const name = pathPart(request, 'group');
  if (crm.properties.list(type.id).some(({ groupName }) => groupName === name)) {
    throw refuseInvalid(`Property group ${name} is not empty`);
  }
  crm.properties.deleteGroup(type.id, name);
  return { status: 204 };
}

function findGroup(crm: CrmContext, type: ObjectType, request: Request): PropertyGroup {
  const name = pathPart(request, 'group');
  const group = crm.properties.listGroups(type.id).find((each) => each.name === name);
  if (group === undefined) throw refuseMissing(`Property group ${name} does not exist`);
  return group;
}

function show(group: PropertyGroup) {
  return { ...group, archived: false };
}
