// HubSpot's own automation around records: the company of a contact's email domain, and the lifecycle stage of a
// deal's company. Nobody asks for these; the portal's settings do.
import { findPrimaryCompany, setAssociation } from '../associations/link.ts';
import type { Actor } from '../change.ts';
import { type CrmContext, chooseSideEffectActor } from '../context.ts';
import { LIFECYCLE_STAGES } from '../defaults/lifecycle.ts';
import type { LaterTask } from '../later.ts';
import { planWrite } from './plan.ts';
import type { StoredRecord } from './store.ts';
import { executeWrite } from './write.ts';

const CONTACT = '0-1';
const COMPANY = '0-2';

/** Domains of mailbox providers, which say nothing about a company. */
const FREE_MAIL = new Set([
  'gmail.com',
  'googlemail.com',
  'outlook.com',
  'hotmail.com',
  'live.com',
  'yahoo.com',
  'icloud.com',
  'aol.com',
  'gmx.de',
  'gmx.net',
  'web.de',
  'proton.me',
  'protonmail.com',
  'mail.com',
]);

/** Called when a contact got an email address. */
export function planCompanyFromDomain(crm: CrmContext, contact: StoredRecord, actor: Actor): void {
  if (!crm.behaviour.companyFromEmailDomain) return;
  const { source, sourceId } = chooseSideEffectActor(crm, actor);
  crm.later.plan(
    { kind: 'company-from-domain', contactId: contact.id, source, sourceId },
    crm.behaviour.companyFromEmailDomainDelayMs,
  );
}

/** Associates the contact with the company of its domain, made if there is none, unless it has a company. */
export function associateCompanyFromDomain(crm: CrmContext, task: LaterTask): void {
  const contact = crm.records.getActive(CONTACT, task.contactId);
  const domain = contact?.values.email?.value.split('@')[1];
  if (contact === undefined || !domain || FREE_MAIL.has(domain)) return;
  const from = { typeId: CONTACT, id: contact.id };
  if (crm.associations.listIds(from, COMPANY).length > 0) return;
  const actor = { source: task.source, sourceId: task.sourceId };
  const [oldest] = crm.records
    .findByValue(COMPANY, 'domain', domain)
    .sort((a, b) => Number(a) - Number(b));
  const id = oldest ?? createCompany(crm, domain, actor);
  const kinds = crm.associations.kinds.list(CONTACT, COMPANY);
  const typeIds = kinds.filter(({ role }) => role !== 'label').map(({ typeId }) => typeId);
  setAssociation(crm, from, { typeId: COMPANY, id }, typeIds, actor);
}

function createCompany(crm: CrmContext, domain: string, actor: Actor): string {
  const type = crm.types.byId(COMPANY);
  const plan = planWrite(crm, type, undefined, { name: domain, domain }, actor, new Set());
  return executeWrite(crm, plan, actor).record.id;
}

/** A deal makes its company an opportunity, a won deal a customer; never backwards. */
export function moveLifecycleByDeal(crm: CrmContext, deal: StoredRecord, actor: Actor): void {
  if (!crm.behaviour.lifecycleFromDeals) return;
  const companyId = findPrimaryCompany(crm, { typeId: '0-3', id: deal.id });
  const company = companyId && crm.records.getActive(COMPANY, companyId);
  if (!company) return;
  const { pipeline, dealstage } = deal.values;
  const stage = crm.pipelines.findStage('0-3', pipeline?.value ?? '', dealstage?.value ?? '');
  const isWon = stage?.metadata.isClosed === 'true' && Number(stage.metadata.probability) > 0;
  const lifecyclestage = isWon ? 'customer' : 'opportunity';
  const place = (value: string): number => LIFECYCLE_STAGES.findIndex(([name]) => name === value);
  if (place(company.values.lifecyclestage?.value ?? '') >= place(lifecyclestage)) return;
  const by = chooseSideEffectActor(crm, actor);
  const type = crm.types.byId(COMPANY);
  executeWrite(crm, planWrite(crm, type, company, { lifecyclestage }, by, new Set()), by);
}
