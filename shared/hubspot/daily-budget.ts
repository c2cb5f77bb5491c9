/**
 * The day's requests. They belong to the whole account: other apps use them up as well, and a share of
 * them is left to those. Counted by ourselves and by HubSpot's headers; a new day begins at midnight in
 * the account's time zone.
 */
import type { Budget, Lane } from './hubspot.ts';

/** Bottleneck's priorities: the lowest goes first. */
export const lanePriority: Readonly<Record<Lane, number>> = {
  live: 1,
  retry: 3,
  drift: 5,
  backfill: 7,
};

export interface DailyBudgetOptions {
  /** Requests of the account per day; undefined: as the headers say, and without them no limit. */
  readonly limit?: number | undefined;
  /** Share of the limit that is left to the account's other apps, in percent. */
  readonly reservePercent: number;
  readonly timeZone?: string;
  readonly now?: () => number;
}

export interface DailyHold {
  readonly until: number;
  readonly by: 'DAILY' | 'RESERVE';
}

export interface DailyBudget {
  /** One request is sent. */
  count(): void;
  /** What an answer's headers say, each where it is there. */
  note(limit: number | undefined, remaining: number | undefined): void;
  /** HubSpot refuses: the day is over. Answers for how long nothing is sent, in ms. */
  exhaust(retryAfterMs?: number): number;
  /** Until when and why a lane sends nothing; undefined: it may. */
  holds(lane: Lane): DailyHold | undefined;
  facts(): Budget['daily'];
  setTimeZone(zone: string): void;
}

/** After a refusal one call asks again this often: somebody may have bought more, or our zone is wrong. */
const probeMs = 5 * 60_000;
/** Repairs and copies stop while this share of the day is still there for what people change. */
const spareForPeople = 0.05;

export function createDailyBudget(options: DailyBudgetOptions): DailyBudget {
  const { reservePercent, now = Date.now } = options;
  let zone = options.timeZone ?? 'UTC';
  let limit = options.limit;
  let midnight = nextMidnight(now(), zone);
  let used = 0;
  let remaining: number | undefined;
  /** Used before our first answer of the day. It counts as ours: we may have been restarted. */
  let before: number | undefined;
  /** What others used since then. */
  let foreign = 0;
  let exhaustedUntil = 0;

  function beginDay(): void {
    if (now() < midnight) return;
    midnight = nextMidnight(now(), zone);
    used = 0;
    remaining = undefined;
    before = 0;
    foreign = 0;
    exhaustedUntil = 0;
  }

  /** The reserve is a promise to others: what they took of it already is not kept twice. */
  function spendable(): number | undefined {
    if (limit === undefined) return undefined;
    const left = remaining ?? limit - used - (before ?? 0);
    const kept = Math.max(0, (limit * reservePercent) / 100 - foreign);
    return Math.max(0, Math.floor(left - kept));
  }

  return {
    count() {
      beginDay();
      used += 1;
      if (remaining !== undefined) remaining -= 1;
    },

    note(headerLimit, headerRemaining) {
      beginDay();
      // A setting that is smaller than the account's limit is somebody's wish and stands.
      if (headerLimit !== undefined && headerLimit > 0) {
        limit = Math.min(headerLimit, options.limit ?? headerLimit);
      }
      if (headerRemaining === undefined || headerLimit === undefined || limit === undefined) return;
      const usedByAll = headerLimit - headerRemaining;
      before ??= Math.max(0, usedByAll - used);
      foreign = Math.max(foreign, usedByAll - before - used);
      remaining = Math.max(0, limit - usedByAll);
      // The call that asked again was served.
      if (exhaustedUntil <= now() && headerRemaining > 0) exhaustedUntil = 0;
    },

    exhaust(retryAfterMs) {
      beginDay();
      remaining = 0;
      exhaustedUntil = Math.min(midnight, now() + Math.max(probeMs, retryAfterMs ?? 0));
      return exhaustedUntil - now();
    },

    holds(lane) {
      beginDay();
      if (exhaustedUntil > now()) return { until: exhaustedUntil, by: 'DAILY' };
      const left = spendable();
      if (left === undefined || exhaustedUntil > 0) return undefined;
      const keep =
        lane === 'drift' || lane === 'backfill' ? Math.floor((limit ?? 0) * spareForPeople) : 0;
      return left <= keep ? { until: midnight, by: 'RESERVE' } : undefined;
    },

    facts() {
      beginDay();
      const left = spendable();
      return {
        used,
        ...(limit === undefined ? {} : { limit }),
        ...(remaining === undefined ? {} : { remaining }),
        ...(left === undefined ? {} : { spendable: left }),
      };
    },

    setTimeZone(next) {
      zone = next;
      midnight = nextMidnight(now(), zone);
    },
  };
}

/** The next midnight in a zone, as epoch ms; daylight saving time included. */
export function nextMidnight(at: number, timeZone: string): number {
  const dayLength = 86_400_000;
  let candidate = at + dayLength - timeOfDay(at, timeZone);
  // A day of 23 or 25 hours: the candidate lies an hour off, on one side or the other.
  const off = timeOfDay(candidate, timeZone);
  if (off !== 0) candidate += off > dayLength / 2 ? dayLength - off : -off;
  return candidate;
}

function timeOfDay(at: number, timeZone: string): number {
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(at);
  const part = (type: string) => Number(parts.find((each) => each.type === type)?.value ?? 0);
  return (
    ((part('hour') * 60 + part('minute')) * 60 + part('second')) * 1000 +
    (((at % 1000) + 1000) % 1000)
  );
}
