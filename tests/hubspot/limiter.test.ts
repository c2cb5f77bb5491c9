import { jest } from '@jest/globals';
import { HubSpotError } from '../../shared/hubspot/errors.ts';
import type { Lane } from '../../shared/hubspot/hubspot.ts';
import {
  createLimiter,
  type Limiter,
  type LimiterOptions,
  usableOf,
} from '../../shared/hubspot/limiter.ts';
import type { CallKind } from '../../shared/hubspot/versions.ts';

const open: Limiter[] = [];
const midday = Date.parse('2026-11-24T12:00:00Z');

beforeEach(() => {
  jest.useFakeTimers({ now: midday });
});

afterEach(() => {
  for (const limiter of open.splice(0)) limiter.close();
  jest.useRealTimers();
});

function start(options: Partial<LimiterOptions> = {}): Limiter {
  const limiter = createLimiter({ rateLimit: 190, searchLimit: 4, reservePercent: 20, ...options });
  open.push(limiter);
  return limiter;
}

interface CallOptions {
  readonly lane?: Lane;
  readonly kind?: CallKind;
  readonly tookMs?: number;
  readonly signal?: AbortSignal;
}

/** Sends at its turn, notes when, and answers after `tookMs`. */
function call(limiter: Limiter, sent: number[], options: CallOptions = {}): Promise<void> {
  const { lane = 'live', kind = 'plain', tookMs = 0, signal } = options;
  return limiter.run({ call: 'POST /x', lane, kind, signal }, async () => {
    sent.push(Date.now());
    if (tookMs > 0) await new Promise((resolve) => setTimeout(resolve, tookMs));
  });
}

function swallow(call: Promise<unknown>): void {
  call.catch(() => undefined);
}

/** The most requests that any window of that length holds. */
function fullestWindow(times: readonly number[], windowMs: number): number {
  const sorted = [...times].sort((a, b) => a - b);
  let first = 0;
  let most = 0;
  sorted.forEach((time, at) => {
    while ((sorted[first] as number) <= time - windowMs) first += 1;
    most = Math.max(most, at - first + 1);
  });
  return most;
}

function headers(values: Record<string, number>): Headers {
  return new Headers(
    Object.entries(values).map(([name, value]) => [`X-HubSpot-RateLimit-${name}`, String(value)]),
  );
}

/** Lets a second pass for it. */
async function soon<T>(work: Promise<T>): Promise<T> {
  const settled = work.then(
    (value) => () => value,
    (error) => () => {
      throw error;
    },
  );
  await jest.advanceTimersByTimeAsync(1000);
  return (await settled)();
}

async function failureOf(work: Promise<unknown>): Promise<HubSpotError> {
  const failure = await work.then(
    () => undefined,
    (error) => error,
  );
  expect(failure).toBeInstanceOf(HubSpotError);
  return failure as HubSpotError;
}

