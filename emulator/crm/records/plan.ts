// Before anything is written: is what was sent valid, which values would be stored, is a unique value taken?
// A batch plans all its inputs first, since one wrong input may refuse all of them.
import type { Actor } from '../change.ts';
import type { CrmContext } from '../context.ts';
import { LIFECYCLE_STAGES } from '../defaults/lifecycle.ts';
import type { ObjectType } from '../object-types.ts';
import type { PropertyDefinition, PropertyOption } from '../properties/definition.ts';
import { isSameValue, readValue } from '../properties/values.ts';
import { refuseInvalid } from '../refusal.ts';
import { type PropertyProblem, refuseProperties } from './invalid-properties.ts';
import { planStage } from './stages.ts';
import type { StoredRecord } from './store.ts';
import { checkUnique, type Reservations } from './unique.ts';

/** A write that will go through. */
export type WritePlan = {
  type: ObjectType;
  /** Undefined: a new record. */
  record: StoredRecord | undefined;
  /** What is to be stored, by property; silent refusals are gone from it. */
  values: Record<string, string>;
  /** The properties that the request names. */
  sent: string[];
};

/**
 * Plans one write. `reserved` holds the unique values that earlier inputs of the same batch will take.
 * Throws `Refusal`.
 */
export function planWrite(
  crm: CrmContext,
  type: ObjectType,
  record: StoredRecord | undefined,
  properties: unknown,
  actor: Actor,
  reserved: Reservations,
): WritePlan {
  if (typeof properties !== 'object' || properties === null || Array.isArray(properties)) {
    throw refuseInvalid('Invalid input JSON: properties must be an object');
  }
  const problems: PropertyProblem[] = [];
  const values: Record<string, string> = {};
  for (const [sentName, sent] of Object.entries(properties)) {
    const name = sentName.toLowerCase();
    const definition = crm.properties.find(type.id, name);
    if (definition === undefined) {
      problems.push({
        name: sentName,
        code: 'PROPERTY_DOESNT_EXIST',
        message: `Property "${sentName}" does not exist`,
      });
      continue;
    }
    if (isReadOnly(crm, definition, actor)) {
      problems.push({
        name,
        code: crm.behaviour.readOnlyCode,
        message: `"${name}" is a read only property; its value cannot be set`,
      });
      continue;
    }
    const read = readValue(definition, sent, {
      externalOptions: listExternalOptions(crm, type, name),
      present: record?.values[name]?.value,
      numberForm: crm.behaviour.numberForm,
    });
    if ('problem' in read) problems.push({ name, ...read.problem });
    else values[name] = read.value;
  }
  problems.push(...planStage(crm, type, record, values));
  if (problems.length > 0) throw refuseProperties(problems, crm.portalId);

  if (isBackwards(record, values, actor)) delete values.lifecyclestage;
  checkUnique(crm, type, record, values, reserved);
  return { type, record, values, sent: Object.keys(properties).map((name) => name.toLowerCase()) };
}

/** Those of the plan's values that differ from what is stored. */
export function listChanges(crm: CrmContext, plan: WritePlan): Record<string, string> {
  const changes: Record<string, string> = {};
  for (const [name, value] of Object.entries(plan.values)) {
    const present = plan.record?.values[name]?.value ?? '';
    const definition = crm.properties.find(plan.type.id, name);
    if (definition && !isSameValue(definition, present, value)) changes[name] = value;
  }
  return changes;
}

function isReadOnly(crm: CrmContext, definition: PropertyDefinition, actor: Actor): boolean {
  if (definition.name === 'hs_deal_stage_probability' && actor.source !== 'CRM_UI') {
    return !crm.behaviour.probabilityWritable;
  }
  return definition.readOnlyValue;
}

/** Options that are not in the property's definition: pipelines and their stages. */
export function listExternalOptions(
  crm: CrmContext,
  type: ObjectType,
  name: string,
): PropertyOption[] | undefined {
  const isPipeline = name === (type.id === '0-5' ? 'hs_pipeline' : 'pipeline');
  const isStage = name === (type.id === '0-5' ? 'hs_pipeline_stage' : 'dealstage');
  if ((type.id !== '0-3' && type.id !== '0-5') || (!isPipeline && !isStage)) return undefined;
  const pipelines = crm.pipelines.list(type.id);
  const entries = isPipeline ? pipelines : pipelines.flatMap(({ stages }) => stages);
  return entries.map(({ id, label, displayOrder }) => ({
    label,
    value: id,
    displayOrder,
    hidden: false,
  }));
}

/**
 * A lifecycle stage moves forward only; a write that would move it back is answered with success and
 * changes nothing. People can move it back in HubSpot's pages, and everybody can clear it.
 */
function isBackwards(
  record: StoredRecord | undefined,
  values: Record<string, string>,
  actor: Actor,
): boolean {
  const place = (stage: string): number => LIFECYCLE_STAGES.findIndex(([value]) => value === stage);
  const present = record?.values.lifecyclestage?.value;
  const wanted = values.lifecyclestage;
  if (!present || !wanted || actor.source === 'CRM_UI') return false;
  const [from, to] = [place(present), place(wanted)];
  return from >= 0 && to >= 0 && to < from;
}
