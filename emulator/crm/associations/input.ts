// Associations as requests write them down: which kinds are meant, and whether both ends exist.
import type { CrmContext } from '../context.ts';
import type { ObjectType } from '../object-types.ts';
import { type ErrorBody, Refusal, refuseInvalid } from '../refusal.ts';
import type { RecordRef } from './store.ts';

/** An association to be made, seen from the record that is written. */
export type PlannedAssociation = { to: RecordRef; typeIds: number[] };

/** The `types` of an input as numbers of kinds; throws `Refusal` for what is no kind between the two types. */
export function readKinds(
  crm: CrmContext,
  fromTypeId: string,
  toTypeId: string,
  types: unknown,
): number[] {
  if (!Array.isArray(types) || types.length === 0) {
    throw refuseInvalid('Invalid input JSON: types must be a list with at least one entry');
  }
  return types.map((entry: unknown) => {
    const { associationCategory, associationTypeId } = (entry ?? {}) as Record<string, unknown>;
    const kind =
      typeof associationTypeId === 'number'
        ? crm.associations.kinds.find(fromTypeId, toTypeId, associationTypeId)
        : undefined;
    if (kind === undefined || kind.category !== associationCategory) {
      throw refuseInvalid(
        `${String(associationCategory)} association type ${String(associationTypeId)} doesn't exist between ${fromTypeId} and ${toTypeId}`,
        { subCategory: 'crm.associations.INVALID_ASSOCIATION_TYPE' },
      );
    }
    return kind.typeId;
  });
}

/** The `associations` of a create input. The kind decides the type of the other record. */
export function planAssociations(
  crm: CrmContext,
  type: ObjectType,
  associations: unknown,
): PlannedAssociation[] {
  if (associations === undefined || associations === null) return [];
  if (!Array.isArray(associations)) {
    throw refuseInvalid('Invalid input JSON: associations must be a list');
  }
  return associations.map((entry: unknown) => {
    const { to, types } = (entry ?? {}) as { to?: { id?: unknown }; types?: unknown };
    const id = readId(to?.id);
    const first = Array.isArray(types) ? Number(types[0]?.associationTypeId) : Number.NaN;
    const target = crm.types
      .all()
      .find(({ id: toTypeId }) => crm.associations.kinds.find(type.id, toTypeId, first));
    if (target === undefined) {
      throw refuseInvalid(`Association type ${first} doesn't exist for ${type.id}`, {
        subCategory: 'crm.associations.INVALID_ASSOCIATION_TYPE',
      });
    }
    if (id === undefined || crm.records.getActive(target.id, id) === undefined) {
      throw refuseUnknownEnds([`${target.label}=${String(to?.id)} is not valid`]);
    }
    return {
      to: { typeId: target.id, id },
      typeIds: readKinds(crm, type.id, target.id, types),
    };
  });
}

/** The refusal of ids that no active record has. */
export function refuseUnknownEnds(invalid: string[]): Refusal {
  return new Refusal(400, unknownEndsBody(invalid));
}

export function unknownEndsBody(invalid: string[]): ErrorBody {
  return {
    message: 'One or more of the records to associate do not exist or are not valid',
    category: 'VALIDATION_ERROR',
    subCategory: 'crm.associations.INVALID_OBJECT_IDS',
    context: { INVALID_OBJECT_IDS: invalid },
  };
}

/** Ids come as text or as JSON numbers. */
export function readId(id: unknown): string | undefined {
  if (typeof id === 'string' && id !== '') return id;
  if (typeof id === 'number' && Number.isSafeInteger(id)) return String(id);
  return undefined;
}
