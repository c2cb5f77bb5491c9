// The kinds of associations between two types: listing them, and labels of the portal's own.
import type { Request } from 'express';
import type { AssociationKind } from '../../crm/associations/kinds.ts';
import type { CrmContext } from '../../crm/context.ts';
import { Refusal, refuseInvalid } from '../../crm/refusal.ts';
import type { Answer } from '../answer.ts';
import { readBody, readType } from '../request.ts';

export function listLabels(crm: CrmContext, request: Request): Answer {
  const from = readType(crm, request, 'from');
  const to = readType(crm, request, 'to');
  return { status: 200, body: { results: crm.associations.kinds.list(from.id, to.id).map(show) } };
}

export function createLabel(crm: CrmContext, request: Request): Answer {
  const from = readType(crm, request, 'from');
  const to = readType(crm, request, 'to');
  const { label, name, inverseLabel } = readBody(request);
  if (typeof label !== 'string' || label === '' || typeof name !== 'string' || name === '') {
    throw refuseInvalid('Invalid input JSON: label and name are required');
  }
  const kinds = crm.associations.kinds.list(from.id, to.id);
  if (kinds.some((kind) => kind.name === name || kind.label === label)) {
    throw new Refusal(409, {
      message: `An association label ${label} already exists`,
      category: 'OBJECT_ALREADY_EXISTS',
    });
  }
  const made = crm.associations.kinds.add(from.id, to.id, {
    role: 'label',
    label,
    name,
    ...(typeof inverseLabel === 'string' ? { inverseLabel } : {}),
  });
  return { status: 200, body: { results: made.map(show) } };
}

function show({ category, typeId, label }: AssociationKind) {
  return { category, typeId, label };
}
