// Unique values: the email of a contact (its additional ones included) and every property with hasUniqueValue.
// Only active records hold them: archiving one frees its values.
import type { CrmContext } from '../context.ts';
import type { ObjectType } from '../object-types.ts';
import { Refusal } from '../refusal.ts';
import { refuseProperties } from './invalid-properties.ts';
import type { StoredRecord } from './store.ts';

/** Unique values that earlier inputs of a batch will take, by property and value. */
export type Reservations = Set<string>;

const CONTACT = '0-1';

/** Throws `Refusal` if another active record, or an earlier input, holds one of the values; reserves them. */
export function checkUnique(
  crm: CrmContext,
  type: ObjectType,
  record: StoredRecord | undefined,
  values: Record<string, string>,
  reserved: Reservations,
): void {
  const wanted: string[] = [];
  for (const property of crm.properties.listUnique(type.id)) {
    const value = values[property];
    if (!value) continue;
    const isEmail = type.id === CONTACT && property === 'email';
    const holder = isEmail
      ? findByEmail(crm, value).find((id) => id !== record?.id)
      : findExact(crm, type.id, property, value).find((id) => id !== record?.id);
    const key = `${property}=${foldIdValue(crm, property, value)}`;
    if (holder !== undefined || reserved.has(key)) {
      throw isEmail
        ? refuseTakenEmail(crm, value, holder)
        : refuseTakenValue(crm, type, record, property, value, holder);
    }
    wanted.push(key);
  }
  if (type.id === CONTACT && values.hs_additional_emails) {
    for (const email of values.hs_additional_emails.split(';')) {
      const holder = findByEmail(crm, email).find((id) => id !== record?.id);
      if (holder !== undefined) throw refuseTakenEmail(crm, email, holder);
    }
  }
  for (const key of wanted) reserved.add(key);
}

/** A value of a unique property in the form in which two are compared. */
export function foldIdValue(crm: CrmContext, property: string, value: string): string {
  if (property === 'email') return value.trim().toLowerCase();
  return crm.behaviour.uniqueValuesIgnoreCase ? value.toLowerCase() : value;
}

/** Active contacts that have the address, as primary or additional one. */
export function findByEmail(crm: CrmContext, email: string): string[] {
  return [
    ...crm.records.findByValue(CONTACT, 'email', email),
    ...crm.records.findByValue(CONTACT, 'hs_additional_emails', email),
  ];
}

/** Active records that hold the value. The index ignores case; a unique property does so by a switch. */
export function findExact(
  crm: CrmContext,
  typeId: string,
  property: string,
  value: string,
): string[] {
  const ids = crm.records.findByValue(typeId, property, value);
  if (crm.behaviour.uniqueValuesIgnoreCase) return ids;
  return ids.filter((id) => crm.records.get(typeId, id)?.values[property]?.value === value);
}

function refuseTakenEmail(crm: CrmContext, email: string, holder: string | undefined): Refusal {
  const message =
    holder === undefined
      ? 'Contact already exists'
      : `Contact already exists. Existing ID: ${holder}`;
  const existing = holder === undefined ? {} : { existingId: holder };
  if (crm.behaviour.conflictBody === 'conflict') {
    return new ConflictRefusal({ message, category: 'CONFLICT' }, existing.existingId);
  }
  return new ConflictRefusal(
    {
      message,
      identityProfile: {
        vid: Number(holder),
        identity: [{ value: email, type: 'EMAIL', timestamp: crm.now(), isPrimary: true }],
        linkedVid: [],
        isContact: true,
      },
      errors: [
        {
          message: `A contact with email ${email} already exists. Existing ID: ${holder}`,
          in: 'email',
        },
      ],
      category: 'OBJECT_ALREADY_EXISTS',
      error: 'CONTACT_EXISTS',
    },
    existing.existingId,
  );
}

function refuseTakenValue(
  crm: CrmContext,
  type: ObjectType,
  record: StoredRecord | undefined,
  property: string,
  value: string,
  holder: string | undefined,
): Refusal {
  const coordinates = `portalId=${crm.portalId}, objectTypeId=${type.id}, propertyName=${property}, value=${value}`;
  const on = record ? ` on ${record.id}` : '';
  return refuseProperties(
    [
      {
        name: property,
        code: 'CONFLICTING_UNIQUE_VALUE',
        message: `Cannot set PropertyValueCoordinates{${coordinates}}${on}. ${holder ?? 'Another input'} already has that value.`,
      },
    ],
    crm.portalId,
  );
}

/** 409. In a batch answer the existing id stands in the context, not in the message. */
export class ConflictRefusal extends Refusal {
  override name = 'ConflictRefusal';
  readonly existingId: string | undefined;

  constructor(body: Refusal['body'], existingId: string | undefined) {
    super(409, body);
    this.existingId = existingId;
  }
}
