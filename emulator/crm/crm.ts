// The emulator's CRM: state and rules behind every API path and every control path. This file says what the
// other rooms of the emulator may ask of it; the rules stand in the files beside it.
import type { Behaviour } from '../behaviour.ts';
import type { Journal } from '../journal.ts';
import type { Actor, CrmChange } from './change.ts';
import type { CrmContext } from './context.ts';

/** One value that a property had; `timestamp` is epoch milliseconds. */
export type VisibleValue = {
  value: string;
  timestamp: number;
  sourceType: string;
  sourceId: string;
};

/** One association of a record, seen from it. */
export type VisibleAssociation = {
  /** The other side's type, as HubSpot's own paths name it. */
  toType: string;
  toId: string;
  category: string;
  typeId: number;
};

/** A record as a person sees it in HubSpot: every property that has a value. */
export type VisibleRecord = {
  id: string;
  properties: Record<string, string | null>;
  archived: boolean;
  /** Epoch milliseconds. */
  createdAt: number;
  updatedAt: number;
  /** Per property, newest first. */
  history: Record<string, VisibleValue[]>;
  associations: VisibleAssociation[];
};

/**
 * What the control path asks, acting as a user in HubSpot's own pages. `type` is a name or a type id.
 * All of them throw `Refusal` where HubSpot's page would refuse.
 */
export type CrmUser = {
  /** Archived records too; undefined if the id was never given out. Ids of merged records answer the survivor. */
  read(type: string, id: string): VisibleRecord | undefined;
  /** Every record of the type in id order, archived ones or the others. */
  list(type: string, archived: boolean): VisibleRecord[];
  /** `id` chooses the new record's id, for sample data; it must be free. */
  create(
    type: string,
    properties: Record<string, unknown>,
    actor: Actor,
    id?: string,
  ): VisibleRecord;
  edit(type: string, id: string, properties: Record<string, unknown>, actor: Actor): VisibleRecord;
  archive(type: string, id: string, actor: Actor): void;
  restore(type: string, id: string, actor: Actor): VisibleRecord;
  merge(type: string, primaryId: string, otherId: string, actor: Actor): VisibleRecord;
  /** Adds an association in both directions; `typeId` as seen from `fromType`, default the unlabeled one. */
  associate(ends: AssociationEnds, typeId: number | undefined, actor: Actor): void;
  /** Removes one type of association, or without `typeId` all between the two. */
  dissociate(ends: AssociationEnds, typeId: number | undefined, actor: Actor): void;
};

export type AssociationEnds = { fromType: string; fromId: string; toType: string; toId: string };

export type Crm = {
  user: CrmUser;
  /** The rules' own view, for the API paths. */
  context: CrmContext;
  /** The name that HubSpot's own paths use for a type (`deals`, `2-1234`), or the segment itself. */
  nameType(segment: string): string;
  /** Whether the property holds sensitive data, whose values webhooks never tell. */
  isSensitive(type: string, property: string): boolean;
  /** Active records per type name. */
  countObjects(): Record<string, number>;
  /** Forgets every index after the journal was cleared. */
  reset(): void;
  /** Stops the timers of what HubSpot would do later by itself; it goes on at the next start. */
  stop(): void;
};

export type CrmOptions = {
  journal: Journal;
  behaviour: Behaviour;
  /** Epoch milliseconds. */
  clock: () => number;
  portalId: number;
  appId: number;
  emit: (change: CrmChange) => void;
  /** From 0 to 1, below 1. Default Math.random. */
  random?: () => number;
};