describe('the rolling window', () => {
  test.each([100, 190, 250])(
    'of %i never overflows, and is used to more than nine tenths',
    async (limit) => {
      const limiter = start({ rateLimit: limit });
      const sent: number[] = [];
      for (let i = 0; i < limit * 4; i += 1) swallow(call(limiter, sent, { tookMs: 400 }));
      await jest.advanceTimersByTimeAsync(30_000);
      expect(fullestWindow(sent, 10_000)).toBeLessThanOrEqual(limit);
      expect(sent.length / 3).toBeGreaterThan(limit * 0.9);
    },
  );

  test('never overflows when the process is started anew in its middle', async () => {
    const sent: number[] = [];
    for (let life = 0; life < 5; life += 1) {
      const limiter = start();
      for (let i = 0; i < 300; i += 1) swallow(call(limiter, sent));
      await jest.advanceTimersByTimeAsync(3700);
      limiter.close();
    }
    expect(fullestWindow(sent, 10_000)).toBeLessThanOrEqual(190);
    expect(sent.length).toBeGreaterThan(300);
  });

  test('never overflows after a pause that many calls waited through', async () => {
    const limiter = start();
    const sent: number[] = [];
    for (let i = 0; i < 150; i += 1) swallow(call(limiter, sent));
    await jest.advanceTimersByTimeAsync(5000);
    limiter.noteLimited('TEN_SECONDLY_ROLLING', 'plain');
    const before = sent.length;
    await jest.advanceTimersByTimeAsync(9900);
    expect(sent.length).toBeLessThanOrEqual(before + 1);
    for (let i = 0; i < 300; i += 1) swallow(call(limiter, sent));
    await jest.advanceTimersByTimeAsync(30_000);
    expect(fullestWindow(sent, 10_000)).toBeLessThanOrEqual(190);
    expect(fullestWindow(sent, 100)).toBeLessThanOrEqual(2);
  });

  test('shrinks with HubSpot’s header, and never grows past the setting', async () => {
    const limiter = start();
    limiter.noteAnswer(headers({ Max: 100, Remaining: 90 }), 'plain');
    expect(limiter.budget().rate.limit).toBe(100);
    const sent: number[] = [];
    for (let i = 0; i < 300; i += 1) swallow(call(limiter, sent));
    await jest.advanceTimersByTimeAsync(20_000);
    expect(fullestWindow(sent, 10_000)).toBeLessThanOrEqual(usableOf(100) + 2);
    limiter.noteAnswer(headers({ Max: 250, Remaining: 240 }), 'plain');
    expect(limiter.budget().rate.limit).toBe(190);
  });

  test('rests a second when somebody else has used it up', async () => {
    const limiter = start();
    const sent: number[] = [];
    limiter.noteAnswer(headers({ Max: 190, Remaining: 2 }), 'plain');
    expect(limiter.budget()).toMatchObject({ pausedBy: 'REMAINING', spare: false });
    swallow(call(limiter, sent));
    await jest.advanceTimersByTimeAsync(950);
    expect(sent).toHaveLength(0);
    await jest.advanceTimersByTimeAsync(100);
    expect(sent).toHaveLength(1);
  });
});

describe('lanes', () => {
  test('a live call waits for one turn, not for the backfill', async () => {
    const limiter = start();
    const backfill: number[] = [];
    for (let i = 0; i < 500; i += 1) {
      swallow(call(limiter, backfill, { lane: 'backfill', tookMs: 400 }));
    }
    await jest.advanceTimersByTimeAsync(5000);
    const live: number[] = [];
    const asked = Date.now();
    swallow(call(limiter, live));
    await jest.advanceTimersByTimeAsync(500);
    expect(live).toHaveLength(1);
    expect((live[0] as number) - asked).toBeLessThanOrEqual(165);
  });

  test('go in their order: live, retry, drift, backfill', async () => {
    const limiter = start();
    const order: Lane[] = [];
    const lanes: Lane[] = ['backfill', 'drift', 'retry', 'live'];
    // One turn is given and the next one promised by the time the others ask.
    for (let i = 0; i < 3; i += 1) swallow(call(limiter, []));
    for (const lane of lanes) {
      swallow(limiter.run({ call: 'x', lane, kind: 'plain' }, async () => void order.push(lane)));
    }
    await jest.advanceTimersByTimeAsync(1000);
    expect(order).toEqual(['live', 'retry', 'drift', 'backfill']);
  });

  test('a flood of live calls leaves none of them behind, whatever a backfill waits for', async () => {
    const limiter = start();
    let flooding = true;
    const flood = async () => {
      while (flooding) await call(limiter, [], { tookMs: 400 });
    };
    for (let i = 0; i < 100; i += 1) swallow(flood());
    const waiting: number[] = [];
    for (let i = 0; i < 50; i += 1) {
      swallow(call(limiter, waiting, { lane: 'backfill', kind: 'associations' }));
    }
    await jest.advanceTimersByTimeAsync(1000);
    const live: number[] = [];
    swallow(call(limiter, live, { lane: 'live', kind: 'associations' }));
    await jest.advanceTimersByTimeAsync(8000);
    expect(live).toHaveLength(1);
    flooding = false;
    await jest.advanceTimersByTimeAsync(20_000);
    expect(waiting).toHaveLength(50);
  });
});

