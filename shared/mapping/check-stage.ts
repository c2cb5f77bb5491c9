/**
 * Stages of pipelines are options with rules of their own: a stage belongs to one pipeline, HubSpot
 * takes it only together with that pipeline (without it, it stores nothing and reports no error), and
 * labels repeat from one pipeline to the next.
 */
import type { ObjectFacts } from '../hubspot/facts.ts';
import type { Pipeline } from '../hubspot/hubspot.ts';
import { listOf, type MappingFinding } from './finding.ts';
import type { PropertyMapping, TableMapping } from './mapping.ts';

/** The property that holds the pipeline of a stage; undefined for a property that is no stage. */
export function pipelinePropertyOf({ property }: PropertyMapping): string | undefined {
  if (property === 'dealstage') return 'pipeline';
  return property === 'hs_pipeline_stage' ? 'hs_pipeline' : undefined;
}

export function checkStage(
  table: TableMapping,
  mapping: PropertyMapping,
  facts: ObjectFacts,
): MappingFinding[] {
  const about = {
    table: `${table.schema}.${table.name}`,
    object: table.object,
    property: mapping.property,
    column: mapping.column,
  };
  const pipelineProperty = pipelinePropertyOf(mapping) ?? '';
  const wanted = mapping.sendWith[pipelineProperty];
  const live = facts.pipelines.filter(({ archived }) => !archived);
  if (wanted === undefined) {
    const alone = mapping.direction !== 'inbound' && table.property(pipelineProperty) === undefined;
    if (!alone) return [];
    return [
      {
        ...about,
        severity: 'error',
        message: `${mapping.property} is sent without its pipeline: HubSpot would store nothing and report no error.`,
        remedy: `Add \`sendWith: { ${pipelineProperty}: ${live[0]?.id ?? 'default'} }\`.`,
      },
    ];
  }
  const pipeline = live.find(({ id }) => id === wanted);
  if (pipeline === undefined) {
    if (live.length === 0) return [];
    return [
      {
        ...about,
        severity: 'error',
        message: `${table.object} has no pipeline ${wanted}.`,
        remedy: `The pipelines are: ${listOf(live.map(named))}.`,
      },
    ];
  }
  return [
    ...unknownStages(mapping, pipeline, live),
    ...mistakableLabels(mapping, pipeline),
    ...(mapping.direction === 'outbound' ? [] : unmappedStages(mapping, pipeline, live)),
  ].map((finding) => ({ ...about, ...finding }));
}

type Finding = Pick<MappingFinding, 'severity' | 'message' | 'remedy'>;

const named = ({ id, label }: { readonly id: string; readonly label: string }) =>
  `${id} (${label})`;

const stagesOf = (pipeline: Pipeline) => pipeline.stages.filter(({ archived }) => !archived);

function unknownStages(
  { codec, property }: PropertyMapping,
  pipeline: Pipeline,
  all: readonly Pipeline[],
): Finding[] {
  const stages = stagesOf(pipeline);
  return Object.entries(codec.values ?? {})
    .filter(([, id]) => !stages.some((stage) => stage.id === id))
    .map(([label, id]) => {
      const owner = all.find((each) => stagesOf(each).some((stage) => stage.id === id));
      return {
        severity: 'error',
        message: owner
          ? `Stage ${id} (value ${label}) belongs to the pipeline ${named(owner)}, and ${property} is sent with ${pipeline.id}.`
          : `The pipeline ${named(pipeline)} has no stage ${id} (value ${label}).`,
        remedy: `Its stages are: ${listOf(stages.map(named), 20)}.`,
      };
    });
}

/** `Won: closedlost`, where HubSpot shows another stage by that very label. */
function mistakableLabels({ codec }: PropertyMapping, pipeline: Pipeline): Finding[] {
  return Object.entries(codec.values ?? {}).flatMap(([label, id]): Finding[] => {
    const namesakes = stagesOf(pipeline).filter(
      (stage) => stage.label.toLowerCase() === label.toLowerCase(),
    );
    if (namesakes.length === 0) return [];
    if (namesakes.length > 1) {
      return [
        {
          severity: 'error',
          message: `The pipeline ${named(pipeline)} has several stages labelled ${label}: ${listOf(namesakes.map((stage) => stage.id))}.`,
          remedy: 'Give them different labels in HubSpot: nobody can tell which one is meant.',
        },
      ];
    }
    if (namesakes[0]?.id === id) return [];
    return [
      {
        severity: 'warning',
        message: `The value ${label} stands for stage ${id}; HubSpot shows that label for ${namesakes[0]?.id}.`,
        remedy: 'Check that the two weren’t mixed up.',
      },
    ];
  });
}

function unmappedStages(
  { codec }: PropertyMapping,
  pipeline: Pipeline,
  all: readonly Pipeline[],
): Finding[] {
  const { values } = codec;
  if (values === undefined) return [];
  const mapped = Object.values(values);
  const missing = stagesOf(pipeline).filter(({ id }) => !mapped.includes(id));
  const others = all.filter(
    (each) => each !== pipeline && !stagesOf(each).every(({ id }) => mapped.includes(id)),
  );
  return [
    ...(missing.length === 0
      ? []
      : [
          {
            severity: 'warning' as const,
            message: `The pipeline ${named(pipeline)} has stages without a value in the mapping: ${listOf(missing.map(named))}. Coming from HubSpot they are refused.`,
            remedy: 'Add them to `values`.',
          },
        ]),
    ...(others.length === 0
      ? []
      : [
          {
            severity: 'warning' as const,
            message: `Records of other pipelines (${listOf(others.map(named))}) come in without a stage that the mapping knows.`,
            remedy:
              'Keep the pipelines’ records apart, or map the stage without `values` and the pipeline to a column of its own.',
          },
        ]),
  ];
}
