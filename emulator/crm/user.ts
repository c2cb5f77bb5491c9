// Acting as a person in HubSpot's own pages: the same rules as the API's, other rights.
import { removeAssociation, removeKinds, setAssociation } from './associations/link.ts';
import type { Actor } from './change.ts';
import type { CrmContext } from './context.ts';
import type { AssociationEnds, CrmUser, VisibleRecord } from './crm.ts';
import type { ObjectType } from './object-types.ts';
import { archiveRecord, restoreRecord } from './records/archive.ts';
import { followMerges, mergeRecords } from './records/merge.ts';
import { planWrite } from './records/plan.ts';
import { savePlan } from './records/save.ts';
import { nameStageProperties } from './records/stages.ts';
import type { StoredRecord } from './records/store.ts';
import { readAllProperties, readHistory, readModifiedAt } from './records/visible.ts';
import { Refusal, refuseInvalid, refuseMissing } from './refusal.ts';

export function actAsUser(crm: CrmContext): CrmUser {
  const findType = (segment: string): ObjectType => {
    const type = crm.types.find(segment);
    if (type === undefined) throw refuseUnknownType(segment);
    return type;
  };
  const together = <R>(work: () => R): R => crm.journal.together(work);

  return {
    read(segment, id) {
      const type = findType(segment);
      const record = followMerges(crm, type, id);
      return record && showRecord(crm, type, record);
    },
    list(segment, archived) {
      const type = findType(segment);
      return crm.records
        .list(type.id)
        .filter((record) => record.mergedInto === undefined)
        .filter((record) => (record.archivedAt !== undefined) === archived)
        .map((record) => showRecord(crm, type, record));
    },
    create: (segment, properties, actor, id) =>
      together(() => {
        const type = findType(segment);
        if (id !== undefined && (!/^\d+$/.test(id) || crm.records.get(type.id, id))) {
          throw refuseInvalid(`${type.label} id ${id} is not a free number`);
        }
        const written = { ...presetPipeline(crm, type, properties), ...properties };
        const plan = planWrite(crm, type, undefined, written, actor, new Set());
        const { record } = savePlan(crm, plan, actor, id === undefined ? {} : { id });
        return showRecord(crm, type, record);
      }),
    edit: (segment, id, properties, actor) =>
      together(() => {
        const type = findType(segment);
        const record = followMerges(crm, type, id);
        if (record === undefined || record.archivedAt !== undefined) throw refuseMissing();
        const plan = planWrite(crm, type, record, properties, actor, new Set());
        return showRecord(crm, type, savePlan(crm, plan, actor).record);
      }),
    archive(segment, id, actor) {
      together(() => {
        if (!archiveRecord(crm, findType(segment), id, actor)) throw refuseMissing();
      });
    },
    restore: (segment, id, actor) =>
      together(() => {
        const type = findType(segment);
        return showRecord(crm, type, restoreRecord(crm, type, id, actor));
      }),
    merge: (segment, primaryId, otherId, actor) =>
      together(() => {
        const type = findType(segment);
        return showRecord(crm, type, mergeRecords(crm, type, primaryId, otherId, actor));
      }),
    associate(ends, typeId, actor) {
      together(() => associate(crm, findType, ends, typeId, actor));
    },
    dissociate(ends, typeId, actor) {
      together(() => {
        const { from, to } = readEnds(findType, ends);
        if (typeId === undefined) removeAssociation(crm, from, to, actor);
        else removeKinds(crm, from, to, [typeId], actor);
      });
    },
  };
}

/** The page for a new deal stands on a pipeline already; only the API can name a stage without one. */
function presetPipeline(
  crm: CrmContext,
  type: ObjectType,
  properties: Record<string, unknown>,
): Record<string, string> {
  const names = nameStageProperties(type);
  const [first] = crm.pipelines.list(type.id);
  if (names === undefined || first === undefined || !properties[names.stage]) return {};
  return { [names.pipeline]: first.id };
}

/** 400, as HubSpot answers a path with a type that it doesn't know. */
export function refuseUnknownType(segment: string): Refusal {
  return new Refusal(400, {
    message: `Unable to infer object type from: ${segment}`,
    category: 'VALIDATION_ERROR',
  });
}

function associate(
  crm: CrmContext,
  findType: (segment: string) => ObjectType,
  ends: AssociationEnds,
  typeId: number | undefined,
  actor: Actor,
): void {
  const { from, to } = readEnds(findType, ends);
  for (const ref of [from, to]) {
    if (crm.records.getActive(ref.typeId, ref.id) === undefined) throw refuseMissing();
  }
  const wanted = typeId ?? crm.associations.kinds.findDefault(from.typeId, to.typeId)?.typeId;
  if (
    wanted === undefined ||
    crm.associations.kinds.find(from.typeId, to.typeId, wanted) === undefined
  ) {
    throw refuseInvalid(`Association type ${wanted} doesn't exist between these objects`);
  }
  const present = crm.associations.read(from, to);
  setAssociation(crm, from, to, [...new Set([...present, wanted])], actor);
}

function readEnds(findType: (segment: string) => ObjectType, ends: AssociationEnds) {
  return {
    from: { typeId: findType(ends.fromType).id, id: ends.fromId },
    to: { typeId: findType(ends.toType).id, id: ends.toId },
  };
}

function showRecord(crm: CrmContext, type: ObjectType, record: StoredRecord): VisibleRecord {
  const properties = readAllProperties(crm, type, record);
  const history: VisibleRecord['history'] = {};
  for (const name of Object.keys(record.values)) {
    history[name] = readHistory(crm, type, record, name).map(({ value, at, source, sourceId }) => ({
      value,
      timestamp: at,
      sourceType: source,
      sourceId,
    }));
  }
  const self = { typeId: type.id, id: record.id };
  const associations = crm.associations.listAll(self).flatMap((partner) => {
    if (crm.records.getActive(partner.typeId, partner.id) === undefined) return [];
    return crm.associations.read(self, partner).map((typeId) => ({
      toType: crm.types.byId(partner.typeId).name,
      toId: partner.id,
      category:
        crm.associations.kinds.find(type.id, partner.typeId, typeId)?.category ?? 'USER_DEFINED',
      typeId,
    }));
  });
  return {
    id: record.id,
    properties,
    archived: record.archivedAt !== undefined,
    createdAt: record.createdAt,
    updatedAt: readModifiedAt(crm, record),
    history,
    associations,
  };
}
