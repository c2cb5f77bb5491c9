// Associations in answers: kinds with their labels, ids as the version writes them.
import type { RecordRef } from '../../crm/associations/store.ts';
import type { CrmContext } from '../../crm/context.ts';
import type { Dialect } from '../versions.ts';

/** An id of an associated record as this version writes it. */
export function showId(crm: CrmContext, dialect: Dialect, id: string): string | number {
  const asNumber = dialect.associatedIds === 'number' && !crm.behaviour.associatedIdsAsText;
  return asNumber ? Number(id) : id;
}

/** Active records of a type that one is associated with, each with all kinds of its association. */
export function showPartners(
  crm: CrmContext,
  dialect: Dialect,
  from: RecordRef,
  toTypeId: string,
): { toObjectId: string | number; associationTypes: unknown[] }[] {
  return crm.associations.listIds(from, toTypeId).flatMap((id) => {
    if (crm.records.getActive(toTypeId, id) === undefined) return [];
    const associationTypes = crm.associations.read(from, { typeId: toTypeId, id }).map((typeId) => {
      const kind = crm.associations.kinds.find(from.typeId, toTypeId, typeId);
      return { category: kind?.category ?? 'USER_DEFINED', typeId, label: kind?.label ?? null };
    });
    return [{ toObjectId: showId(crm, dialect, id), associationTypes }];
  });
}

/** The answer to setting a pair: both ids and the labels that stand between them. */
export function showPair(crm: CrmContext, dialect: Dialect, from: RecordRef, to: RecordRef) {
  const labels = crm.associations
    .read(from, to)
    .map((typeId) => crm.associations.kinds.find(from.typeId, to.typeId, typeId)?.label)
    .filter((label) => label !== null && label !== undefined);
  return {
    fromObjectTypeId: from.typeId,
    fromObjectId: showId(crm, dialect, from.id),
    toObjectTypeId: to.typeId,
    toObjectId: showId(crm, dialect, to.id),
    labels,
  };
}
