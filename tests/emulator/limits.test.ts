import { openBehaviour } from '../../emulator/behaviour.ts';
import { openJournal } from '../../emulator/journal.ts';
import { createLimits } from '../../emulator/limits.ts';

const PLAIN = { search: false, associations: false };
const SEARCH = { search: true, associations: false };
const ASSOCIATIONS = { search: false, associations: true };
const NOON = Date.parse('2026-11-25T12:00:00Z');

function createClockedLimits(rateLimit = 190) {
  const journal = openJournal(undefined);
  const { behaviour } = openBehaviour(journal);
  const clock = { at: NOON };
  const again = () =>
    createLimits({ rateLimit, appId: 7, journal, now: () => clock.at, switches: behaviour });
  return { limits: again(), again, behaviour, clock };
}

describe('the 10-second window', () => {
  test('is a rolling one: a burst at the end of ten seconds counts in the next ten', () => {
    const { limits, clock } = createClockedLimits(10);
    clock.at = NOON + 9_900;
    for (let n = 0; n < 10; n += 1) expect(limits.take(PLAIN).refusal).toBeUndefined();
    clock.at = NOON + 10_100;
    expect(limits.take(PLAIN).refusal).toBeDefined();
    clock.at = NOON + 19_899;
    expect(limits.take(PLAIN).refusal).toBeDefined();
    clock.at = NOON + 19_900;
    expect(limits.take(PLAIN).refusal).toBeUndefined();
  });

  test('holds at most its limit in every interval of ten seconds of a random stream', () => {
    const { limits, clock } = createClockedLimits(20);
    const accepted: number[] = [];
    let seed = 1;
    for (let n = 0; n < 3000; n += 1) {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      clock.at += seed % 300;
      if (limits.take(PLAIN).refusal === undefined) accepted.push(clock.at);
    }
    const fullest = Math.max(
      ...accepted.map((from) => accepted.filter((at) => at >= from && at < from + 10_000).length),
    );
    expect(fullest).toBe(20);
  });

  test('answers 429 with the recorded body', () => {
    const { limits } = createClockedLimits(1);
    limits.take(PLAIN);
    expect(limits.take(PLAIN).refusal).toEqual({
      status: 'error',
      message: 'You have reached your ten_secondly_rolling limit.',
      errorType: 'RATE_LIMIT',
      correlationId: expect.any(String),
      policyName: 'TEN_SECONDLY_ROLLING',
      groupName: expect.stringContaining('ten-secondly'),
    });
  });

  test('does not charge refused calls unless switched so', () => {
    const { limits, behaviour, clock } = createClockedLimits(1);
    limits.take(PLAIN);
    clock.at += 5_000;
    limits.take(PLAIN);
    clock.at = NOON + 10_000;
    expect(limits.take(PLAIN).refusal).toBeUndefined();

    behaviour.chargeRejected = true;
    clock.at += 5_000;
    expect(limits.take(PLAIN).refusal).toBeDefined();
    clock.at += 5_000;
    expect(limits.take(PLAIN).refusal).toBeDefined();
  });

  test('gives Retry-After only where switched on, in the unit asked for', () => {
    const { limits, behaviour, clock } = createClockedLimits(1);
    limits.take(PLAIN);
    clock.at += 2_500;
    expect(limits.take(PLAIN).headers).not.toHaveProperty('Retry-After');
    behaviour.retryAfter = 'seconds';
    expect(limits.take(PLAIN).headers['Retry-After']).toBe('8');
    behaviour.retryAfter = 'milliseconds';
    expect(limits.take(PLAIN).headers['Retry-After']).toBe('7500');
  });
});

