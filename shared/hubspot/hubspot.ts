/**
 * HubSpot as the rest of the program knows it: what can be asked, what an answer means, and what is
 * promised when none comes. client.ts is the one implementation; everything it throws is a
 * HubSpotError (errors.ts), whose disposition says what to do.
 *
 * What holds for every call:
 * - **One call is one HTTP request** (`readAssociations` and the `list…` calls follow their pages).
 *   The caller keeps to `batchSizes` and names each record once per call.
 * - **Durable:** when a write's answer is there, HubSpot holds what the answer says, which may be
 *   something else than was sent (a lifecycle stage doesn't go backwards, an email comes back in lower
 *   case). The answer counts, never what was sent.
 * - **Partial success** is success: look at `errors` and `unanswered`, the status alone says nothing.
 * - **Order:** results come in no particular order and are matched by id, key or trace id. Two calls
 *   that are under way together may be carried out in either order: the caller never has two writes
 *   of the same record under way.
 * - **Repeats:** reads may be repeated. A write that failed with `outcome: 'not-done'` may be repeated
 *   as it is. After `outcome: 'unknown'` it may have been done, or be done minutes later: it is read
 *   back first. Archiving twice is harmless; an upsert twice makes one record, but may put an old value
 *   over somebody's newer one.
 * - **Pace:** a call waits for its turn; the lane says who waits for whom. Answers 429 of the rolling
 *   and the secondly limit are waited out a few times before they are thrown; the daily limit is
 *   thrown at once, and `budget()` says until when.
 */
import type { ItemError } from './errors.ts';

/** First served first: people's own changes, their repeats, repairs, copies of whole tables. */
export type Lane = 'live' | 'retry' | 'drift' | 'backfill';

export interface CallOptions {
  /** `live` when not said. */
  readonly lane?: Lane;
  /** Aborted before the request is sent: not done; afterwards a write's outcome is unknown. */
  readonly signal?: AbortSignal;
}

/** Most inputs of one call. */
export const batchSizes = {
  write: 100,
  read: 100,
  /** Reading with history has a cap of its own. */
  history: 50,
  associations: 100,
  search: 200,
  list: 100,
} as const;

/** Milliseconds since the epoch on HubSpot's clock. */
export type Millis = number;

/** From the HTTP `Date` header: the call was carried out after `low` and not after `high`. */
export interface DateBracket {
  readonly low: Millis;
  readonly high: Millis;
}

/** One entry of a property's history. */
export interface HistoryItem {
  /** As HubSpot writes it; '' when it was cleared. */
  readonly value: string;
  readonly timestamp: Millis;
  /** `INTEGRATION`, `CRM_UI`, …: an open set. */
  readonly sourceType: string;
  /** The app's id for `INTEGRATION`. */
  readonly sourceId?: string;
}

export interface RecordAnswer {
  readonly id: string;
  /** Raw, as HubSpot writes them: dates are not converted. Null: asked for and empty. */
  readonly properties: Readonly<Record<string, string | null>>;
  /** The upsert input it answers; absent where HubSpot's answer doesn't show which one it was. */
  readonly key?: string;
  /** Of an upsert: the record was made by this call. */
  readonly isNew?: boolean;
  /** The input's trace id, where known. */
  readonly traceId?: string;
  readonly archived?: boolean;
  readonly archivedAt?: Millis;
  readonly createdAt?: Millis;
  /** The record's, not a property's: derived changes move it. No clock for values. */
  readonly updatedAt?: Millis;
  /** By property, newest first; only where history was asked for. */
  readonly histories?: Readonly<Record<string, readonly HistoryItem[]>>;
}

export interface BatchAnswer {
  readonly status: number;
  readonly results: readonly RecordAnswer[];
  /** Inputs that were refused. One entry may stand for several inputs (`ids`, `traceIds`). */
  readonly errors: readonly ItemError[];
  /**
   * What was sent and is in neither `results` nor `errors`: trace ids of writes, ids or keys of
   * reads. Of a write the outcome is unknown; of a read the record was merged into another
   * (`results` then has one that nobody asked for).
   */
  readonly unanswered: readonly string[];
  /** Both ends of the batch's work; of the `Date` header where the answer doesn't say. */
  readonly startedAt: Millis;
  readonly completedAt: Millis;
  readonly date: DateBracket;
  readonly correlationId?: string;
}

