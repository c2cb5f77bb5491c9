// Pipelines and stages of a record: which go together, and what is dropped without a word.
import type { CrmContext } from '../context.ts';
import type { ObjectType } from '../object-types.ts';
import type { PropertyProblem } from './invalid-properties.ts';
import type { StoredRecord } from './store.ts';

/** The names of the two properties, for types that have pipelines. */
export function nameStageProperties(
  type: ObjectType,
): { pipeline: string; stage: string } | undefined {
  if (type.id === '0-3') return { pipeline: 'pipeline', stage: 'dealstage' };
  if (type.id === '0-5') return { pipeline: 'hs_pipeline', stage: 'hs_pipeline_stage' };
  return undefined;
}

/**
 * Checks `values` and takes from it what HubSpot drops: a deal's stage without a pipeline is answered with
 * success and stored as nothing. A stage of another pipeline is refused.
 */
export function planStage(
  crm: CrmContext,
  type: ObjectType,
  record: StoredRecord | undefined,
  values: Record<string, string>,
): PropertyProblem[] {
  const names = nameStageProperties(type);
  if (names === undefined) return [];
  if (values[names.pipeline] === undefined && values[names.stage] === undefined) return [];
  const pipeline = values[names.pipeline] ?? record?.values[names.pipeline]?.value ?? '';
  const stage = values[names.stage] ?? record?.values[names.stage]?.value ?? '';
  if (pipeline === '') {
    delete values[names.stage];
    return [];
  }
  if (stage === '' || crm.pipelines.findStage(type.id, pipeline, stage)) return [];
  const allowed = crm.pipelines.find(type.id, pipeline)?.stages.map(({ label }) => label) ?? [];
  return [
    {
      name: names.stage,
      code: 'INVALID_OPTION',
      message: `${stage} was not one of the allowed options of pipeline ${pipeline}: [${allowed.join(', ')}]`,
    },
  ];
}
