/** What delivery carries from the claim to the settlement: one record's part of a call. */
import type { ItemError } from '../../shared/hubspot/errors.ts';
import type { DateBracket, RecordAnswer } from '../../shared/hubspot/hubspot.ts';
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import type { CallOperation, Value } from '../../shared/protocol/state.ts';

/** One record's write, claimed and in the ledger; its trace id is the request's id. */
export interface Claimed {
  readonly table: TableMapping;
  readonly object: string;
  readonly key: string;
  readonly request: string;
  readonly operation: CallOperation;
  /** Null for an upsert. */
  readonly hubspotId: string | null;
  /** What was claimed, by property, in canonical form. */
  readonly send: Readonly<Record<string, Value>>;
  /** What is sent, with constant companions and, on an upsert, the key property. */
  readonly wire: Readonly<Record<string, string>>;
  /** Value of the key property; of an upsert only. */
  readonly keyValue: string | null;
  /** For `associate`: the other record, and the one it replaces. */
  readonly association?: AssociationChange;
  /** Commit time of the first change, epoch ms. */
  readonly firstAt: number;
  readonly firstLsn: string;
  readonly lastLsn: string;
  readonly attempts: number;
  /** How often its batch ended in a way that one of its records may be the reason of. */
  readonly suspicion: number;
}

export interface AssociationChange {
  readonly name: string;
  readonly toObject: string;
  /** Null: no primary is wanted any more. */
  readonly to: string | null;
  readonly replaces: string | null;
}

/** What became of one record's part of a call. */
export type Outcome =
  | {
      readonly kind: 'answered';
      readonly answer: RecordAnswer;
      readonly startedAt: number;
      readonly completedAt: number;
      readonly correlationId?: string;
    }
  | { readonly kind: 'archived'; readonly date: DateBracket }
  | { readonly kind: 'associated'; readonly date: DateBracket }
  /** HubSpot has no record of that id, of an association at either end. */
  | { readonly kind: 'missing'; readonly error: ItemError }
  /** HubSpot refuses what was sent for good. */
  | { readonly kind: 'refused'; readonly error: ItemError }
  /** HubSpot refuses properties altogether: they leave the mapping until the next start. */
  | { readonly kind: 'property-refused'; readonly error: ItemError }
  /** It may have been carried out, or may be so later. */
  | { readonly kind: 'unknown'; readonly code: string }
  /** It certainly wasn't; to be sent again after a pause. */
  | { readonly kind: 'not-done'; readonly code: string; readonly retryAfterMs?: number };
