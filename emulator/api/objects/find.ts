// Finding the record that an input names, by id or by a unique property.
import type { CrmContext } from '../../crm/context.ts';
import type { ObjectType } from '../../crm/object-types.ts';
import type { StoredRecord } from '../../crm/records/store.ts';
import { findByEmail, findExact, foldIdValue } from '../../crm/records/unique.ts';
import { refuseInvalid } from '../../crm/refusal.ts';

/** Throws `Refusal` unless the property is unique. Answers its name in lower case. */
export function checkIdProperty(crm: CrmContext, type: ObjectType, idProperty: unknown): string {
  const name = typeof idProperty === 'string' ? idProperty.toLowerCase() : '';
  if (!crm.properties.listUnique(type.id).includes(name)) {
    throw refuseInvalid(
      `Unable to perform update/upsert by non-unique ${type.id} property ${String(idProperty)}`,
    );
  }
  return name;
}

/** The active record that holds the value. A contact is found by its primary address alone. */
export function findByUnique(
  crm: CrmContext,
  type: ObjectType,
  idProperty: string,
  value: string,
): StoredRecord | undefined {
  const folded = foldIdValue(crm, idProperty, value);
  const [id] =
    idProperty === 'email'
      ? crm.records.findByValue(type.id, 'email', folded)
      : findExact(crm, type.id, idProperty, folded);
  return id === undefined ? undefined : crm.records.getActive(type.id, id);
}

/** The contact that has the address as an additional one. */
export function findBySecondaryEmail(crm: CrmContext, type: ObjectType, email: string) {
  const [id] = findByEmail(crm, foldIdValue(crm, 'email', email));
  return id === undefined ? undefined : crm.records.getActive(type.id, id);
}