describe('budgets of their own', () => {
  test('searches keep four a second, and count in the common window', async () => {
    const limiter = start();
    const searches: number[] = [];
    const all: number[] = [];
    for (let i = 0; i < 100; i += 1) swallow(call(limiter, searches, { kind: 'search' }));
    for (let i = 0; i < 400; i += 1) swallow(call(limiter, all, { lane: 'backfill' }));
    await jest.advanceTimersByTimeAsync(12_000);
    expect(fullestWindow(searches, 1000)).toBeLessThanOrEqual(4);
    expect(searches.length).toBeGreaterThan(40);
    expect(fullestWindow([...all, ...searches], 10_000)).toBeLessThanOrEqual(190);
  });

  test('a secondly refusal holds searches only', async () => {
    const limiter = start();
    expect(limiter.noteLimited('SECONDLY', 'search')).toBe(1000);
    const searches: number[] = [];
    const plain: number[] = [];
    swallow(call(limiter, searches, { kind: 'search' }));
    swallow(call(limiter, plain));
    await jest.advanceTimersByTimeAsync(500);
    expect([searches.length, plain.length]).toEqual([0, 1]);
    await jest.advanceTimersByTimeAsync(700);
    expect(searches).toHaveLength(1);
  });

  test('associations keep their own window, and count in the common one', async () => {
    const limiter = start({ associationsLimit: 100 });
    const associations: number[] = [];
    const all: number[] = [];
    for (let i = 0; i < 300; i += 1) {
      swallow(call(limiter, associations, { kind: 'associations' }));
      swallow(call(limiter, all, { lane: 'backfill' }));
      swallow(call(limiter, all, { lane: 'backfill' }));
    }
    await jest.advanceTimersByTimeAsync(25_000);
    expect(fullestWindow(associations, 10_000)).toBeLessThanOrEqual(100);
    expect(associations.length).toBeGreaterThan(200);
    expect(fullestWindow([...all, ...associations], 10_000)).toBeLessThanOrEqual(190);
  });

  test('associations without a day left don’t stop the properties', async () => {
    const limiter = start();
    limiter.noteLimited('DAILY', 'associations');
    const error = await failureOf(call(limiter, [], { kind: 'associations' }));
    expect(error).toMatchObject({ code: 'HUBSPOT_DAILY_LIMIT', outcome: 'not-done' });
    const sent: number[] = [];
    await soon(call(limiter, sent));
    expect(sent).toHaveLength(1);
  });
});

