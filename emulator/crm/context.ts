// What the rules work with: the state and the world around it, handed to each of them as first argument.
import type { Behaviour } from '../behaviour.ts';
import type { Journal } from '../journal.ts';
import type { AssociationStore } from './associations/store.ts';
import type { Actor, CrmChange } from './change.ts';
import type { Later } from './later.ts';
import type { ObjectType, ObjectTypes } from './object-types.ts';
import type { Pipelines } from './pipelines.ts';
import type { Properties } from './properties/properties.ts';
import type { RecordStore } from './records/store.ts';

export type CrmContext = {
  journal: Journal;
  behaviour: Behaviour;
  /** Epoch milliseconds. */
  now: () => number;
  random: () => number;
  portalId: number;
  appId: number;
  emit: (change: CrmChange) => void;
  types: ObjectTypes;
  properties: Properties;
  pipelines: Pipelines;
  records: RecordStore;
  associations: AssociationStore;
  later: Later;
};

/** The part of a change that all kinds have. */
export function describeSubject(
  type: ObjectType,
  objectId: string,
): Pick<CrmChange, 'objectType' | 'objectTypeId' | 'objectId'> {
  return { objectType: type.name, objectTypeId: type.id, objectId };
}

/** Whom history and webhooks name for what HubSpot itself changes after a write of `actor`. */
export function chooseSideEffectActor(crm: CrmContext, actor: Actor): Actor {
  switch (crm.behaviour.sideEffectSource) {
    case 'own-app':
      return { ...actor, source: 'INTEGRATION', sourceId: String(crm.appId) };
    case 'calculated':
      return { ...actor, source: 'CALCULATED', sourceId: 'CalculatedPropertyComputer' };
    default:
      return actor;
  }
}
