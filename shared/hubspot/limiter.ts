/**
 * The only owner of pacing: every request to HubSpot takes its turn here. HubSpot's window is rolling,
 * so the turns are spaced evenly and no reservoir is ever emptied at once: whatever 10 seconds are
 * looked at, a restart in their middle included, they hold fewer requests than the limit.
 *
 * Two stages. `flight` bounds how many calls are open; inside it `pace` hands out turns, around an
 * empty job, so that a slow answer holds nobody's turn. Both order by lane: a live call waits for one
 * turn, not for the backfill before it.
 */
import { setMaxListeners } from 'node:events';
import Bottleneck from 'bottleneck';
import { WINDOW_MS } from './classify.ts';
import { createDailyBudget, type DailyHold, lanePriority } from './daily-budget.ts';
import { HubSpotError } from './errors.ts';
import type { Budget, Lane } from './hubspot.ts';
import { createPace, type Pace } from './pace.ts';
import type { CallKind } from './versions.ts';

export interface LimiterOptions {
  /** Requests per 10 s; HubSpot's header can lower it. */
  readonly rateLimit: number;
  /** Searches per second. */
  readonly searchLimit: number;
  /** Requests to the associations API per 10 s: 100, or 150 from Professional on. */
  readonly associationsLimit?: number;
  /** Requests of the account per day; undefined: as the headers say, and without them no limit. */
  readonly dailyLimit?: number | undefined;
  /** Share of the day that is left to the account's other apps, in percent. */
  readonly reservePercent: number;
  readonly now?: () => number;
}

export interface Job {
  /** Method and path, for errors. */
  readonly call: string;
  readonly lane: Lane;
  readonly kind: CallKind;
  readonly signal?: AbortSignal | undefined;
}

export interface Limiter {
  /**
   * Waits for a turn, then sends.
   * @throws HubSpotError HUBSPOT_ABORTED when it was aborted or closed while it waited, and
   * HUBSPOT_DAILY_LIMIT when the day's budget is used up; in both cases nothing was sent.
   */
  run<T>(job: Job, send: () => Promise<T>): Promise<T>;
  /** Learns from the headers of an answer. */
  noteAnswer(headers: Headers, kind: CallKind): void;
  /** Holds back what the refused budget covers; answers for how long, in ms. */
  noteLimited(policyName: string | undefined, kind: CallKind, retryAfterMs?: number): number;
  budget(): Budget;
  /** The account's: its day ends at midnight there. UTC until it is known. */
  setTimeZone(zone: string): void;
  close(): void;
}

/** Open calls at a time. */
const maxUnderWay = 60;
/**
 * Calls of a slower pace that may wait for it in an open call's place, per lane: those of a backfill
 * must not stand in the door when people's own come.
 */
const maxWaitingInside = 6;

/** What we use of a limit: the rest is for clocks and networks that push two requests together. */
export function usableOf(limit: number): number {
  return Math.max(1, limit - Math.max(3, Math.ceil(limit * 0.025)));
}

