/**
 * Everything that can go wrong with a call to HubSpot, in one table: what it means for the work
 * (disposition), whether the call may have been carried out (outcome), and what to do.
 * error-bodies.ts reads the answers, classify.ts picks the row.
 */
import { type ErrorKind, type Facts, SyncError } from '../service/errors.ts';

/**
 * `not-done`: HubSpot has not carried it out and won't. `unknown`: it may have, or still may.
 * Reads are always `not-done`: nothing hangs on them.
 */
export type Outcome = 'not-done' | 'unknown';

interface HubSpotErrorKind extends ErrorKind {
  readonly outcome: Outcome;
}

/**
 * `doubt` is a write's; the same trouble with a read is `retry`. Nothing that may pass by itself ever
 * leads to `split` or `bury`.
 */
export const hubspotErrorKinds = {
  HUBSPOT_RATE_LIMITED: {
    disposition: 'retry',
    outcome: 'not-done',
    advice:
      'Nothing to do; if it goes on, another program uses the same app: lower HUBSPOT_RATE_LIMIT.',
  },
  HUBSPOT_DAILY_LIMIT: {
    disposition: 'retry',
    outcome: 'not-done',
    advice:
      'The account’s requests of the day are used up; they return at midnight in the account’s time zone. Changes wait in the outbox.',
  },
  HUBSPOT_LOCKED: {
    disposition: 'retry',
    outcome: 'not-done',
    advice: 'HubSpot works on the record; the call is repeated after two seconds.',
  },
  HUBSPOT_MIGRATING: {
    disposition: 'retry',
    outcome: 'not-done',
    advice: 'HubSpot moves the account between its data centres; changes wait in the outbox.',
  },
  HUBSPOT_UNAVAILABLE: {
    disposition: 'retry',
    outcome: 'not-done',
    advice:
      'HubSpot’s edge reaches no server of HubSpot; see status.hubspot.com. Changes wait in the outbox.',
  },
  HUBSPOT_SERVER_ERROR: {
    disposition: 'doubt',
    outcome: 'unknown',
    advice: 'HubSpot failed while it worked on the call; the records are read back.',
  },
  HUBSPOT_NO_CONNECTION: {
    disposition: 'retry',
    outcome: 'not-done',
    advice: 'Check HUBSPOT_BASE_URL, DNS and the network of this host.',
  },
  HUBSPOT_CONNECTION_LOST: {
    disposition: 'doubt',
    outcome: 'unknown',
    advice: 'The connection broke before the answer; the records are read back.',
  },
  HUBSPOT_TIMEOUT: {
    disposition: 'doubt',
    outcome: 'unknown',
    advice:
      'No answer within HUBSPOT_CALL_TIMEOUT_MS; the records are read back. Raise it if HubSpot is often slow.',
  },
  HUBSPOT_UNREADABLE: {
    disposition: 'doubt',
    outcome: 'unknown',
    advice:
      'The answer isn’t what HubSpot answers; a proxy may have changed it. The records are read back.',
  },
  HUBSPOT_ABORTED: {
    disposition: 'retry',
    outcome: 'not-done',
    advice: 'The program was stopping; the work is taken up at the next start.',
  },
  HUBSPOT_ABORTED_UNDER_WAY: {
    disposition: 'doubt',
    outcome: 'unknown',
    advice: 'The program was stopping while the call was under way; the records are read back.',
  },
  HUBSPOT_TOKEN_REFUSED: {
    disposition: 'stop',
    outcome: 'not-done',
    advice:
      'Check HUBSPOT_ACCESS_TOKEN: it may be revoked or mistyped. Changes wait in the outbox.',
  },
  HUBSPOT_SCOPE_MISSING: {
    disposition: 'stop',
    outcome: 'not-done',
    advice: 'Give the app the scopes that doctor lists. Changes wait in the outbox.',
  },
  HUBSPOT_FORBIDDEN: {
    disposition: 'retry',
    outcome: 'not-done',
    advice: 'A firewall or proxy may stand between; if it is HubSpot, check the app’s permissions.',
  },
  HUBSPOT_PATH_UNKNOWN: {
    disposition: 'retry',
    outcome: 'not-done',
    advice: 'Check HUBSPOT_BASE_URL, HUBSPOT_API_VERSION and the object’s name in the mapping.',
  },
  HUBSPOT_NOT_FOUND: {
    disposition: 'split',
    outcome: 'not-done',
    advice: 'The record was deleted or merged in HubSpot; it is read back.',
  },
  HUBSPOT_PROPERTY_REFUSED: {
    disposition: 'property',
    outcome: 'not-done',
    advice: 'Run doctor: the property doesn’t exist in HubSpot or can’t be written.',
  },
  HUBSPOT_KEY_NOT_UNIQUE: {
    disposition: 'retry',
    outcome: 'not-done',
    advice:
      'Run `pg-hubspot-sync doctor --fix`: it creates the unique property that new records are made by.',
  },
  HUBSPOT_VALUES_REFUSED: {
    disposition: 'split',
    outcome: 'not-done',
    advice: 'Correct the row’s value, or the value map or codec in the mapping.',
  },
  HUBSPOT_DUPLICATE_IDS: {
    disposition: 'split',
    outcome: 'not-done',
    advice: 'Two rows stand for one HubSpot record: make their keys differ.',
  },
  HUBSPOT_CONFLICT: {
    disposition: 'split',
    outcome: 'not-done',
    advice:
      'Another HubSpot record holds the unique value, such as the email: merge or correct the two.',
  },
  HUBSPOT_TOO_LARGE: {
    disposition: 'split',
    outcome: 'not-done',
    advice: 'The row’s values are too large for HubSpot: shorten them.',
  },
  HUBSPOT_REQUEST_REFUSED: {
    disposition: 'split',
    outcome: 'not-done',
    advice: 'Read HubSpot’s message in the dead letter.',
  },
} as const satisfies Record<string, HubSpotErrorKind>;