export interface ReadAnswer extends BatchAnswer {
  /** Ids or keys that HubSpot says it has no such record for. */
  readonly missing: readonly string[];
}

export interface UpdateInput {
  readonly id: string;
  /** Wire values: text, '' clears. */
  readonly properties: Readonly<Record<string, string>>;
  /** Unique within the call. */
  readonly traceId: string;
}

export interface UpsertInput {
  /** Value of the unique property. */
  readonly key: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly traceId: string;
}

export interface ReadRequest {
  /** HubSpot ids, or values of `idProperty`. */
  readonly ids: readonly string[];
  readonly idProperty?: string;
  readonly properties: readonly string[];
  /** Answers `histories` of the properties; at most `batchSizes.history` ids. */
  readonly withHistory?: boolean;
  /** Reads archived records *instead of* live ones. */
  readonly archived?: boolean;
}

export interface SearchFilter {
  readonly propertyName: string;
  readonly operator:
    | 'EQ'
    | 'NEQ'
    | 'LT'
    | 'LTE'
    | 'GT'
    | 'GTE'
    | 'BETWEEN'
    | 'IN'
    | 'NOT_IN'
    | 'HAS_PROPERTY'
    | 'NOT_HAS_PROPERTY';
  readonly value?: string;
  readonly highValue?: string;
  readonly values?: readonly string[];
}

export interface SearchRequest {
  /** All must hold; at most 6. */
  readonly filters: readonly SearchFilter[];
  /** HubSpot takes one. */
  readonly sort?: {
    readonly propertyName: string;
    readonly direction: 'ASCENDING' | 'DESCENDING';
  };
  readonly properties?: readonly string[];
  readonly limit?: number;
  /** An offset in disguise: `after` + `limit` may not pass 10,000. */
  readonly after?: string;
}

/** The index lags behind the records by seconds: use it to find ids, then read the values. */
export interface SearchAnswer {
  readonly total: number;
  readonly results: readonly RecordAnswer[];
  readonly after?: string;
}

export interface ListRequest {
  readonly limit?: number;
  readonly after?: string;
  readonly properties?: readonly string[];
  readonly archived?: boolean;
}

export interface ListAnswer {
  readonly results: readonly RecordAnswer[];
  readonly after?: string;
}

export interface AssociationType {
  /** `HUBSPOT_DEFINED`, `USER_DEFINED` or `INTEGRATOR_DEFINED`. */
  readonly category: string;
  readonly typeId: number;
  readonly label?: string;
}

export interface AssociationRow {
  readonly from: string;
  /** Each record once, with all its types. */
  readonly to: readonly { readonly id: string; readonly types: readonly AssociationType[] }[];
}

export interface AssociationInput {
  readonly from: string;
  readonly to: string;
  /** Replaces the pair's whole set of types. */
  readonly types: readonly { readonly category: string; readonly typeId: number }[];
}

export interface AssociationAnswer {
  readonly status: number;
  /** Of a creation: one for each pair that was refused, whose `ids` is the pair's `from`. */
  readonly errors: readonly ItemError[];
  readonly date: DateBracket;
}

export interface PropertyDefinition {
  readonly name: string;
  readonly label: string;
  /** `string`, `number`, `bool`, `date`, `datetime`, `enumeration`, … */
  readonly type: string;
  readonly fieldType: string;
  readonly groupName: string;
  readonly options: readonly {
    readonly label: string;
    readonly value: string;
    readonly hidden: boolean;
  }[];
  readonly calculated: boolean;
  readonly hasUniqueValue: boolean;
  /** The test for "can't be written"; now and then HubSpot refuses although it says false. */
  readonly readOnlyValue: boolean;
  readonly archived: boolean;
}

export type NewProperty = Pick<
  PropertyDefinition,
  'name' | 'label' | 'type' | 'fieldType' | 'groupName'
> & { readonly description?: string; readonly hasUniqueValue?: boolean };