export function createLimiter(options: LimiterOptions): Limiter {
  const { now = Date.now } = options;
  const daily = createDailyBudget({
    limit: options.dailyLimit,
    reservePercent: options.reservePercent,
    now,
  });
  // The associations API has a day of its own: when it ends, properties still go through.
  const associationsDaily = createDailyBudget({ reservePercent: 0, now });
  const holds = (lane: Lane, kind: CallKind) =>
    daily.holds(lane) ?? (kind === 'associations' ? associationsDaily.holds(lane) : undefined);
  let limit = options.rateLimit;
  const pace = createPace(WINDOW_MS / usableOf(limit), now);
  const paces: Readonly<Record<CallKind, Pace>> = {
    plain: pace,
    search: createPace(1000 / options.searchLimit, now),
    associations: createPace(WINDOW_MS / usableOf(options.associationsLimit ?? 100), now),
  };
  const flight = new Bottleneck({ maxConcurrent: maxUnderWay });
  const entryOf = createEntries();
  const waiting: Record<Lane, number> = { live: 0, retry: 0, drift: 0, backfill: 0 };
  const sent: number[] = [];
  let underWay = 0;
  let pausedBy: 'TEN_SECONDLY_ROLLING' | 'REMAINING' | undefined;
  /** What ends each waiting call when the limiter is closed; undefined once it is. */
  let waiters: Set<() => void> | undefined = new Set();

  function usedInWindow(): number {
    while (sent.length > 0 && (sent[0] as number) <= now() - WINDOW_MS) sent.shift();
    return sent.length;
  }

  /** A turn of a slower pace asks the common one with the first priority: others wait behind it. */
  async function takeTurn({ kind, lane }: Job, gone: () => boolean): Promise<void> {
    if (kind === 'plain') return pace.turn(lanePriority[lane], gone);
    const first = () => pace.turn(lanePriority.live, gone);
    return paces[kind].turn(lanePriority[lane], gone, first);
  }

  return {
    run(job, send) {
      const { lane, signal } = job;
      return new Promise((resolve, reject) => {
        let state = 'waiting' as 'waiting' | 'sent' | 'gone';
        waiting[lane] += 1;
        const leave = (next: 'sent' | 'gone') => {
          if (state !== 'waiting') return;
          state = next;
          waiting[lane] -= 1;
          signal?.removeEventListener('abort', giveUp);
          waiters?.delete(giveUp);
        };
        const giveUp = () => {
          leave('gone');
          reject(abortedError(job));
        };
        const gone = () => state === 'gone';
        const hold = holds(lane, job.kind);
        if (signal?.aborted || waiters === undefined) return giveUp();
        if (hold !== undefined) {
          leave('gone');
          return reject(heldError(job, hold, now()));
        }
        // One signal may stand for any number of calls.
        if (signal) setMaxListeners(0, signal);
        signal?.addEventListener('abort', giveUp, { once: true });
        waiters.add(giveUp);

        const fly = () =>
          flight.schedule({ priority: lanePriority[lane] }, async () => {
            if (gone()) return;
            await takeTurn(job, gone);
            if (gone()) return;
            // While it waited the day may have ended.
            const late = holds(lane, job.kind);
            leave(late === undefined ? 'sent' : 'gone');
            if (late !== undefined) throw heldError(job, late, now());
            sent.push(now());
            daily.count();
            underWay += 1;
            try {
              resolve(await send());
            } finally {
              underWay -= 1;
            }
          });
        const entry = entryOf(job);
        const done = entry ? entry.schedule(fly) : fly();
        done.catch((error) => {
          leave('gone');
          reject(error);
        });
      });
    },

    noteAnswer(headers, kind) {
      // Searches carry no such headers, and the associations API speaks of budgets of its own.
      if (kind !== 'plain') return;
      daily.note(
        numberOf(headers, 'x-hubspot-ratelimit-daily'),
        numberOf(headers, 'x-hubspot-ratelimit-daily-remaining'),
      );
      const max = numberOf(headers, 'x-hubspot-ratelimit-max');
      const allowed = Math.min(options.rateLimit, max || options.rateLimit);
      if (allowed !== limit) {
        limit = allowed;
        pace.setGap(WINDOW_MS / usableOf(limit));
      }
      const remaining = numberOf(headers, 'x-hubspot-ratelimit-remaining');
      // Our own spacing never gets there: somebody else uses the same app.
      if (remaining !== undefined && remaining <= 2) {
        if (pace.pauseUntil(now() + WINDOW_MS / 10)) pausedBy = 'REMAINING';
      }
    },

    noteLimited(policyName, kind, retryAfterMs) {
      if (policyName === 'DAILY') {
        return (kind === 'associations' ? associationsDaily : daily).exhaust(retryAfterMs);
      }
      if (policyName === 'SECONDLY') {
        const wait = Math.max(retryAfterMs ?? 0, 1000);
        paces[kind].pauseUntil(now() + wait);
        return wait;
      }
      const wait = Math.min(retryAfterMs ?? WINDOW_MS, WINDOW_MS);
      if (kind !== 'plain') paces[kind].pauseUntil(now() + wait);
      if (kind !== 'associations' && pace.pauseUntil(now() + wait)) {
        pausedBy = 'TEN_SECONDLY_ROLLING';
      }
      return wait;
    },

    budget() {
      const used = usedInWindow();
      const hold = daily.holds('live');
      const paused = pace.pausedUntil() > now();
      const until = Math.max(hold?.until ?? 0, paused ? pace.pausedUntil() : 0);
      const by = hold?.by ?? (paused ? pausedBy : undefined);
      return {
        rate: { limit, used, waiting: { ...waiting }, underWay },
        daily: daily.facts(),
        ...(until > 0 ? { pausedUntil: until } : {}),
        ...(by === undefined ? {} : { pausedBy: by }),
        spare:
          until === 0 &&
          waiting.live + waiting.retry === 0 &&
          underWay < maxUnderWay / 2 &&
          used < usableOf(limit) * 0.75,
      };
    },

    setTimeZone(zone) {
      daily.setTimeZone(zone);
      associationsDaily.setTimeZone(zone);
    },

    close() {
      const open = waiters ?? [];
      waiters = undefined;
      for (const giveUp of open) giveUp();
      for (const each of new Set(Object.values(paces))) each.close();
    },
  };
}

function createEntries(): (job: Job) => Bottleneck | undefined {
  const entries = new Map<string, Bottleneck>();
  return ({ kind, lane }) => {
    if (kind === 'plain') return undefined;
    const name = `${kind}/${lane}`;
    const entry = entries.get(name) ?? new Bottleneck({ maxConcurrent: maxWaitingInside });
    entries.set(name, entry);
    return entry;
  };
}

function abortedError({ call }: Job): HubSpotError {
  return new HubSpotError('HUBSPOT_ABORTED', `${call} was given up before it was sent`, {
    write: true,
  });
}

function heldError({ call }: Job, { until, by }: DailyHold, at: number): HubSpotError {
  const why =
    by === 'DAILY'
      ? 'the account’s requests of the day are used up'
      : 'what is left of the day’s requests is the reserve of the account’s other apps';
  const message = `${call} was not sent: ${why} (until ${new Date(until).toISOString()})`;
  return new HubSpotError('HUBSPOT_DAILY_LIMIT', message, {
    write: true,
    policyName: by,
    retryAfterMs: Math.max(0, until - at),
  });
}

function numberOf(headers: Headers, name: string): number | undefined {
  const text = headers.get(name);
  return text !== null && /^\d+$/.test(text) ? Number(text) : undefined;
}
