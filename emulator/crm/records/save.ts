// A write with everything that hangs on it: the planned values, associations of a create, the primary company,
// and what HubSpot's automation makes of it.
import type { PlannedAssociation } from '../associations/input.ts';
import { removeKinds, setAssociation } from '../associations/link.ts';
import type { RecordRef } from '../associations/store.ts';
import type { Actor } from '../change.ts';
import type { CrmContext } from '../context.ts';
import { moveLifecycleByDeal, planCompanyFromDomain } from './automation.ts';
import type { WritePlan } from './plan.ts';
import { executeWrite, type WriteResult } from './write.ts';

const CONTACT = '0-1';
const COMPANY = '0-2';

/** Carries out a plan. `id` chooses the id of a new record. */
export function savePlan(
  crm: CrmContext,
  plan: WritePlan,
  actor: Actor,
  more: { associations?: PlannedAssociation[]; id?: string } = {},
): WriteResult {
  const { associations = [], id } = more;
  const before = plan.record?.values.email?.value ?? '';
  // Written as a property, it is an association in truth.
  const company = plan.type.id === CONTACT ? plan.values.associatedcompanyid : undefined;
  if (company !== undefined) delete plan.values.associatedcompanyid;

  const result = executeWrite(crm, plan, actor, id);
  const self = { typeId: plan.type.id, id: result.record.id };
  for (const { to, typeIds } of associations) setAssociation(crm, self, to, typeIds, actor);
  if (company !== undefined) writePrimaryCompany(crm, self, company, actor);

  const email = result.record.values.email?.value ?? '';
  if (plan.type.id === CONTACT && email !== '' && email !== before) {
    planCompanyFromDomain(crm, result.record, actor);
  }
  if (plan.type.id === '0-3') moveLifecycleByDeal(crm, result.record, actor);
  return result;
}

function writePrimaryCompany(
  crm: CrmContext,
  contact: RecordRef,
  companyId: string,
  actor: Actor,
): void {
  const primary = crm.associations.kinds
    .list(CONTACT, COMPANY)
    .find(({ role }) => role === 'primary');
  if (primary === undefined) return;
  const present = crm.associations
    .listIds(contact, COMPANY)
    .map((id) => ({ typeId: COMPANY, id }))
    .find((to) => crm.associations.read(contact, to).includes(primary.typeId));
  if (companyId === '') {
    if (present) removeKinds(crm, contact, present, [primary.typeId], actor);
    return;
  }
  const to = { typeId: COMPANY, id: companyId };
  if (crm.records.getActive(COMPANY, companyId) === undefined) return;
  const kinds = new Set([...crm.associations.read(contact, to), primary.typeId]);
  setAssociation(crm, contact, to, [...kinds], actor);
}
