// Merging two records: a third one takes their place, the primary's values win, the other's unique values
// vanish. Both old ids lead to the survivor from then on, but not everywhere.
import type { Actor } from '../change.ts';
import { type CrmContext, describeSubject } from '../context.ts';
import type { ObjectType } from '../object-types.ts';
import { refuseInvalid, refuseMissing } from '../refusal.ts';
import type { StoredRecord } from './store.ts';

/** So many merges can end in one record. */
const MOST_MERGES = 250;

/** The record that an id leads to today: itself, or the survivor of its merges. Archived ones too. */
export function followMerges(
  crm: CrmContext,
  type: ObjectType,
  id: string,
): StoredRecord | undefined {
  let record = crm.records.get(type.id, id);
  while (record?.mergedInto !== undefined) record = crm.records.get(type.id, record.mergedInto);
  return record;
}

/** Throws `Refusal` for unknown ids, a record merged with itself, or too many merges. */
export function mergeRecords(
  crm: CrmContext,
  type: ObjectType,
  primaryId: string,
  otherId: string,
  actor: Actor,
): StoredRecord {
  const primary = activeSurvivor(crm, type, primaryId);
  const other = activeSurvivor(crm, type, otherId);
  if (primary === undefined || other === undefined) throw refuseMissing();
  if (primary.id === other.id) throw refuseInvalid('Cannot merge an object with itself');
  const occurredAt = Math.max(actor.occurredAt ?? crm.now(), lastChange(primary, other) + 1);
  const keepsId = crm.behaviour.mergeKeepsPrimaryId;
  const mergedIds = [
    ...(primary.mergedIds ?? []),
    ...(other.mergedIds ?? []),
    ...(keepsId ? [] : [{ id: primary.id, at: occurredAt }]),
    { id: other.id, at: occurredAt },
  ];
  if (mergedIds.length > MOST_MERGES) {
    throw refuseInvalid(`Cannot merge: at most ${MOST_MERGES} merges can end in one record`);
  }

  const survivor: StoredRecord = {
    ...primary,
    id: keepsId ? primary.id : crm.records.newId(type.id),
    createdAt: Math.min(primary.createdAt, other.createdAt),
    modifiedAt: occurredAt + 5 + Math.floor(crm.random() * 36),
    mergedIds,
    values: { ...primary.values },
  };
  delete survivor.bumpAt;
  const moved = fillFromOther(crm, type, survivor, other, occurredAt);
  if (!keepsId) retire(crm, type, primary, survivor.id);
  retire(crm, type, other, survivor.id);
  if (!keepsId) copyHistory(crm, type, primary, survivor);
  crm.records.put(type.id, survivor);
  if (!keepsId) moveAssociations(crm, type, primary.id, survivor.id);
  moveAssociations(crm, type, other.id, survivor.id);

  crm.emit({
    kind: 'merge',
    ...describeSubject(type, survivor.id),
    occurredAt,
    actor,
    primaryObjectId: primary.id,
    mergedObjectIds: [other.id],
    newObjectId: survivor.id,
    numberOfPropertiesMoved: moved,
  });
  crm.emit({ kind: 'deletion', ...describeSubject(type, other.id), occurredAt, actor });
  return survivor;
}

function activeSurvivor(crm: CrmContext, type: ObjectType, id: string): StoredRecord | undefined {
  const record = followMerges(crm, type, id);
  return record?.archivedAt === undefined ? record : undefined;
}

function lastChange(...records: StoredRecord[]): number {
  return Math.max(...records.flatMap(({ values }) => Object.values(values).map(({ at }) => at)), 0);
}

/**
 * What the primary lacks comes from the other, except unique values; a contact keeps the other's address
 * among the additional ones. Answers how many properties moved.
 */
function fillFromOther(
  crm: CrmContext,
  type: ObjectType,
  survivor: StoredRecord,
  other: StoredRecord,
  occurredAt: number,
): number {
  const unique = new Set(crm.properties.listUnique(type.id));
  let moved = 0;
  for (const [name, value] of Object.entries(other.values)) {
    if (unique.has(name) || value.value === '' || survivor.values[name]?.value) continue;
    if (name === 'hs_additional_emails') continue;
    survivor.values[name] = { ...value, at: occurredAt };
    moved += 1;
  }
  if (type.id !== '0-1') return moved;
  const emails = [survivor, other].flatMap(({ values }) => [
    values.email?.value ?? '',
    ...(values.hs_additional_emails?.value.split(';') ?? []),
  ]);
  const primaryEmail = survivor.values.email?.value;
  const additional = [...new Set(emails)].filter((email) => email !== '' && email !== primaryEmail);
  if (additional.length > 0) {
    survivor.values.hs_additional_emails = {
      value: additional.join(';'),
      at: occurredAt,
      source: 'CALCULATED',
      sourceId: '',
    };
  }
  return moved;
}

function retire(crm: CrmContext, type: ObjectType, record: StoredRecord, survivorId: string): void {
  record.mergedInto = survivorId;
  crm.records.put(type.id, record);
}

/** The survivor's older values are the primary's. */
function copyHistory(
  crm: CrmContext,
  type: ObjectType,
  primary: StoredRecord,
  survivor: StoredRecord,
): void {
  for (const [name, present] of Object.entries(survivor.values)) {
    const [, ...older] = crm.records.readHistory(type.id, primary, name);
    crm.records.keepOlder(type.id, survivor.id, name, older);
    survivor.values[name] = present;
  }
}

/** Associations move over; where both had a primary company the first one moved keeps the place. */
function moveAssociations(crm: CrmContext, type: ObjectType, fromId: string, toId: string): void {
  if (fromId === toId) return;
  const before = { typeId: type.id, id: fromId };
  const after = { typeId: type.id, id: toId };
  for (const partner of crm.associations.listAll(before)) {
    const there = crm.associations.read(before, partner);
    const back = crm.associations.read(partner, before);
    crm.associations.write(before, partner, []);
    crm.associations.write(partner, before, []);
    if (partner.typeId === type.id && partner.id === toId) continue;
    const kinds = crm.associations.kinds;
    const taken = crm.associations
      .listIds(after, partner.typeId)
      .flatMap((id) => crm.associations.read(after, { typeId: partner.typeId, id }));
    const drops = there.filter(
      (typeId) =>
        type.id !== '0-2' &&
        taken.includes(typeId) &&
        kinds.find(type.id, partner.typeId, typeId)?.role === 'primary',
    );
    const dropsBack = drops.map(
      (typeId) => kinds.find(type.id, partner.typeId, typeId)?.inverseTypeId ?? typeId,
    );
    const joined = (present: number[], moved: number[], dropped: number[]): number[] => [
      ...new Set([...present, ...moved.filter((typeId) => !dropped.includes(typeId))]),
    ];
    const presentThere = crm.associations.read(after, partner);
    const presentBack = crm.associations.read(partner, after);
    crm.associations.write(after, partner, joined(presentThere, there, drops));
    crm.associations.write(partner, after, joined(presentBack, back, dropsBack));
  }
}
