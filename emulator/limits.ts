// The budgets of HubSpot: a rolling burst window per app, a search limit per account, the associations
// API's own window, and a day shared by every app of the portal. server.ts asks here before anything else runs.
import { randomUUID } from 'node:crypto';
import type { Journal } from './journal.ts';

/** What the limits read from the behaviour at each request, so that a switch works at once. */
export type LimitSwitches = {
  /** Requests of the account's apps in one day of the portal. */
  dailyLimit: number;
  /** Requests to associations paths in 10 seconds. */
  associationsLimit: number;
  /** Searches in one second, for the whole account. */
  searchLimit: number;
  /** Whether a search counts in the 10-second window too. */
  searchCountsInBurst: boolean;
  /** Requests per second that other apps of the account make. They eat from the day. */
  foreignCallsPerSecond: number;
  /** Searches per second that other apps of the account make. They eat from the search limit. */
  foreignSearchesPerSecond: number;
  /** Whether a request that was answered 429 is charged all the same. */
  chargeRejected: boolean;
  /** The unit of `Retry-After` on 429, or `none`. */
  retryAfter: 'none' | 'seconds' | 'milliseconds';
  /** IANA name: the day begins at midnight here. */
  portalTimeZone: string;
};

/** Which budgets a request is counted in. */
export type CallKind = { search: boolean; associations: boolean };

export type LimitAnswer = {
  /** Rate-limit headers; none on searches, since HubSpot sends none there. */
  headers: Record<string, string>;
  /** Present when the request is refused: the 429 body. */
  refusal?: Record<string, unknown>;
};

/** The day's account, in the words of the usage endpoint. */
export type DailyUsage = { used: number; limit: number; resetsAt: number };

export type Limits = {
  /** Counts one request in all its budgets, or refuses it. */
  take(kind: CallKind): LimitAnswer;
  /** What all apps together have used since midnight in the portal's zone. */
  readDailyUsage(): DailyUsage;
};

const BURST_MS = 10_000;

/** `day` is `YYYY-MM-DD` in the portal's zone, `foreign` the calls of other apps until `foreignUntil`. */
type Day = { day: string; own: number; foreign: number; foreignUntil: number };

/** `rateLimit` is the number of requests in any 10 seconds; `now` gives epoch milliseconds. */
export function createLimits(options: {
  rateLimit: number;
  appId: number;
  journal: Journal;
  now: () => number;
  switches: LimitSwitches;
}): Limits {
  const { rateLimit, appId, journal, now, switches } = options;
  const days = journal.map<Day>('daily-usage');
  const burst = createRollingWindow(BURST_MS);
  const lastSecond = createRollingWindow(1000);
  const associations = createRollingWindow(BURST_MS);
  const searches = createRollingWindow(1000);

  const currentDay = (at: number): Day => {
    const day = dayInZone(at, switches.portalTimeZone);
    const known = days.get('portal');
    if (known === undefined || known.day !== day) {
      return { day, own: 0, foreign: 0, foreignUntil: at };
    }
    const elapsed = Math.max(0, at - known.foreignUntil);
    const foreign = known.foreign + (elapsed / 1000) * switches.foreignCallsPerSecond;
    return { ...known, foreign, foreignUntil: at };
  };

  return {
    take(kind) {
      const at = now();
      const day = currentDay(at);
      const usedToday = day.own + Math.floor(day.foreign);
      const foreignSearches = countForeign(at, switches.foreignSearchesPerSecond);

      let policy: Policy | undefined;
      let freeAt = at;
      if (usedToday >= switches.dailyLimit) {
        policy = 'DAILY';
        freeAt = nextMidnight(at, switches.portalTimeZone);
      } else if (countsInBurst(kind) && burst.count(at) >= rateLimit) {
        policy = 'TEN_SECONDLY_ROLLING';
        freeAt = burst.freeAt(at, rateLimit);
      } else if (kind.associations && associations.count(at) >= switches.associationsLimit) {
        policy = 'TEN_SECONDLY_ROLLING';
        freeAt = associations.freeAt(at, switches.associationsLimit);
      } else if (kind.search && searches.count(at) + foreignSearches >= switches.searchLimit) {
        policy = 'SECONDLY';
        freeAt = at + 1000;
      }

      const charged = policy === undefined || switches.chargeRejected;
      if (charged) {
        if (countsInBurst(kind)) burst.add(at);
        if (kind.associations) associations.add(at);
        if (kind.search) searches.add(at);
        lastSecond.add(at);
        day.own += 1;
      }
      days.set('portal', day);

      const headers: Record<string, string> = {};
      if (!kind.search) {
        const usedNow = day.own + Math.floor(day.foreign);
        const secondly = Math.floor(rateLimit / 10);
        headers['X-HubSpot-RateLimit-Daily'] = String(switches.dailyLimit);
        headers['X-HubSpot-RateLimit-Daily-Remaining'] = remaining(switches.dailyLimit, usedNow);
        headers['X-HubSpot-RateLimit-Interval-Milliseconds'] = String(BURST_MS);
        headers['X-HubSpot-RateLimit-Max'] = String(rateLimit);
        headers['X-HubSpot-RateLimit-Remaining'] = remaining(rateLimit, burst.count(at));
        headers['X-HubSpot-RateLimit-Secondly'] = String(secondly);
        headers['X-HubSpot-RateLimit-Secondly-Remaining'] = remaining(
          secondly,
          lastSecond.count(at),
        );
      }
      if (policy === undefined) return { headers };
      if (switches.retryAfter !== 'none') {
        const wait = Math.max(1, freeAt - at);
        headers['Retry-After'] = String(
          switches.retryAfter === 'seconds' ? Math.ceil(wait / 1000) : wait,
        );
      }
      return { headers, refusal: describeRefusal(policy, appId) };
    },

    readDailyUsage() {
      const at = now();
      const day = currentDay(at);
      return {
        used: Math.min(day.own + Math.floor(day.foreign), switches.dailyLimit),
        limit: switches.dailyLimit,
        resetsAt: nextMidnight(at, switches.portalTimeZone),
      };
    },
  };

  function countsInBurst(kind: CallKind): boolean {
    return !kind.search || switches.searchCountsInBurst;
  }
}

