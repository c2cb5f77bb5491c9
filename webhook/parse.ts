/**
 * From the JSON of one webhook event to what it means here: which object type, which record, what
 * happened. Each event stands for itself; one of an odd shape never spoils its neighbours.
 */
import { z } from 'zod';
import type { AssociationMapping, Mapping, TableMapping } from '../shared/mapping/mapping.ts';

/** An id in HubSpot's JSON is a number; beyond 2^53 it would have lost digits already. */
const id = z
  .union([z.int().nonnegative(), z.string().regex(/^\d{1,30}$/)])
  .transform((value) => String(value));
const word = z.string().min(1).max(200);
const flag = z.boolean().nullish();

/** Fields as captured from real deliveries; more of them are no reason to refuse an event. */
const eventSchema = z.object({
  eventId: id.nullish(),
  portalId: id,
  /** History time, epoch milliseconds. */
  occurredAt: z.int().nonnegative().max(8.64e15),
  subscriptionType: z.string().regex(/^[\w.-]{1,200}$/),
  objectTypeId: word.nullish(),
  objectId: id.nullish(),
  changeSource: z.string().nullish(),
  sourceId: z.union([z.string(), z.number()]).nullish(),
  propertyName: word.nullish(),
  propertyValue: z.union([z.string(), z.number(), z.boolean()]).nullish(),
  isSensitive: flag,
  associationType: word.nullish(),
  associationTypeId: z.union([z.string(), z.number()]).nullish(),
  associationCategory: z.string().nullish(),
  fromObjectTypeId: word.nullish(),
  toObjectTypeId: word.nullish(),
  fromObjectId: id.nullish(),
  toObjectId: id.nullish(),
  associationRemoved: flag,
  primaryObjectId: id.nullish(),
  mergedObjectIds: z.array(id).max(1000).nullish(),
  newObjectId: id.nullish(),
});

/** An event's own fields, checked; ids as text. */
export type EventFields = z.infer<typeof eventSchema>;

/** The documentation's table calls the type `eventType`; real deliveries say `subscriptionType`. */
export function readFields(raw: unknown): EventFields | undefined {
  const named =
    typeof raw === 'object' && raw !== null && 'eventType' in raw && !('subscriptionType' in raw)
      ? { ...raw, subscriptionType: raw.eventType }
      : raw;
  const parsed = eventSchema.safeParse(named);
  return parsed.success ? parsed.data : undefined;
}

interface Common {
  readonly table: TableMapping;
  /** The HubSpot record; several for a merge. */
  readonly ids: readonly string[];
  /** History time. */
  readonly time: number;
  /** Its source is our app: no proof that the write was ours. */
  readonly ours: boolean;
  readonly eventId: string | undefined;
}

export type WebhookEvent = Common &
  (
    | {
        readonly kind: 'property';
        readonly property: string;
        /** As HubSpot tells it; '' where it was cleared. */
        readonly value: string;
        /** The value is withheld: it must be read. */
        readonly withheld: boolean;
      }
    | { readonly kind: 'creation' | 'deletion' | 'restore' | 'merge' | 'privacy' }
    | {
        readonly kind: 'association';
        readonly association: AssociationMapping;
        readonly toId: string;
        readonly removed: boolean;
      }
  );

/** Type ids of the objects that have a legacy shape (`deal.propertyChange`, `DEAL_TO_COMPANY`). */
const LEGACY_TYPES: ReadonlyMap<string, string> = new Map([
  ['contact', '0-1'],
  ['company', '0-2'],
  ['deal', '0-3'],
  ['ticket', '0-5'],
  ['product', '0-7'],
  ['line_item', '0-8'],
]);

const KINDS: ReadonlyMap<string, WebhookEvent['kind']> = new Map([
  ['propertyChange', 'property'],
  ['creation', 'creation'],
  ['deletion', 'deletion'],
  ['restore', 'restore'],
  ['merge', 'merge'],
  ['privacyDeletion', 'privacy'],
  ['associationChange', 'association'],
]);

/**
 * What an event means under the mapping; undefined where it is about nothing that is mapped, or
 * lacks what its kind needs. @param appId our app's id as HubSpot writes it into sources
 */
export function understand(
  fields: EventFields,
  mapping: Mapping,
  appId: string | undefined,
): WebhookEvent | undefined {
  const dot = fields.subscriptionType.indexOf('.');
  const subject = fields.subscriptionType.slice(0, dot);
  const kind = KINDS.get(fields.subscriptionType.slice(dot + 1));
  if (dot < 0 || kind === undefined) return undefined;
  const ends = kind === 'association' ? endsOf(fields) : undefined;
  const typeId = ends?.from ?? LEGACY_TYPES.get(subject) ?? fields.objectTypeId ?? undefined;
  const table = typeId === undefined ? undefined : mapping.objectOf(typeId);
  if (!table) return undefined;
  const common = {
    table,
    ids: idsOf(fields, kind),
    time: fields.occurredAt,
    ours:
      fields.changeSource === 'INTEGRATION' &&
      appId !== undefined &&
      String(fields.sourceId) === appId,
    eventId: fields.eventId ?? undefined,
  };
  if (common.ids.length === 0) return undefined;
  switch (kind) {
    case 'property': {
      if (!fields.propertyName || !table.property(fields.propertyName)) return undefined;
      const value = String(fields.propertyValue ?? '');
      // Generic events flag what they withhold, legacy ones only say so in place of the value.
      const withheld = value === 'REDACTED' || fields.isSensitive === true;
      return { ...common, kind, property: fields.propertyName, value, withheld };
    }
    case 'association': {
      const toObject = ends && mapping.objectOf(ends.to)?.object;
      const association = table.associations.find((candidate) => candidate.toObject === toObject);
      if (!association || !fields.toObjectId) return undefined;
      const removed = fields.associationRemoved ?? false;
      return { ...common, kind, association, toId: fields.toObjectId, removed };
    }
    default:
      return { ...common, kind };
  }
}

/** Association events of the legacy shape have no objectId at all; merges name several records. */
function idsOf(fields: EventFields, kind: WebhookEvent['kind']): string[] {
  const { objectId, fromObjectId, primaryObjectId, newObjectId, mergedObjectIds } = fields;
  const named =
    kind === 'association'
      ? [fromObjectId]
      : kind === 'merge'
        ? [newObjectId, primaryObjectId, objectId, ...(mergedObjectIds ?? [])]
        : [objectId];
  return [...new Set(named.filter((value): value is string => Boolean(value)))];
}

/** Type ids of both ends: from their own fields, or from `DEAL_TO_COMPANY`, `2-143_TO_CONTACT`. */
function endsOf(fields: EventFields): { from: string; to: string } | undefined {
  const { fromObjectTypeId, toObjectTypeId, associationType } = fields;
  if (fromObjectTypeId && toObjectTypeId) return { from: fromObjectTypeId, to: toObjectTypeId };
  const named = associationType?.split('_TO_') ?? [];
  if (named.length !== 2) return undefined;
  const [from, to] = named.map((name) => LEGACY_TYPES.get(name.toLowerCase()) ?? name);
  return from && to ? { from, to } : undefined;
}
