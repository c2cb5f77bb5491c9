// Everything about HubSpot that its documentation leaves open, as switches: `GET /_emulator/behaviour` lists
// them, `POST` changes them. All other parts read the object handed to them at each use, so that a change
// works at once.
import type { Journal } from './journal.ts';

/** A switch: what it is set to when nobody has set it, what else is possible, and what it decides. */
type Switch<T> = { default: T; explain: string; oneOf?: readonly T[]; min?: number; max?: number };

function flag(value: boolean, explain: string): Switch<boolean> {
  return { default: value, explain };
}

function amount(value: number, explain: string, min = 0, max = 1e12): Switch<number> {
  return { default: value, explain, min, max };
}

function choice<const T extends string>(
  oneOf: readonly T[],
  value: NoInfer<T>,
  explain: string,
): Switch<T> {
  return { default: value, explain, oneOf };
}

function text(value: string, explain: string): Switch<string> {
  return { default: value, explain };
}

/** The switches of records, associations and answers. */
const CRM_SWITCHES = {
  lifecycleDefault: flag(
    true,
    'A new contact or company without a lifecycle stage gets `lead` (and its lifecycle pipeline).',
  ),
  closeDateOnClosing: flag(true, 'Moving a deal into a closed stage sets its close date to now.'),
  probabilityFromStage: flag(true, "Moving a deal sets hs_deal_stage_probability to the stage's."),
  probabilityWritable: flag(false, 'Whether hs_deal_stage_probability takes writes by API.'),
  companyFromEmailDomain: flag(
    true,
    "A contact without a company gets the one of its email's domain, created if need be.",
  ),
  companyFromEmailDomainDelayMs: amount(
    0,
    'How long after the contact that company comes, in milliseconds.',
  ),
  lifecycleFromDeals: flag(
    false,
    "A deal's company moves forward to `opportunity`, and to `customer` when the deal is won.",
  ),
  sideEffectSource: choice(
    ['writer', 'own-app', 'calculated'],
    'writer',
    'Whom history and webhooks name for what HubSpot itself changes: the source of the write that set it off, the app (INTEGRATION), or CALCULATED.',
  ),
  firstAssociationIsPrimary: flag(
    false,
    'The first company associated without a label becomes the primary one.',
  ),
  derivedBumpChance: amount(
    0.3,
    'Chance that a write is followed, 1 to 15 s later, by a bump of the modified date alone.',
    0,
    1,
  ),
  searchLagMs: amount(0, 'Search answers from an index that is this many milliseconds old.'),
  shuffleResults: flag(true, 'Batch answers list their results in an order of their own.'),
  traceIdsOnUpdate: choice(
    ['partial', 'reject'],
    'partial',
    'With a trace id on every input, one invalid input of an update fails alone or fails the batch.',
  ),
  traceIdsOnUpsert: choice(['partial', 'reject'], 'partial', 'The same for an upsert.'),
  partialUpsertByEmail: flag(
    false,
    'Whether trace ids make an upsert by email partial too; documented as unsupported.',
  ),
  upsertFindsSecondaryEmail: flag(
    false,
    'Whether an upsert by one of the additional emails of a contact finds it. If not it is a conflict.',
  ),
  uniqueValuesIgnoreCase: flag(
    false,
    'Whether values of custom unique properties are the same in whatever case.',
  ),
  associatedIdsAsText: flag(false, 'Whether v4 writes ids of associated records as text too.'),
  upsertRaceMs: amount(
    0,
    'An upsert that finds a record younger than this loses the race for its key instead of updating it.',
  ),
  upsertRaceLoser: choice(['409', '423'], '409', 'What the loser of that race is answered.'),
  traceIdInResults: flag(
    false,
    'Whether results repeat their objectWriteTraceId; recorded ones did not.',
  ),
  datedErrors: choice(
    ['200', '207'],
    '200',
    'Status of a batch answer that holds errors on dated paths.',
  ),
  conflictBody: choice(
    ['conflict', 'object-already-exists'],
    'conflict',
    'Which of the two recorded 409 bodies a contact with a taken email gets.',
  ),
  readOnlyCode: choice(
    ['READ_ONLY_VALUE', 'PROPERTY_READ_ONLY'],
    'READ_ONLY_VALUE',
    'Error code of a write to a read-only property.',
  ),
  clearedReadsAs: choice(['null', 'empty'], 'null', 'A cleared value in answers: null or "".'),
  numberForm: choice(
    ['as-sent', 'canonical', 'decimal'],
    'as-sent',
    'Numbers are kept as sent (100.50), shortened (100.5) or given a fraction (100.0).',
  ),
  mergeKeepsPrimaryId: flag(
    false,
    'Merges keep the id of the primary record, as before 2025, instead of making a third one.',
  ),
  singleDeleteOfUnknown: choice(
    ['204', '404'],
    '204',
    'Answer to DELETE of an id that does not exist.',
  ),
} as const;

