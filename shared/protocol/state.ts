/**
 * What is remembered of a record so that both sides can be kept equal: the plain data that every
 * decision of this folder takes and answers. It is stored as it stands here (`record.state`), and
 * nothing outside this folder interprets it.
 */

/** A property's value in canonical HubSpot form (`canonical.ts`); '' is empty. Compared by `===`. */
export type Value = string;

/** Milliseconds since the epoch on HubSpot's clock (history time) unless a name says otherwise. */
export type Millis = number;

/**
 * What is known of the history time of a write: not before `low`, not after `high`; exact where
 * equal. An answer gives `startedAt` less and `completedAt` plus the tolerance; the echo's
 * `occurredAt` or a reading of the history makes it exact.
 */
export interface Bracket {
  readonly low: Millis;
  readonly high: Millis;
}

/**
 * Why a value waits to be sent: `change` a local change; `restore` an inbound value that a call of
 * ours may have overwritten; `compare` a comparison found the row different; `repeat` it was left by
 * a call whose outcome is unknown.
 */
export type Cause = 'change' | 'restore' | 'compare' | 'repeat';

/** A value that waits in the outbox. Its epoch is the property's: a mark drops what was pending. */
export interface Pending {
  readonly value: Value;
  readonly cause: Cause;
  /** Any token that changes when something later replaces it: tells whether it was the one sent. */
  readonly seq: string;
}

/** What waits in the outbox for a record, by property. */
export type Pendings = Readonly<Record<string, Pending>>;

/** One property as carried by a call. */
export interface Carried {
  readonly value: Value;
  readonly cause: Cause;
  /** The property's epoch at the claim. */
  readonly epoch: Millis;
  /** The pending value's token. */
  readonly seq: string;
  /** The same edit was sent before (not a new local change): its answer tells no history time. */
  readonly again: boolean;
  /** The write is later than this: the newest history time that was known at the claim. */
  readonly after: Millis;
  /** Time of the inbound value at the claim; what is foreign and newer was learned since. */
  readonly inbound: Millis;
  /** History time of the echo that came before the answer; null while none did. */
  readonly echo: Millis | null;
}

/** One entry of HubSpot's property history, as read. */
export interface HistoryEntry {
  readonly value: Value;
  /** History time. */
  readonly time: Millis;
  /** Its source is our app. Not a proof of our own write: HubSpot also writes in our name. */
  readonly ours: boolean;
}

/** A local value that gave way to HubSpot's, for the log of conflicts. */
export interface Conflict {
  readonly property: string;
  readonly local: Value;
  readonly hubspot: Value;
}

/** One line of the ledger: a value that was sent for a property. */
export interface Sent {
  readonly value: Value;
  /** The call that carried it. */
  readonly request: string;
  readonly epoch: Millis;
  readonly cause: Cause;
  /** Our own clock when it was sent; orders the ledger, never compared with history times. */
  readonly sentAt: Millis;
  /** Where its write lies in HubSpot's history; null while unknown. */
  readonly time: Bracket | null;
  readonly outcome: 'under-way' | 'settled' | 'unknown';
}

/** What is remembered of one property of one record. */
export interface PropertyState {
  /** The newest value HubSpot is known to hold. */
  readonly known: { readonly value: Value; readonly time: Bracket } | null;
  /**
   * The foreign value applied to the row last, with its history time. `text` is what the row then
   * held where that isn't what the value converts to (a numeric that was rounded): opaque here.
   */
  readonly inbound: {
    readonly value: Value;
    readonly time: Millis;
    readonly text?: string | null;
    /** Nobody told it: row and record were linked as they stood, and are taken for equal. */
    readonly assumed?: boolean;
  } | null;
  /** History time of the last inbound value that `consume` has passed in WAL order; 0 at first. */
  readonly epoch: Millis;
  /** The last settled push of a local value of the current epoch. */
  readonly standing: Bracket | null;
  /** Upper end of the newest own write that is known; 0 when none is. */
  readonly own: Millis;
  /** Values sent, oldest first, at most `LEDGER_LENGTH`: the last ones, and those without an outcome. */
  readonly ledger: readonly Sent[];
  /** What of ours is not later than this may have fallen out of the ledger. */
  readonly forgotten?: Millis;
  /** A value HubSpot refuses: never made pending by a comparison until the row changes. */
  readonly refused: Value | null;
}

