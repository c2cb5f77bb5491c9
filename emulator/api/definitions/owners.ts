// Owners: people whom records are assigned to.
import type { Request, Router } from 'express';
import type { CrmContext } from '../../crm/context.ts';
import { OWNERS, type Owner } from '../../crm/defaults/owners.ts';
import { refuseMissing } from '../../crm/refusal.ts';
import { type Answer, route } from '../answer.ts';
import { pathPart, queryFlag, queryLimit, queryText } from '../request.ts';
import { listRoots } from '../versions.ts';

export function addOwnerRoutes(router: Router, crm: CrmContext): void {
  for (const { root } of listRoots('owners')) {
    router.get(root, route(crm, listOwners));
    router.get(`${root}/:ownerId`, route(crm, readOwner));
  }
}

function listOwners(request: Request): Answer {
  const email = queryText(request, 'email')?.toLowerCase();
  const after = Number(queryText(request, 'after') ?? 0);
  const limit = queryLimit(request, 100, 500);
  const owners = queryFlag(request, 'archived')
    ? []
    : OWNERS.filter((owner) => email === undefined || owner.email === email);
  const page = owners.slice(after, after + limit);
  return {
    status: 200,
    body: {
      results: page.map(showOwner),
      ...(after + limit < owners.length
        ? { paging: { next: { after: String(after + limit) } } }
        : {}),
    },
  };
}

function readOwner(request: Request): Answer {
  const id = pathPart(request, 'ownerId');
  const byUser = queryText(request, 'idProperty') === 'userId';
  const owner = OWNERS.find((each) => (byUser ? String(each.userId) === id : each.id === id));
  if (owner === undefined) throw refuseMissing();
  return { status: 200, body: showOwner(owner) };
}

function showOwner({ id, email, firstName, lastName, userId }: Owner) {
  const time = '2024-01-01T00:00:00.000Z';
  return {
    id,
    email,
    type: 'PERSON',
    firstName,
    lastName,
    userId,
    userIdIncludingInactive: userId,
    createdAt: time,
    updatedAt: time,
    archived: false,
  };
}
