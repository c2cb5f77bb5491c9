// Pipelines and stages: HubSpot's own from defaults/, over them what the portal made of them.
import type { Journal } from '../journal.ts';
import { DEFAULT_PIPELINES } from './defaults/pipelines.ts';

export type Stage = {
  id: string;
  label: string;
  displayOrder: number;
  /** Deals: `isClosed`, `probability`. All values are text. */
  metadata: Record<string, string>;
  createdAt: number;
  updatedAt: number;
};

export type Pipeline = {
  id: string;
  label: string;
  displayOrder: number;
  stages: Stage[];
  createdAt: number;
  updatedAt: number;
};

export type Pipelines = {
  list(typeId: string): Pipeline[];
  find(typeId: string, pipelineId: string): Pipeline | undefined;
  findStage(typeId: string, pipelineId: string, stageId: string): Stage | undefined;
  put(typeId: string, pipeline: Pipeline): void;
  delete(typeId: string, pipelineId: string): void;
  /** Ids of what the portal itself adds are numbers. */
  newId(): string;
};

/** When HubSpot made its own ones, as far as the emulator is concerned. */
const DEFAULTS_MADE_AT = Date.UTC(2024, 0, 1);

/** A deleted default pipeline is remembered, else it would come back. */
type Kept = Pipeline | { deleted: true };

export function openPipelines(journal: Journal): Pipelines {
  const kept = journal.map<Kept>('pipelines');
  const counters = journal.map<number>('counters');

  const list = (typeId: string): Pipeline[] => {
    const all = new Map<string, Pipeline>();
    for (const [at, pipeline] of (DEFAULT_PIPELINES[typeId] ?? []).entries()) {
      const times = { createdAt: DEFAULTS_MADE_AT, updatedAt: DEFAULTS_MADE_AT };
      const stages = pipeline.stages.map((stage, displayOrder) => ({
        ...stage,
        displayOrder,
        ...times,
      }));
      all.set(pipeline.id, {
        id: pipeline.id,
        label: pipeline.label,
        displayOrder: at,
        stages,
        ...times,
      });
    }
    for (const [key, pipeline] of kept.entries()) {
      if (!key.startsWith(`${typeId}/`)) continue;
      if ('deleted' in pipeline) all.delete(key.slice(typeId.length + 1));
      else all.set(pipeline.id, pipeline);
    }
    return [...all.values()].sort((a, b) => a.displayOrder - b.displayOrder);
  };
  const find = (typeId: string, pipelineId: string): Pipeline | undefined =>
    list(typeId).find(({ id }) => id === pipelineId);

  return {
    list,
    find,
    findStage: (typeId, pipelineId, stageId) =>
      find(typeId, pipelineId)?.stages.find(({ id }) => id === stageId),
    put: (typeId, pipeline) => kept.set(`${typeId}/${pipeline.id}`, pipeline),
    delete: (typeId, pipelineId) => kept.set(`${typeId}/${pipelineId}`, { deleted: true }),
    newId() {
      const id = (counters.get('pipelines') ?? 66_894_100) + 1;
      counters.set('pipelines', id);
      return String(id);
    },
  };
}