/** The switches of tokens, limits and webhooks. */
const WIRE_SWITCHES = {
  missingScopes: text(
    '',
    'Scopes the app lacks, separated by commas (`crm.objects.deals.write`): calls that need one get 403.',
  ),
  malformedTokenStatus: choice(
    ['401', '530'],
    '401',
    'Status for a token that does not look like one; real ones were sometimes answered 530.',
  ),
  dailyLimit: amount(625_000, "Requests of all the account's apps in one day of the portal."),
  portalTimeZone: text(
    'UTC',
    'IANA name of the portal time zone: the day begins at midnight here.',
  ),
  associationsLimit: amount(150, 'Requests to associations paths in any 10 seconds.'),
  searchLimit: amount(5, 'Searches in any second, for the whole account.'),
  searchCountsInBurst: flag(true, 'Whether searches count in the 10-second window too.'),
  foreignCallsPerSecond: amount(0, 'Requests of other apps, which eat from the day.'),
  foreignSearchesPerSecond: amount(0, 'Searches of other apps, which eat from the search limit.'),
  chargeRejected: flag(false, 'Whether a request answered 429 is counted in the limits.'),
  retryAfter: choice(
    ['none', 'seconds', 'milliseconds'],
    'none',
    'Whether a 429 bears Retry-After, and in which unit.',
  ),
  webhookShape: choice(
    ['legacy', 'generic'],
    'legacy',
    'Events of standard objects as `deal.propertyChange` or as `object.propertyChange`.',
  ),
  webhookWindowMs: amount(75, 'Events gather this long before they leave in one request.'),
  webhookBatchSize: amount(100, 'Events in one request at most.', 1, 100),
  webhookConcurrency: amount(10, 'Webhook requests under way at once.', 1, 1000),
  webhookTimeoutMs: amount(5000, 'A webhook request not answered in this time has failed.', 1),
  webhookRetryBaseMs: amount(
    1000,
    'The first retry comes after about this; each wait doubles up to 20 times it.',
  ),
  webhookMaxRetries: amount(10, 'Retries before an event is given up.'),
  webhookLagMs: amount(2000, 'How far a reordered or doubled event lags behind at most.'),
  webhookRetryKeepsEventId: flag(true, 'Whether a retried event keeps its event id.'),
  webhookEventIdCollisionEvery: amount(
    0,
    'Every n-th event takes the id of the one before it; 0: none.',
  ),
  webhookClearedValue: choice(
    ['empty', 'null', 'absent'],
    'empty',
    'How an event tells that a value was cleared.',
  ),
  webhookMergeObjectId: choice(
    ['primary', 'new', 'absent'],
    'primary',
    'Which record a merge event names as objectId.',
  ),
  webhookGenericAssociation: choice(
    ['typeIds', 'typeName', 'both'],
    'typeIds',
    'How a generic association event names the association.',
  ),
  webhookMixPortals: flag(false, 'Whether each request also bears an event of another portal.'),
} as const;

/** All switches. The parts that own them stand above. */
const SWITCHES = { ...CRM_SWITCHES, ...WIRE_SWITCHES };

type ValueOf<S> = S extends Switch<infer T> ? T : never;

/** The present setting of every switch, by name. Changed by {@link openBehaviour}'s `change` only. */
export type Behaviour = { -readonly [K in keyof typeof SWITCHES]: ValueOf<(typeof SWITCHES)[K]> };

export type SwitchName = keyof Behaviour;

/** One line of the list of switches. */
export type DescribedSwitch = {
  name: string;
  value: unknown;
  default: unknown;
  oneOf?: readonly unknown[];
  explain: string;
};

export type BehaviourHandle = {
  /** Live: the same object all the time. */
  behaviour: Behaviour;
  /** Sets switches by name; nothing is set if one is refused. Throws {@link UnknownSwitchError}. */
  change(changes: Record<string, unknown>): void;
  /** Back to the defaults. */
  reset(): void;
  list(): DescribedSwitch[];
};

/** A switch that does not exist or cannot take that value. */
export class UnknownSwitchError extends Error {
  override name = 'UnknownSwitchError';
}

/** The settings kept in the journal, over those of `defaults`, over the defaults of the table. */
export function openBehaviour(
  journal: Journal,
  defaults: Partial<Behaviour> = {},
): BehaviourHandle {
  const kept = journal.map<unknown>('behaviour');
  const behaviour = {} as Record<string, unknown>;
  const startValue = (name: string): unknown =>
    (defaults as Record<string, unknown>)[name] ?? tableOf(name)?.default;
  for (const name of Object.keys(SWITCHES)) {
    behaviour[name] = kept.get(name) ?? startValue(name);
  }
  return {
    behaviour: behaviour as Behaviour,
    change(changes) {
      for (const [name, value] of Object.entries(changes)) checkSetting(name, value);
      journal.together(() => {
        for (const [name, value] of Object.entries(changes)) {
          behaviour[name] = value;
          kept.set(name, value);
        }
      });
    },
    reset() {
      journal.together(() => {
        for (const name of Object.keys(SWITCHES)) {
          behaviour[name] = startValue(name);
          kept.delete(name);
        }
      });
    },
    list() {
      return Object.entries(SWITCHES).map(([name, entry]) => ({
        name,
        value: behaviour[name],
        default: startValue(name),
        ...('oneOf' in entry ? { oneOf: entry.oneOf as readonly unknown[] } : {}),
        explain: entry.explain,
      }));
    },
  };
}

function tableOf(name: string): Switch<unknown> | undefined {
  return Object.hasOwn(SWITCHES, name)
    ? (SWITCHES as unknown as Record<string, Switch<unknown>>)[name]
    : undefined;
}

function checkSetting(name: string, value: unknown): void {
  const entry = tableOf(name);
  if (entry === undefined) {
    throw new UnknownSwitchError(
      `There is no switch "${name}". GET /_emulator/behaviour lists all of them.`,
    );
  }
  if (typeof value !== typeof entry.default) {
    throw new UnknownSwitchError(`Switch "${name}" takes a ${typeof entry.default}.`);
  }
  if (entry.oneOf !== undefined && !entry.oneOf.includes(value)) {
    throw new UnknownSwitchError(`Switch "${name}" takes one of ${entry.oneOf.join(', ')}.`);
  }
  if (typeof value === 'number') {
    const { min = 0, max = Number.MAX_SAFE_INTEGER } = entry;
    if (!(value >= min && value <= max)) {
      throw new UnknownSwitchError(`Switch "${name}" takes a number from ${min} to ${max}.`);
    }
  }
}
