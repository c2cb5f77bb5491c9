// Associating two records: the set of kinds between them, at most one primary, both directions announced,
// and what the primary company means for a contact.
import type { Actor } from '../change.ts';
import type { CrmContext } from '../context.ts';
import { describeSubject } from '../context.ts';
import { touchRecord, writeComputed } from '../records/write.ts';
import type { AssociationKind } from './kinds.ts';
import type { RecordRef } from './store.ts';

const CONTACT = '0-1';
const COMPANY = '0-2';

/**
 * Makes `typeIds` the set of kinds between two records, seen from the first; the unlabelled kind is always
 * among them. A new primary takes the place of the former one. Nothing changes if the set is the same.
 */
export function setAssociation(
  crm: CrmContext,
  from: RecordRef,
  to: RecordRef,
  typeIds: number[],
  actor: Actor,
): void {
  const { kinds } = crm.associations;
  const unlabelled = kinds.findDefault(from.typeId, to.typeId);
  const wanted = new Set(typeIds);
  if (unlabelled) wanted.add(unlabelled.typeId);
  const isFirst = crm.associations.listIds(from, to.typeId).length === 0;
  const primary = kinds
    .list(from.typeId, to.typeId)
    .find(({ role, fromTypeId }) => role === 'primary' && fromTypeId !== COMPANY);
  if (primary && isFirst && crm.behaviour.firstAssociationIsPrimary) wanted.add(primary.typeId);
  replaceKinds(crm, from, to, [...wanted], actor);
}

/** Removes some kinds between two records; without the unlabelled one nothing is left of the association. */
export function removeKinds(
  crm: CrmContext,
  from: RecordRef,
  to: RecordRef,
  typeIds: number[],
  actor: Actor,
): void {
  const unlabelled = crm.associations.kinds.findDefault(from.typeId, to.typeId);
  const removesAll = unlabelled !== undefined && typeIds.includes(unlabelled.typeId);
  const kept = removesAll
    ? []
    : crm.associations.read(from, to).filter((typeId) => !typeIds.includes(typeId));
  replaceKinds(crm, from, to, kept, actor);
}

/** Ends the association of two records. */
export function removeAssociation(
  crm: CrmContext,
  from: RecordRef,
  to: RecordRef,
  actor: Actor,
): void {
  replaceKinds(crm, from, to, [], actor);
}

function replaceKinds(
  crm: CrmContext,
  from: RecordRef,
  to: RecordRef,
  wanted: number[],
  actor: Actor,
): void {
  const present = crm.associations.read(from, to);
  for (const typeId of wanted.filter((each) => !present.includes(each))) {
    const kind = crm.associations.kinds.find(from.typeId, to.typeId, typeId);
    if (kind?.role === 'primary') demotePrimary(crm, kind, from, to, actor);
  }
  if (!applyKinds(crm, from, to, wanted, actor)) return;
  for (const [contact, other] of [
    [from, to],
    [to, from],
  ] as const) {
    if (contact.typeId === CONTACT && other.typeId === COMPANY) {
      updateAssociatedCompany(crm, contact, actor);
    }
  }
}

/** Stores and announces what differs; answers whether anything did. */
function applyKinds(
  crm: CrmContext,
  from: RecordRef,
  to: RecordRef,
  wanted: number[],
  actor: Actor,
): boolean {
  const { kinds } = crm.associations;
  const present = crm.associations.read(from, to);
  const added = wanted.filter((typeId) => !present.includes(typeId));
  const removed = present.filter((typeId) => !wanted.includes(typeId));
  if (added.length === 0 && removed.length === 0) return false;
  const inverse = (typeId: number): number =>
    kinds.find(from.typeId, to.typeId, typeId)?.inverseTypeId ?? typeId;
  crm.associations.write(from, to, wanted);
  crm.associations.write(to, from, wanted.map(inverse));
  const occurredAt = actor.occurredAt ?? crm.now();
  for (const typeId of removed) announce(crm, from, to, typeId, true, occurredAt, actor);
  for (const typeId of added) announce(crm, from, to, typeId, false, occurredAt, actor);
  for (const ref of [from, to]) touchRecord(crm, ref);
  return true;
}

/** A contact, deal or ticket has one primary company; the one before keeps its other kinds. */
function demotePrimary(
  crm: CrmContext,
  kind: AssociationKind,
  from: RecordRef,
  to: RecordRef,
  actor: Actor,
): void {
  // Seen from the company's side the one side is `to`.
  const reversed = from.typeId === COMPANY;
  const one = reversed ? to : from;
  const companyTypeId = reversed ? from.typeId : to.typeId;
  const company = reversed ? from : to;
  const typeId = reversed ? kind.inverseTypeId : kind.typeId;
  for (const id of crm.associations.listIds(one, companyTypeId)) {
    const other = { typeId: companyTypeId, id };
    if (id === company.id) continue;
    const present = crm.associations.read(one, other);
    if (!present.includes(typeId)) continue;
    applyKinds(
      crm,
      one,
      other,
      present.filter((held) => held !== typeId),
      actor,
    );
  }
}

/** Both directions are announced, each with the number of its own kind. */
function announce(
  crm: CrmContext,
  from: RecordRef,
  to: RecordRef,
  typeId: number,
  associationRemoved: boolean,
  occurredAt: number,
  actor: Actor,
): void {
  const kind = crm.associations.kinds.find(from.typeId, to.typeId, typeId);
  const directions = [
    [from, to, typeId],
    [to, from, kind?.inverseTypeId ?? typeId],
  ] as const;
  for (const [one, other, associationTypeId] of directions) {
    crm.emit({
      kind: 'associationChange',
      ...describeSubject(crm.types.byId(one.typeId), one.id),
      occurredAt,
      actor,
      fromObjectId: one.id,
      toObjectId: other.id,
      toObjectTypeId: other.typeId,
      associationTypeId,
      associationCategory: kind?.category ?? 'HUBSPOT_DEFINED',
      associationRemoved,
      isPrimaryAssociation: kind?.role === 'primary',
    });
  }
}

/** The property `associatedcompanyid` of a contact follows its primary company. */
export function updateAssociatedCompany(crm: CrmContext, contact: RecordRef, actor: Actor): void {
  const record = crm.records.get(contact.typeId, contact.id);
  if (record === undefined || record.mergedInto !== undefined) return;
  const value = findPrimaryCompany(crm, contact) ?? '';
  if ((record.values.associatedcompanyid?.value ?? '') === value) return;
  writeComputed(crm, crm.types.byId(contact.typeId), record, { associatedcompanyid: value }, actor);
}

/** The id of the primary company of a contact, deal or ticket; an archived company is none. */
export function findPrimaryCompany(crm: CrmContext, from: RecordRef): string | undefined {
  const primary = crm.associations.kinds
    .list(from.typeId, COMPANY)
    .find(({ role }) => role === 'primary');
  if (primary === undefined) return undefined;
  return crm.associations
    .listIds(from, COMPANY)
    .filter((id) => crm.records.getActive(COMPANY, id) !== undefined)
    .find((id) => crm.associations.read(from, { typeId: COMPANY, id }).includes(primary.typeId));
}