export interface Pipeline {
  readonly id: string;
  readonly label: string;
  readonly archived: boolean;
  readonly stages: readonly {
    readonly id: string;
    readonly label: string;
    readonly archived: boolean;
    /** `probability`, `isClosed` and the like, as text. */
    readonly metadata: Readonly<Record<string, string>>;
  }[];
}

export interface Owner {
  /** What `hubspot_owner_id` holds; not the user's id. */
  readonly id: string;
  readonly email: string;
  readonly archived: boolean;
}

/** What the limiter knows, for the status and for whoever decides how large batches are. */
export interface Budget {
  readonly rate: {
    /** Requests per 10 s that HubSpot allows. */
    readonly limit: number;
    /** Requests that we sent in the last 10 s. */
    readonly used: number;
    readonly waiting: Readonly<Record<Lane, number>>;
    readonly underWay: number;
  };
  readonly daily: {
    /** Of the whole account; undefined where neither setting nor headers say. */
    readonly limit?: number;
    readonly remaining?: number;
    /** Sent by this process since its start or the last midnight of the account. */
    readonly used: number;
    /** What we may still send today with the reserve left to others. */
    readonly spendable?: number;
  };
  /** Nothing is sent before this time (our own clock, ms); undefined: nothing holds us. */
  readonly pausedUntil?: number;
  readonly pausedBy?: 'TEN_SECONDLY_ROLLING' | 'DAILY' | 'RESERVE' | 'REMAINING';
  /** A call of the live lane would go out at once. */
  readonly spare: boolean;
}

export interface HubSpot {
  /** Changes records by their HubSpot id. A missing id is an entry of `errors` with `ids`. */
  updateBatch(
    object: string,
    inputs: readonly UpdateInput[],
    options?: CallOptions,
  ): Promise<BatchAnswer>;

  /**
   * Makes records, or changes the ones that hold the key. Names a record once: two keys that HubSpot
   * takes for one (by case) are refused together.
   */
  upsertBatch(
    object: string,
    idProperty: string,
    inputs: readonly UpsertInput[],
    options?: CallOptions,
  ): Promise<BatchAnswer>;

  /** Archives by id. Ids that don't exist or are archived already are no error. */
  archiveBatch(
    object: string,
    ids: readonly string[],
    options?: CallOptions,
  ): Promise<{ readonly date: DateBracket }>;

  /**
   * Reads from the primary store: sees every write that was answered before. Answers all that was
   * asked for or fails: a record that couldn't be read doesn't pass for one that is missing.
   */
  readBatch(object: string, request: ReadRequest, options?: CallOptions): Promise<ReadAnswer>;

  search(object: string, request: SearchRequest, options?: CallOptions): Promise<SearchAnswer>;

  /** In the order of ids. The only way to find archived records; their list can't be filtered. */
  list(object: string, request?: ListRequest, options?: CallOptions): Promise<ListAnswer>;

  /** One row per id that was asked for, with an empty `to` where it has no associations. */
  readAssociations(
    from: string,
    to: string,
    ids: readonly string[],
    options?: CallOptions,
  ): Promise<readonly AssociationRow[]>;

  createAssociations(
    from: string,
    to: string,
    inputs: readonly AssociationInput[],
    options?: CallOptions,
  ): Promise<AssociationAnswer>;

  /** Removes every type between the pairs. */
  archiveAssociations(
    from: string,
    to: string,
    inputs: readonly { readonly from: string; readonly to: readonly string[] }[],
    options?: CallOptions,
  ): Promise<AssociationAnswer>;

  listProperties(object: string, options?: CallOptions): Promise<readonly PropertyDefinition[]>;
  createProperty(
    object: string,
    definition: NewProperty,
    options?: CallOptions,
  ): Promise<PropertyDefinition>;
  listPipelines(object: string, options?: CallOptions): Promise<readonly Pipeline[]>;
  listOwners(options?: CallOptions): Promise<readonly Owner[]>;
  accountDetails(
    options?: CallOptions,
  ): Promise<{ readonly portalId: number; readonly timeZone: string }>;

  budget(): Budget;
  /** Refuses what waits and what comes; what is under way ends by itself. */
  close(): void;
}