export type HubSpotErrorCode = keyof typeof hubspotErrorKinds;

/** One error of an answer, in whatever shape it came. */
export interface ItemError {
  readonly code: HubSpotErrorCode;
  readonly disposition: HubSpotErrorKind['disposition'];
  /** HubSpot's text. It quotes values: for dead letters only, never for a log. */
  readonly message: string;
  /** HubSpot's own words: `VALIDATION_ERROR`, `CONFLICT`, `OBJECT_NOT_FOUND`, … */
  readonly category?: string;
  readonly subCategory?: string;
  /** HubSpot's finer codes: `INVALID_OPTION`, `PROPERTY_DOESNT_EXIST`, … each once. */
  readonly reasons: readonly string[];
  /** Trace ids of the inputs it is about; empty where HubSpot doesn't say. */
  readonly traceIds: readonly string[];
  /** HubSpot ids, or keys, that it is about; empty where HubSpot doesn't say. */
  readonly ids: readonly string[];
  /** Names of the properties it is about. */
  readonly properties: readonly string[];
  /** Of a conflict: the records that hold the value. */
  readonly existingIds: readonly string[];
  readonly correlationId?: string;
}

export interface HubSpotErrorDetails {
  /** Undefined where no answer came. */
  readonly status?: number;
  readonly category?: string;
  /** Which limit a 429 is about. */
  readonly policyName?: string;
  /** HubSpot's wish, or ours; not before. */
  readonly retryAfterMs?: number;
  readonly correlationId?: string;
  /** What the answer says, parsed; empty where it says nothing. */
  readonly items?: readonly ItemError[];
  /** Whether the call could change something in HubSpot. */
  readonly write: boolean;
  readonly facts?: Facts;
  readonly cause?: unknown;
}

/**
 * A call that failed as a whole. `code` is the row of the table; `message` names codes, statuses and
 * property names, never values.
 */
export class HubSpotError extends SyncError {
  override name = 'HubSpotError';
  declare readonly code: HubSpotErrorCode;
  readonly status: number | undefined;
  readonly outcome: Outcome;
  readonly category: string | undefined;
  readonly policyName: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly correlationId: string | undefined;
  readonly items: readonly ItemError[];

  constructor(code: HubSpotErrorCode, message: string, details: HubSpotErrorDetails) {
    const kind: HubSpotErrorKind = hubspotErrorKinds[code];
    super(code, message, {
      advice: kind.advice,
      disposition: kind.disposition === 'doubt' && !details.write ? 'retry' : kind.disposition,
      facts: {
        ...details.facts,
        status: details.status,
        category: details.category,
        policyName: details.policyName,
        correlationId: details.correlationId,
      },
      cause: details.cause,
    });
    this.status = details.status;
    this.outcome = details.write ? kind.outcome : 'not-done';
    this.category = details.category;
    this.policyName = details.policyName;
    this.retryAfterMs = details.retryAfterMs;
    this.correlationId = details.correlationId;
    this.items = details.items ?? [];
  }

  /** Names of the properties that `code` is about, each once; others may be wrong besides. */
  get properties(): readonly string[] {
    const about = this.items.filter((item) => item.code === this.code);
    return [...new Set(about.flatMap((item) => item.properties))];
  }

  /** HubSpot's own text, which quotes values: for dead letters only. */
  get hubspotMessage(): string {
    return this.items.map((item) => item.message).join('\n');
  }
}
