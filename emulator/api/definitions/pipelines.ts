// The pipelines API: pipelines and their stages. What records still stand in cannot be deleted.
import type { Request, Router } from 'express';
import type { CrmContext } from '../../crm/context.ts';
import type { ObjectType } from '../../crm/object-types.ts';
import type { Pipeline, Stage } from '../../crm/pipelines.ts';
import { nameStageProperties } from '../../crm/records/stages.ts';
import { Refusal, refuseInvalid, refuseMissing } from '../../crm/refusal.ts';
import { type Answer, route } from '../answer.ts';
import { pathPart, readBody, readType } from '../request.ts';
import { listRoots } from '../versions.ts';

export function addPipelineRoutes(router: Router, crm: CrmContext): void {
  for (const { root } of listRoots('pipelines')) {
    const all = `${root}/:type`;
    const one = `${all}/:pipeline`;
    router.get(
      all,
      route(crm, (req) => listPipelines(crm, req)),
    );
    router.post(
      all,
      route(crm, (req) => createPipeline(crm, req)),
    );
    router.get(
      one,
      route(crm, (req) => readPipeline(crm, req)),
    );
    router.patch(
      one,
      route(crm, (req) => changePipeline(crm, req)),
    );
    router.put(
      one,
      route(crm, (req) => replacePipeline(crm, req)),
    );
    router.delete(
      one,
      route(crm, (req) => deletePipeline(crm, req)),
    );
    router.get(
      `${one}/stages`,
      route(crm, (req) => listStages(crm, req)),
    );
    router.post(
      `${one}/stages`,
      route(crm, (req) => createStage(crm, req)),
    );
    router.get(
      `${one}/stages/:stage`,
      route(crm, (req) => readStage(crm, req)),
    );
    router.patch(
      `${one}/stages/:stage`,
      route(crm, (req) => changeStage(crm, req)),
    );
    router.put(
      `${one}/stages/:stage`,
      route(crm, (req) => changeStage(crm, req)),
    );
    router.delete(
      `${one}/stages/:stage`,
      route(crm, (req) => deleteStage(crm, req)),
    );
  }
}

function listPipelines(crm: CrmContext, request: Request): Answer {
  const type = readPipelineType(crm, request);
  return { status: 200, body: { results: crm.pipelines.list(type.id).map(showPipeline) } };
}

function readPipeline(crm: CrmContext, request: Request): Answer {
  return { status: 200, body: showPipeline(findPipeline(crm, request)) };
}

function createPipeline(crm: CrmContext, request: Request): Answer {
  const type = readPipelineType(crm, request);
  const body = readBody(request);
  const now = crm.now();
  const id = typeof body.pipelineId === 'string' ? body.pipelineId : crm.pipelines.newId();
  if (crm.pipelines.find(type.id, id)) {
    throw new Refusal(409, { message: `Pipeline ${id} already exists`, category: 'CONFLICT' });
  }
  const pipeline: Pipeline = {
    id,
    ...readLabel(body),
    stages: readStages(crm, type, body.stages),
    createdAt: now,
    updatedAt: now,
  };
  crm.pipelines.put(type.id, pipeline);
  return { status: 201, body: showPipeline(pipeline) };
}

function changePipeline(crm: CrmContext, request: Request): Answer {
  const body = readBody(request);
  const pipeline = findPipeline(crm, request);
  const merged = { label: pipeline.label, displayOrder: pipeline.displayOrder, ...body };
  return save(crm, request, { ...pipeline, ...readLabel(merged) });
}

function replacePipeline(crm: CrmContext, request: Request): Answer {
  const type = readPipelineType(crm, request);
  const body = readBody(request);
  const pipeline = findPipeline(crm, request);
  const stages = readStages(crm, type, body.stages);
  for (const stage of pipeline.stages) {
    if (!stages.some(({ id }) => id === stage.id)) refuseUsed(crm, type, pipeline.id, stage.id);
  }
  return save(crm, request, { ...pipeline, ...readLabel(body), stages });
}

function deletePipeline(crm: CrmContext, request: Request): Answer {
  const type = readPipelineType(crm, request);
  const pipeline = findPipeline(crm, request);
  for (const stage of pipeline.stages) refuseUsed(crm, type, pipeline.id, stage.id);
  crm.pipelines.delete(type.id, pipeline.id);
  return { status: 204 };
}

function listStages(crm: CrmContext, request: Request): Answer {
  return { status: 200, body: { results: findPipeline(crm, request).stages.map(showStage) } };
}

function readStage(crm: CrmContext, request: Request): Answer {
  return { status: 200, body: showStage(findStage(crm, request)) };
}