describe('giving up', () => {
  test('a call that is aborted while it waits is not done, and takes no turn', async () => {
    const limiter = start();
    const sent: number[] = [];
    for (let i = 0; i < 20; i += 1) swallow(call(limiter, []));
    const abort = new AbortController();
    const waiting = failureOf(call(limiter, sent, { signal: abort.signal }));
    expect(limiter.budget().rate.waiting.live).toBe(21);
    abort.abort();
    expect(await waiting).toMatchObject({
      code: 'HUBSPOT_ABORTED',
      disposition: 'retry',
      outcome: 'not-done',
    });
    expect(limiter.budget().rate.waiting.live).toBe(20);
    await jest.advanceTimersByTimeAsync(5000);
    expect(sent).toHaveLength(0);
    expect(limiter.budget().rate.waiting.live).toBe(0);
  });

  test('closing refuses what waits and what comes, and leaves no timer', async () => {
    const limiter = start();
    limiter.noteLimited('TEN_SECONDLY_ROLLING', 'plain');
    const waiting = [1, 2, 3].map(() => failureOf(call(limiter, [])));
    await jest.advanceTimersByTimeAsync(100);
    limiter.close();
    for (const each of waiting) expect((await each).code).toBe('HUBSPOT_ABORTED');
    expect((await failureOf(call(limiter, []))).code).toBe('HUBSPOT_ABORTED');
    await jest.advanceTimersByTimeAsync(100);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('a call that fails frees its place', async () => {
    const limiter = start();
    const failing = () =>
      limiter.run({ call: 'x', lane: 'live', kind: 'plain' }, async () => {
        throw new Error('no');
      });
    const results = Promise.allSettled(Array.from({ length: 100 }, failing));
    await jest.advanceTimersByTimeAsync(10_000);
    expect((await results).every((result) => result.status === 'rejected')).toBe(true);
    expect(limiter.budget().rate).toMatchObject({ underWay: 0, waiting: { live: 0 } });
  });
});

describe('spare room', () => {
  test('is there while little is used and nobody waits', async () => {
    const limiter = start();
    expect(limiter.budget()).toMatchObject({ spare: true, rate: { used: 0, limit: 190 } });
    for (let i = 0; i < 160; i += 1) swallow(call(limiter, []));
    expect(limiter.budget().spare).toBe(false);
    await jest.advanceTimersByTimeAsync(9000);
    expect(limiter.budget()).toMatchObject({ spare: false, rate: { used: 160 } });
    await jest.advanceTimersByTimeAsync(11_000);
    expect(limiter.budget()).toMatchObject({ spare: true, rate: { used: 0 } });
  });
});

describe('the day', () => {
  test('that is used up refuses at once, asks again now and then, and says until when', async () => {
    const limiter = start();
    expect(limiter.noteLimited('DAILY', 'plain')).toBe(5 * 60_000);
    const error = await failureOf(call(limiter, []));
    expect(error).toMatchObject({
      code: 'HUBSPOT_DAILY_LIMIT',
      disposition: 'retry',
      outcome: 'not-done',
      policyName: 'DAILY',
      retryAfterMs: 5 * 60_000,
    });
    expect(error.message).toContain('2026-11-24T12:05:00.000Z');
    expect(limiter.budget()).toMatchObject({ pausedBy: 'DAILY', spare: false });
    await jest.advanceTimersByTimeAsync(5 * 60_000 + 1);
    const sent: number[] = [];
    await soon(call(limiter, sent));
    expect(sent).toHaveLength(1);
    limiter.noteAnswer(headers({ Daily: 1000, 'Daily-Remaining': 900 }), 'plain');
    expect(limiter.budget()).toMatchObject({ spare: true, daily: { remaining: 900, limit: 1000 } });
  });

  test('returns at midnight in the account’s time zone', async () => {
    // Two minutes to midnight there.
    jest.setSystemTime(Date.parse('2026-11-24T10:58:00Z'));
    const limiter = start();
    limiter.setTimeZone('Pacific/Auckland');
    expect(limiter.noteLimited('DAILY', 'plain')).toBe(2 * 60_000);
    await jest.advanceTimersByTimeAsync(2 * 60_000 + 1);
    const sent: number[] = [];
    await soon(call(limiter, sent));
    expect(sent).toHaveLength(1);
  });

  test('a call that waited past the end of the day is not sent', async () => {
    const limiter = start();
    const sent: number[] = [];
    for (let i = 0; i < 10; i += 1) swallow(call(limiter, sent));
    const last = failureOf(call(limiter, sent));
    limiter.noteLimited('DAILY', 'plain');
    await jest.advanceTimersByTimeAsync(1000);
    expect((await last).code).toBe('HUBSPOT_DAILY_LIMIT');
    expect(sent).toHaveLength(0);
  });

  test('leaves the reserve to other apps, and to people before repairs', async () => {
    const limiter = start({ dailyLimit: 1000, reservePercent: 20 });
    limiter.noteAnswer(headers({ Daily: 1000, 'Daily-Remaining': 240 }), 'plain');
    expect(limiter.budget().daily.spendable).toBe(40);
    const refused = await failureOf(call(limiter, [], { lane: 'backfill' }));
    expect(refused).toMatchObject({ code: 'HUBSPOT_DAILY_LIMIT', policyName: 'RESERVE' });
    await soon(call(limiter, []));
    limiter.noteAnswer(headers({ Daily: 1000, 'Daily-Remaining': 200 }), 'plain');
    // 39 of those 40 went to others: they took them from their reserve.
    expect(limiter.budget().daily.spendable).toBe(39);
  });
});
