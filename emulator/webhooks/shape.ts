// Gives a change of the CRM the form in which HubSpot announces it: the legacy shape (`deal.propertyChange`)
// for standard objects, the generic one (`object.propertyChange`) for custom ones.
import type { CrmChange } from '../crm/change.ts';

/** What an event says, apart from the attempt that carries it. */
export type DescribedEvent = {
  subscriptionId: number;
  portalId: number;
  appId: number;
  /** Epoch milliseconds. */
  occurredAt: number;
  subscriptionType: string;
  changeSource: string;
  sourceId: string;
  /** Absent in association changes. */
  objectId?: number;
  /** Generic shape only. */
  objectTypeId?: string;
  /** What the kind of change adds: `propertyName`, `changeFlag`, `mergedObjectIds` and so on. */
  [more: string]: unknown;
};

/** One element of the array that a webhook request carries; `attemptNumber` is 0 at the first attempt. */
export type WebhookEvent = DescribedEvent & { eventId: number; attemptNumber: number };

export type ShapeSwitches = {
  /** `legacy`: standard objects in their old shape; `generic`: every object as `object.*`. */
  webhookShape: 'legacy' | 'generic';
  /** How a cleared value is told. */
  webhookClearedValue: 'empty' | 'null' | 'absent';
  /** Which id a merge carries as `objectId`. */
  webhookMergeObjectId: 'primary' | 'new' | 'absent';
  /** What a generic association change says of the association. */
  webhookGenericAssociation: 'typeIds' | 'typeName' | 'both';
};

export type ShapeContext = {
  portalId: number;
  appId: number;
  switches: ShapeSwitches;
  /** Whether the property holds sensitive data, whose values are never told. */
  isSensitive(objectTypeId: string, property: string): boolean;
};

/** Types with a legacy shape, by type id. */
const LEGACY_NAMES: Record<string, string> = {
  '0-1': 'contact',
  '0-2': 'company',
  '0-3': 'deal',
  '0-5': 'ticket',
  '0-7': 'product',
  '0-8': 'line_item',
};

/** HubSpot lets nobody subscribe to these. */
const NOT_SUBSCRIBABLE = new Set([
  'lastmodifieddate',
  'hs_lastmodifieddate',
  'num_unique_conversion_events',
]);

/** The announcement of a change, or undefined where HubSpot announces nothing. */
export function describeEvent(
  change: CrmChange,
  context: ShapeContext,
): DescribedEvent | undefined {
  if (change.kind === 'propertyChange' && NOT_SUBSCRIBABLE.has(change.property ?? '')) {
    return undefined;
  }
  const { switches } = context;
  const legacyName =
    switches.webhookShape === 'legacy' ? LEGACY_NAMES[change.objectTypeId] : undefined;
  const legacyTarget =
    change.kind !== 'associationChange' || LEGACY_NAMES[change.toObjectTypeId ?? ''] !== undefined;
  const name = legacyTarget ? legacyName : undefined;
  const subscriptionType = `${name ?? 'object'}.${change.kind}`;

  return {
    subscriptionId: subscriptionId(
      `${subscriptionType} ${change.objectTypeId} ${change.property ?? ''}`,
    ),
    portalId: context.portalId,
    appId: context.appId,
    occurredAt: change.occurredAt,
    subscriptionType,
    ...describeObject(change, name, switches),
    ...describeKind(change, name, context),
    changeSource:
      change.kind === 'associationChange' && change.actor.source === 'CRM_UI'
        ? 'USER'
        : change.actor.source,
    sourceId: change.actor.sourceId,
  };
}

function describeObject(
  change: CrmChange,
  name: string | undefined,
  switches: ShapeSwitches,
): { objectId?: number; objectTypeId?: string } {
  const generic = name === undefined ? { objectTypeId: change.objectTypeId } : {};
  if (change.kind === 'associationChange') return generic;
  if (change.kind === 'merge') {
    if (switches.webhookMergeObjectId === 'absent') return generic;
    const id =
      switches.webhookMergeObjectId === 'new' ? change.newObjectId : change.primaryObjectId;
    return { objectId: Number(id ?? change.objectId), ...generic };
  }
  return { objectId: Number(change.objectId), ...generic };
}

function describeKind(
  change: CrmChange,
  name: string | undefined,
  context: ShapeContext,
): Record<string, unknown> {
  switch (change.kind) {
    case 'creation':
      return { changeFlag: 'CREATED' };
    case 'deletion':
      return { changeFlag: 'DELETED' };
    case 'restore':
    case 'privacyDeletion':
      return {};
    case 'propertyChange':
      return describeValue(change, name, context);
    case 'merge':
      return {
        primaryObjectId: Number(change.primaryObjectId),
        mergedObjectIds: (change.mergedObjectIds ?? []).map(Number),
        newObjectId: Number(change.newObjectId),
        numberOfPropertiesMoved: change.numberOfPropertiesMoved ?? 0,
      };
    case 'associationChange':
      return describeAssociation(change, name, context.switches);
  }
}

function describeValue(
  change: CrmChange,
  name: string | undefined,
  context: ShapeContext,
): Record<string, unknown> {
  const sensitive = context.isSensitive(change.objectTypeId, change.property ?? '');
  const described = { propertyName: change.property };
  const flag = name === undefined ? { isSensitive: sensitive } : {};
  const value = change.value ?? '';
  if (value === '') {
    const { webhookClearedValue } = context.switches;
    if (webhookClearedValue === 'absent') return { ...described, ...flag };
    return { ...described, propertyValue: webhookClearedValue === 'null' ? null : '', ...flag };
  }
  if (sensitive) return { ...described, propertyValue: 'REDACTED', ...flag };
  return { ...described, propertyValue: value, ...flag };
}

function describeAssociation(
  change: CrmChange,
  name: string | undefined,
  switches: ShapeSwitches,
): Record<string, unknown> {
  const ends = {
    fromObjectId: Number(change.fromObjectId),
    toObjectId: Number(change.toObjectId),
    associationRemoved: change.associationRemoved ?? false,
    isPrimaryAssociation: change.isPrimaryAssociation ?? false,
  };
  const typeName = { associationType: associationName(change) };
  if (name !== undefined) return { ...typeName, ...ends };
  const typeIds = {
    fromObjectTypeId: change.objectTypeId,
    toObjectTypeId: change.toObjectTypeId,
    associationTypeId: change.associationTypeId,
    associationCategory: change.associationCategory,
  };
  if (switches.webhookGenericAssociation === 'typeName') return { ...typeName, ...ends };
  return {
    ...(switches.webhookGenericAssociation === 'both' ? typeName : {}),
    ...typeIds,
    ...ends,
  };
}

/** `CONTACT_TO_COMPANY`. */
function associationName(change: CrmChange): string {
  const end = (typeId: string | undefined): string =>
    (LEGACY_NAMES[typeId ?? ''] ?? typeId ?? '').toUpperCase();
  return `${end(change.objectTypeId)}_TO_${end(change.toObjectTypeId)}`;
}

/** The same number for the same subscription, in the range of real ones. */
function subscriptionId(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return 1_000_000 + ((hash >>> 0) % 9_000_000);
}