export const LEDGER_LENGTH = 8;

/** Slack for HubSpot's clocks at each end of a bracket, in milliseconds. */
export const TOLERANCE_MS = 1000;

/** Which rule asks for a reading of HubSpot's history (counted by this name). */
export type DoubtReason =
  | 'readretry'
  | 'first'
  | 'answer'
  | 'bound'
  | 'echo'
  | 'hist'
  | 'sametime'
  | 'own-unknown'
  | 'existence'
  | 'missing'
  | 'reconcile'
  | 'created'
  | 'association';

export type CallOperation = 'update' | 'upsert' | 'archive' | 'associate';

/** The one call of a record that is under way. */
export interface Call {
  readonly request: string;
  /** The lease's term: a call of another term was left by a process that died. */
  readonly term: number;
  readonly operation: CallOperation;
  /** Null for an upsert: the answer brings it. */
  readonly hubspotId: string | null;
  /** Token of the pending operation at the claim: tells whether it was the one carried out. */
  readonly seq?: string;
  /** Our own clock. */
  readonly startedAt: Millis;
  /** What it carries, by property. */
  readonly values: Readonly<Record<string, Carried>>;
  /** A comparison met the call: it is made when the call has ended. */
  readonly compareAfter: boolean;
  /** Ids whose own creation was announced while the call was under way. */
  readonly sawCreated: readonly string[];
}

/** Everything remembered of one record. */
export interface RecordState {
  /** Grows whenever something is learned of the record; a reading that began before is repeated. */
  readonly revision: number;
  readonly doubt: readonly DoubtReason[];
  readonly call: Call | null;
  /**
   * A comparison is wanted: a compare message with the row's text, written to the WAL in a
   * transaction of its own, which clears this (`comparisonEmitted`). Durable, so that a crash
   * between the wish and the message loses nothing.
   */
  readonly compareWanted: boolean;
  readonly properties: Readonly<Record<string, PropertyState>>;
  readonly existence: ExistenceState;
}

/** Existence is a property with a clock of its own: alive or dead as of a history time, per id. */
export interface ExistenceState {
  /** The linked HubSpot record. */
  readonly link: string | null;
  /** The link is known alive as of here. */
  readonly alive: Bracket | null;
  /** Every id that was ever this key's, the link included; newest last, bounded. */
  readonly ids: readonly KnownId[];
  /**
   * The HubSpot record was deleted there and the delete policy left the row (`keep`, `mark`): the
   * row stays without a link, and nothing of it is sent until it is inserted anew or restored.
   */
  readonly detached?: boolean;
  /**
   * How many marks of a deletion or insertion of the row are on their way through the WAL: all that
   * waits for the record comes before them in WAL order, so nothing is sent. Absent is 0.
   */
  readonly marks?: number;
}

export interface KnownId {
  readonly id: string;
  /** Known to be deleted or archived as of here. */
  readonly dead: Bracket | null;
  /** An archive of ours was sent for it that may yet be carried out: not answered, or given up. */
  readonly archivedByUs: boolean;
  /** One sent before the last has no answer either. */
  readonly archiveOpen?: boolean;
  /** Token of the local deletion that the last archive of ours carried out. */
  readonly archiveSeq?: string;
  /** It became known as this record's, but was never linked nor judged. */
  readonly unjudged?: boolean;
  /** A call of ours created it. */
  readonly createdByUs: boolean;
}

/** What waits in the outbox for the record as a whole. */
export type PendingOperation = 'write' | 'delete';

export const newProperty: PropertyState = {
  known: null,
  inbound: null,
  epoch: 0,
  standing: null,
  own: 0,
  ledger: [],
  refused: null,
};

export const newRecord: RecordState = {
  revision: 0,
  doubt: [],
  call: null,
  compareWanted: false,
  properties: {},
  existence: { link: null, alive: null, ids: [] },
};

/** The property's state, also where nothing was remembered yet. */
export function propertyOf(record: RecordState, property: string): PropertyState {
  return record.properties[property] ?? newProperty;
}