function createStage(crm: CrmContext, request: Request): Answer {
  const type = readPipelineType(crm, request);
  const pipeline = findPipeline(crm, request);
  const [stage] = readStages(crm, type, [readBody(request)]);
  if (stage === undefined) throw refuseInvalid('Invalid input JSON');
  if (pipeline.stages.some(({ id }) => id === stage.id)) {
    throw new Refusal(409, { message: `Stage ${stage.id} already exists`, category: 'CONFLICT' });
  }
  save(crm, request, { ...pipeline, stages: [...pipeline.stages, stage] });
  return { status: 201, body: showStage(stage) };
}

function changeStage(crm: CrmContext, request: Request): Answer {
  const type = readPipelineType(crm, request);
  const pipeline = findPipeline(crm, request);
  const stage = findStage(crm, request);
  const body = readBody(request);
  const [read] = readStages(crm, type, [{ ...stage, ...body, stageId: stage.id }]);
  if (read === undefined) throw refuseInvalid('Invalid input JSON');
  const changed = { ...read, createdAt: stage.createdAt };
  const stages = pipeline.stages.map((each) => (each.id === stage.id ? changed : each));
  save(crm, request, { ...pipeline, stages });
  return { status: 200, body: showStage(changed) };
}

function deleteStage(crm: CrmContext, request: Request): Answer {
  const type = readPipelineType(crm, request);
  const pipeline = findPipeline(crm, request);
  const stage = findStage(crm, request);
  refuseUsed(crm, type, pipeline.id, stage.id);
  save(crm, request, { ...pipeline, stages: pipeline.stages.filter((each) => each !== stage) });
  return { status: 204 };
}

function save(crm: CrmContext, request: Request, pipeline: Pipeline): Answer {
  const saved = { ...pipeline, updatedAt: crm.now() };
  crm.pipelines.put(readPipelineType(crm, request).id, saved);
  return { status: 200, body: showPipeline(saved) };
}

function readPipelineType(crm: CrmContext, request: Request): ObjectType {
  const type = readType(crm, request);
  if (nameStageProperties(type) === undefined && !type.id.startsWith('2-')) {
    throw refuseInvalid(`${type.name} have no pipelines`);
  }
  return type;
}

function findPipeline(crm: CrmContext, request: Request): Pipeline {
  const type = readPipelineType(crm, request);
  const pipeline = crm.pipelines.find(type.id, pathPart(request, 'pipeline'));
  if (pipeline === undefined) throw refuseMissing();
  return pipeline;
}

function findStage(crm: CrmContext, request: Request): Stage {
  const id = pathPart(request, 'stage');
  const stage = findPipeline(crm, request).stages.find((each) => each.id === id);
  if (stage === undefined) throw refuseMissing();
  return stage;
}

function readLabel(body: Record<string, unknown>): { label: string; displayOrder: number } {
  const { label, displayOrder } = body;
  if (typeof label !== 'string' || label === '' || typeof displayOrder !== 'number') {
    throw refuseInvalid('Invalid input JSON: label and displayOrder are required');
  }
  return { label, displayOrder };
}

function readStages(crm: CrmContext, type: ObjectType, stages: unknown): Stage[] {
  if (!Array.isArray(stages)) throw refuseInvalid('Invalid input JSON: stages must be a list');
  const now = crm.now();
  return stages.map((given: unknown) => {
    const body = (given ?? {}) as Record<string, unknown>;
    const metadata = { ...((body.metadata ?? {}) as Record<string, string>) };
    if (type.id === '0-3') {
      const probability = Number(metadata.probability);
      if (metadata.probability === undefined || !(probability >= 0 && probability <= 1)) {
        throw refuseInvalid('A deal stage requires metadata.probability from 0.0 to 1.0');
      }
      metadata.isClosed ??= String(probability === 0 || probability === 1);
    }
    const id = typeof body.stageId === 'string' ? body.stageId : crm.pipelines.newId();
    return { id, ...readLabel(body), metadata, createdAt: now, updatedAt: now };
  });
}

function refuseUsed(crm: CrmContext, type: ObjectType, pipelineId: string, stageId: string): void {
  const names = nameStageProperties(type);
  if (names === undefined) return;
  const used = crm.records
    .list(type.id)
    .some(
      ({ archivedAt, mergedInto, values }) =>
        archivedAt === undefined &&
        mergedInto === undefined &&
        values[names.pipeline]?.value === pipelineId &&
        values[names.stage]?.value === stageId,
    );
  if (used) throw refuseInvalid(`Stage ${stageId} of pipeline ${pipelineId} is in use`);
}

function showPipeline(pipeline: Pipeline) {
  return {
    ...pipeline,
    stages: pipeline.stages.map(showStage),
    createdAt: new Date(pipeline.createdAt).toISOString(),
    updatedAt: new Date(pipeline.updatedAt).toISOString(),
    archived: false,
  };
}

function showStage(stage: Stage) {
  return {
    ...stage,
    createdAt: new Date(stage.createdAt).toISOString(),
    updatedAt: new Date(stage.updatedAt).toISOString(),
    archived: false,
    writePermissions: 'CRM_PERMISSIONS_ENFORCEMENT',
  };
}
