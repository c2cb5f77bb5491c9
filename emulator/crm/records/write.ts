// Carrying out a planned write: history times, modified dates, side effects, announcements. An identical write
// leaves no trace at all.
import type { RecordRef } from '../associations/store.ts';
import type { Actor } from '../change.ts';
import { type CrmContext, chooseSideEffectActor, describeSubject } from '../context.ts';
import type { ObjectType } from '../object-types.ts';
import { announceValue, isSameValue } from '../properties/values.ts';
import { listChanges, type WritePlan } from './plan.ts';
import { planSideEffects } from './side-effects.ts';
import type { StoredRecord } from './store.ts';
import { readModifiedAt } from './visible.ts';

/** What a write left behind. `answered` names the properties that its answer shows. */
export type WriteResult = {
  type: ObjectType;
  record: StoredRecord;
  isNew: boolean;
  answered: string[];
};

/** Carries out a plan. `id` chooses the id of a new record. */
export function executeWrite(
  crm: CrmContext,
  plan: WritePlan,
  actor: Actor,
  id?: string,
): WriteResult {
  const { type } = plan;
  const isNew = plan.record === undefined;
  const changes = listChanges(crm, plan);
  const record = plan.record ?? startRecord(crm, type, actor, id);
  const wanted = actor.occurredAt ?? crm.now();
  const effects = planSideEffects(crm, type, plan.record, changes, plan.sent, wanted);
  for (const [name, value] of Object.entries(effects)) {
    const definition = crm.properties.find(type.id, name);
    const present = record.values[name]?.value ?? '';
    if (definition === undefined || isSameValue(definition, present, value)) delete effects[name];
  }
  const names = [...Object.keys(changes), ...Object.keys(effects)];
  const answered = [...new Set([...plan.sent, ...names])];
  if (!isNew && names.length === 0) return { type, record, isNew, answered };

  // One write has one time, later than that of any value it replaces.
  const at = Math.max(wanted, ...names.map((name) => (record.values[name]?.at ?? 0) + 1));
  if (isNew) record.createdAt = at;
  store(crm, type, record, changes, at, actor);
  store(crm, type, record, effects, at, chooseSideEffectActor(crm, actor));
  bump(crm, record, at);
  crm.records.put(type.id, record);

  announce(crm, type, record, changes, at, actor);
  announce(crm, type, record, effects, at, chooseSideEffectActor(crm, actor));
  if (isNew) {
    crm.emit({
      kind: 'creation',
      ...describeSubject(type, record.id),
      occurredAt: at,
      actor,
    });
  }
  return { type, record, isNew, answered };
}

/** Writes values that HubSpot computes itself, at the time of `actor` or now. */
export function writeComputed(
  crm: CrmContext,
  type: ObjectType,
  record: StoredRecord,
  values: Record<string, string>,
  actor: Actor,
): void {
  const by = chooseSideEffectActor(crm, actor);
  const before = Object.keys(values).map((name) => (record.values[name]?.at ?? 0) + 1);
  const at = Math.max(actor.occurredAt ?? crm.now(), ...before);
  store(crm, type, record, values, at, by);
  bump(crm, record, at);
  crm.records.put(type.id, record);
  announce(crm, type, record, values, at, by);
}

/** What an association does to the records on both ends: perhaps a later bump of the modified date. */
export function touchRecord(crm: CrmContext, ref: RecordRef): void {
  const record = crm.records.get(ref.typeId, ref.id);
  if (record === undefined || crm.random() >= crm.behaviour.derivedBumpChance) return;
  record.bumpAt = crm.now() + laterBump(crm);
  crm.records.put(ref.typeId, record);
}

function startRecord(
  crm: CrmContext,
  type: ObjectType,
  actor: Actor,
  id: string | undefined,
): StoredRecord {
  const { source, sourceId } = actor;
  const times = { createdAt: 0, modifiedAt: 0 };
  return { id: id ?? crm.records.newId(type.id), ...times, source, sourceId, values: {} };
}

function store(
  crm: CrmContext,
  type: ObjectType,
  record: StoredRecord,
  values: Record<string, string>,
  at: number,
  { source, sourceId }: Actor,
): void {
  for (const [name, value] of Object.entries(values)) {
    crm.records.setValue(type.id, record, name, { value, at, source, sourceId });
  }
}

/** The modified date follows the history time by 5 to 40 ms, and sometimes moves once more by itself. */
function bump(crm: CrmContext, record: StoredRecord, at: number): void {
  const later = Math.max(at, crm.now()) + 5 + Math.floor(crm.random() * 36);
  const before = record.modifiedAt === 0 ? 0 : readModifiedAt(crm, record);
  record.modifiedAt = Math.max(before, later);
  if (crm.random() < crm.behaviour.derivedBumpChance) {
    record.bumpAt = record.modifiedAt + laterBump(crm);
  }
}

/** 1 to 15 seconds. */
function laterBump(crm: CrmContext): number {
  return 1000 + Math.floor(crm.random() * 14_000);
}

/** Calculated properties change without a webhook. */
function announce(
  crm: CrmContext,
  type: ObjectType,
  record: StoredRecord,
  values: Record<string, string>,
  occurredAt: number,
  actor: Actor,
): void {
  for (const [property, value] of Object.entries(values)) {
    const definition = crm.properties.find(type.id, property);
    if (definition?.calculated) continue;
    crm.emit({
      kind: 'propertyChange',
      ...describeSubject(type, record.id),
      occurredAt,
      actor,
      property,
      value: announceValue(definition, value),
    });
  }
}
