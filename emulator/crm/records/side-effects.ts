// What HubSpot changes by itself in the course of a write: lifecycle stage, close date, probability, dates of
// becoming something. The product has to find these; they come without having been asked for.
import type { CrmContext } from '../context.ts';
import type { ObjectType } from '../object-types.ts';
import { nameStageProperties } from './stages.ts';
import type { StoredRecord } from './store.ts';

/**
 * The further values of a write, by property. `changes` is what the write itself changes, `sent` what it names;
 * HubSpot does not overrule what was sent in the same write.
 */
export function planSideEffects(
  crm: CrmContext,
  type: ObjectType,
  record: StoredRecord | undefined,
  changes: Record<string, string>,
  sent: string[],
  at: number,
): Record<string, string> {
  const effects: Record<string, string> = {};
  const time = new Date(at).toISOString();
  const isNew = record === undefined;
  const hasLifecycle = type.id === '0-1' || type.id === '0-2';

  if (isNew && hasLifecycle && crm.behaviour.lifecycleDefault && !changes.lifecyclestage) {
    effects.lifecyclestage = 'lead';
    if (!changes.hs_pipeline) effects.hs_pipeline = `${type.name}-lifecycle-pipeline`;
  }
  const lifecycle = effects.lifecyclestage ?? changes.lifecyclestage;
  if (hasLifecycle && lifecycle) {
    const property = `hs_lifecyclestage_${lifecycle}_date`;
    if (crm.properties.find(type.id, property)) effects[property] = time;
  }
  if (changes.hubspot_owner_id) effects.hubspot_owner_assigneddate = time;
  if (type.id === '0-3' && changes.dealstage) {
    const stageNames = nameStageProperties(type);
    const pipeline = changes.pipeline ?? record?.values[stageNames?.pipeline ?? '']?.value ?? '';
    const stage = crm.pipelines.findStage(type.id, pipeline, changes.dealstage)?.metadata;
    const probability = stage?.probability;
    if (
      crm.behaviour.probabilityFromStage &&
      probability !== undefined &&
      !sent.includes('hs_deal_stage_probability')
    ) {
      effects.hs_deal_stage_probability = probability;
    }
    if (
      crm.behaviour.closeDateOnClosing &&
      stage?.isClosed === 'true' &&
      !sent.includes('closedate')
    ) {
      effects.closedate = time;
    }
  }
  return effects;
}