describe('the headers', () => {
  test('tell limit and remainder of burst, second and day', () => {
    const { limits } = createClockedLimits();
    limits.take(PLAIN);
    expect(limits.take(PLAIN).headers).toEqual({
      'X-HubSpot-RateLimit-Daily': '625000',
      'X-HubSpot-RateLimit-Daily-Remaining': '624998',
      'X-HubSpot-RateLimit-Interval-Milliseconds': '10000',
      'X-HubSpot-RateLimit-Max': '190',
      'X-HubSpot-RateLimit-Remaining': '188',
      'X-HubSpot-RateLimit-Secondly': '19',
      'X-HubSpot-RateLimit-Secondly-Remaining': '17',
    });
  });

  test('are missing on searches', () => {
    const { limits } = createClockedLimits();
    expect(limits.take(SEARCH).headers).toEqual({});
  });
});

describe('the search limit', () => {
  test('refuses the sixth search within a second with SECONDLY', () => {
    const { limits, clock } = createClockedLimits();
    for (let n = 0; n < 5; n += 1) expect(limits.take(SEARCH).refusal).toBeUndefined();
    const { refusal, headers } = limits.take(SEARCH);
    expect(refusal).toMatchObject({
      policyName: 'SECONDLY',
      message: 'You have reached your secondly limit.',
      requestId: expect.any(String),
    });
    expect(headers).toEqual({});
    expect(limits.take(PLAIN).refusal).toBeUndefined();
    clock.at += 1_000;
    expect(limits.take(SEARCH).refusal).toBeUndefined();
  });

  test("is shared with the account's other apps", () => {
    const { limits, behaviour } = createClockedLimits();
    behaviour.foreignSearchesPerSecond = 4;
    expect(limits.take(SEARCH).refusal).toBeUndefined();
    expect(limits.take(SEARCH).refusal).toMatchObject({ policyName: 'SECONDLY' });
  });
});

test('associations have a window of their own and count in the first one too', () => {
  const { limits, behaviour } = createClockedLimits(10);
  behaviour.associationsLimit = 4;
  for (let n = 0; n < 4; n += 1) expect(limits.take(ASSOCIATIONS).refusal).toBeUndefined();
  expect(limits.take(ASSOCIATIONS).refusal).toMatchObject({ policyName: 'TEN_SECONDLY_ROLLING' });
  for (let n = 0; n < 6; n += 1) expect(limits.take(PLAIN).refusal).toBeUndefined();
  expect(limits.take(PLAIN).refusal).toBeDefined();
});

describe('the day', () => {
  test("ends the calls when used up, and begins anew at the portal's midnight", () => {
    const { limits, behaviour, clock } = createClockedLimits();
    behaviour.dailyLimit = 2;
    behaviour.portalTimeZone = 'America/New_York';
    limits.take(PLAIN);
    limits.take(SEARCH);
    expect(limits.take(PLAIN).refusal).toMatchObject({
      policyName: 'DAILY',
      message: 'You have reached your daily limit.',
    });
    expect(limits.readDailyUsage()).toEqual({
      used: 2,
      limit: 2,
      resetsAt: Date.parse('2026-11-26T05:00:00Z'),
    });
    clock.at = Date.parse('2026-11-26T04:59:59.999Z');
    expect(limits.take(PLAIN).refusal).toBeDefined();
    clock.at += 1;
    expect(limits.take(PLAIN).refusal).toBeUndefined();
  });

  test('is eaten by other apps', () => {
    const { limits, behaviour, clock } = createClockedLimits();
    behaviour.dailyLimit = 1000;
    behaviour.foreignCallsPerSecond = 50;
    limits.take(PLAIN);
    clock.at += 10_000;
    expect(limits.take(PLAIN).headers['X-HubSpot-RateLimit-Daily-Remaining']).toBe('498');
    clock.at += 10_000;
    expect(limits.take(PLAIN).refusal).toMatchObject({ policyName: 'DAILY' });
  });

  test('is remembered over a restart', () => {
    const { limits, again } = createClockedLimits();
    limits.take(PLAIN);
    limits.take(PLAIN);
    expect(again().readDailyUsage().used).toBe(2);
  });
});
