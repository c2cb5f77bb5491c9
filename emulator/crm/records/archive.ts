// Archiving a record frees its unique values; restoring needs them to be free again. A privacy deletion leaves
// nothing to restore.
import { updateAssociatedCompany } from '../associations/link.ts';
import type { Actor } from '../change.ts';
import { type CrmContext, describeSubject } from '../context.ts';
import type { ObjectType } from '../object-types.ts';
import { Refusal, refuseMissing } from '../refusal.ts';
import type { StoredRecord } from './store.ts';
import { checkUnique } from './unique.ts';

/** Answers whether there was an active record of this id. Archiving twice is no error. */
export function archiveRecord(
  crm: CrmContext,
  type: ObjectType,
  id: string,
  actor: Actor,
): boolean {
  const record = crm.records.getActive(type.id, id);
  if (record === undefined) return false;
  const occurredAt = Math.max(actor.occurredAt ?? crm.now(), record.createdAt + 1);
  record.archivedAt = occurredAt;
  crm.records.put(type.id, record);
  crm.emit({ kind: 'deletion', ...describeSubject(type, id), occurredAt, actor });
  updateContactsOf(crm, type, id, actor);
  return true;
}

/** Contacts lose sight of an archived company; the association itself waits for its restoration. */
function updateContactsOf(crm: CrmContext, type: ObjectType, id: string, actor: Actor): void {
  if (type.id !== '0-2') return;
  for (const contactId of crm.associations.listIds({ typeId: type.id, id }, '0-1')) {
    updateAssociatedCompany(crm, { typeId: '0-1', id: contactId }, actor);
  }
}

/** Only in HubSpot's pages. Throws `Refusal` while an active record holds one of its unique values. */
export function restoreRecord(
  crm: CrmContext,
  type: ObjectType,
  id: string,
  actor: Actor,
): StoredRecord {
  const record = crm.records.get(type.id, id);
  if (record === undefined || record.mergedInto !== undefined) throw refuseMissing();
  if (record.archivedAt === undefined) {
    throw new Refusal(400, {
      message: `${type.label} ${id} is not archived`,
      category: 'VALIDATION_ERROR',
    });
  }
  const values = Object.fromEntries(
    Object.entries(record.values).map(([name, { value }]) => [name, value]),
  );
  checkUnique(crm, type, record, values, new Set());
  const occurredAt = Math.max(actor.occurredAt ?? crm.now(), record.archivedAt + 1);
  delete record.archivedAt;
  record.modifiedAt = Math.max(record.modifiedAt, occurredAt + 5);
  crm.records.put(type.id, record);
  crm.emit({ kind: 'restore', ...describeSubject(type, id), occurredAt, actor });
  updateContactsOf(crm, type, id, actor);
  return record;
}

/** Deletes a contact for good, with its history; HubSpot announces it twice. */
export function deleteForPrivacy(
  crm: CrmContext,
  type: ObjectType,
  id: string,
  actor: Actor,
): boolean {
  const record = crm.records.get(type.id, id);
  if (record === undefined || record.mergedInto !== undefined) return false;
  const occurredAt = actor.occurredAt ?? crm.now();
  for (const other of crm.associations.listAll({ typeId: type.id, id })) {
    crm.associations.write({ typeId: type.id, id }, other, []);
    crm.associations.write(other, { typeId: type.id, id }, []);
  }
  crm.records.purge(type.id, id);
  const subject = describeSubject(type, id);
  crm.emit({ kind: 'privacyDeletion', ...subject, occurredAt, actor });
  if (record.archivedAt === undefined) {
    crm.emit({ kind: 'deletion', ...subject, occurredAt, actor });
  }
  return true;
}