type Policy = 'DAILY' | 'TEN_SECONDLY_ROLLING' | 'SECONDLY';

/**
 * The bodies as real ones were published: no `category`; the ten-secondly one names a group,
 * the others a request.
 */
function describeRefusal(policy: Policy, appId: number): Record<string, unknown> {
  const body = {
    status: 'error',
    message: `You have reached your ${policy.toLowerCase()} limit.`,
    errorType: 'RATE_LIMIT',
    correlationId: randomUUID(),
    policyName: policy,
  };
  return policy === 'TEN_SECONDLY_ROLLING'
    ? { ...body, groupName: `publicapi:private-app-api-calls-ten-secondly:${appId}` }
    : { ...body, requestId: randomUUID() };
}

type RollingWindow = {
  /** Calls in the `lengthMs` before `at`. */
  count(at: number): number;
  add(at: number): void;
  /** When the count falls below `limit` if nothing more is added. */
  freeAt(at: number, limit: number): number;
};

/** A true rolling window: it remembers each call's time, so that no interval of its length holds more. */
function createRollingWindow(lengthMs: number): RollingWindow {
  let times: number[] = [];
  let first = 0;
  const forget = (at: number): void => {
    for (;;) {
      const time = times[first];
      if (time === undefined || time > at - lengthMs) break;
      first += 1;
    }
    if (first > 1000) {
      times = times.slice(first);
      first = 0;
    }
  };
  return {
    count(at) {
      forget(at);
      return times.length - first;
    },
    add(at) {
      times.push(at);
    },
    freeAt(at, limit) {
      forget(at);
      const blocking = times[times.length - Math.max(1, limit)];
      return blocking === undefined ? at : blocking + lengthMs;
    },
  };
}

/** How many calls of an even stream fall into the last second. */
function countForeign(at: number, perSecond: number): number {
  return Math.floor((at * perSecond) / 1000) - Math.floor(((at - 1000) * perSecond) / 1000);
}

function remaining(limit: number, used: number): string {
  return String(Math.max(0, limit - used));
}

const DAY_MS = 86_400_000;

function dayInZone(at: number, timeZone: string): string {
  return dayFormat(timeZone).format(at);
}

/** The first moment whose date in the zone is another one, to the millisecond, also on a day of 23 hours. */
function nextMidnight(at: number, timeZone: string): number {
  const today = dayInZone(at, timeZone);
  let before = at;
  let after = at + DAY_MS + 2 * 3_600_000;
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (dayInZone(middle, timeZone) === today) before = middle;
    else after = middle;
  }
  return after;
}

const dayFormats = new Map<string, Intl.DateTimeFormat>();

function dayFormat(timeZone: string): Intl.DateTimeFormat {
  const known = dayFormats.get(timeZone);
  if (known) return known;
  const format = new Intl.DateTimeFormat('en-CA', { timeZone, dateStyle: 'short' });
  dayFormats.set(timeZone, format);
  return format;
}
