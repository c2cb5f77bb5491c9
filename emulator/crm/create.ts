// Puts the CRM together: the state from the journal, the rules over it.
import { openAssociationStore } from './associations/store.ts';
import type { CrmContext } from './context.ts';
import type { Crm, CrmOptions } from './crm.ts';
import { openLater } from './later.ts';
import { openObjectTypes } from './object-types.ts';
import { openPipelines } from './pipelines.ts';
import { openProperties } from './properties/properties.ts';
import { associateCompanyFromDomain } from './records/automation.ts';
import { openRecordStore } from './records/store.ts';
import { actAsUser } from './user.ts';

/** Opens the CRM that the journal holds; an empty one has HubSpot's own properties, pipelines and owners. */
export function createCrm(options: CrmOptions): Crm {
  const { journal, behaviour, clock, portalId, appId, emit, random = Math.random } = options;
  const context: CrmContext = {
    journal,
    behaviour,
    now: clock,
    random,
    portalId,
    appId,
    emit,
    types: openObjectTypes(journal, portalId),
    properties: openProperties(journal),
    pipelines: openPipelines(journal),
    records: openRecordStore(journal),
    associations: openAssociationStore(journal),
    later: openLater({
      journal,
      now: clock,
      perform: (task) => associateCompanyFromDomain(context, task),
    }),
  };
  return {
    user: actAsUser(context),
    context,
    nameType: (segment) => context.types.find(segment)?.name ?? segment,
    isSensitive(segment, property) {
      const type = context.types.find(segment);
      const definition = type && context.properties.find(type.id, property);
      return definition?.dataSensitivity !== undefined;
    },
    countObjects() {
      const counts: Record<string, number> = {};
      for (const { id, name } of context.types.all()) counts[name] = context.records.count(id);
      return counts;
    },
    reset() {
      context.records.forgetIndexes();
      context.associations.forgetIndexes();
      context.later.reset();
    },
    stop: () => context.later.stop(),
  };
}
