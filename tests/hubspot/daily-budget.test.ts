import fc from 'fast-check';
import { createDailyBudget, nextMidnight } from '../../shared/hubspot/daily-budget.ts';

const hour = 3_600_000;

test.each([
  ['UTC', '2026-11-24T12:00:00.250Z', '2026-11-25T00:00:00.000Z'],
  ['UTC', '2026-11-24T00:00:00.000Z', '2026-11-25T00:00:00.000Z'],
  ['America/New_York', '2026-11-24T04:59:59.999Z', '2026-11-24T05:00:00.000Z'],
  // The clocks go back and forward on these days.
  ['America/New_York', '2026-11-01T04:30:00.000Z', '2026-11-02T05:00:00.000Z'],
  ['Europe/Berlin', '2027-03-28T00:30:00.000Z', '2027-03-28T22:00:00.000Z'],
  ['Asia/Kathmandu', '2026-11-24T12:00:00.000Z', '2026-11-24T18:15:00.000Z'],
])('in %s the day of %s ends at %s', (zone, at, end) => {
  expect(new Date(nextMidnight(Date.parse(at), zone)).toISOString()).toBe(end);
});

test('midnight is never more than 25 hours away', () => {
  const zones = ['UTC', 'America/New_York', 'Europe/Berlin', 'Australia/Lord_Howe', 'Asia/Tokyo'];
  const span = { min: Date.parse('2026-01-01'), max: Date.parse('2028-01-01') };
  fc.assert(
    fc.property(fc.integer(span), fc.constantFrom(...zones), (at, zone) => {
      const midnight = nextMidnight(at, zone);
      expect(midnight).toBeGreaterThan(at);
      expect(midnight - at).toBeLessThanOrEqual(25 * hour);
    }),
  );
});

describe('the reserve', () => {
  const noon = Date.parse('2026-11-24T12:00:00Z');

  function start(limit: number | undefined = 1000) {
    let time = noon;
    const budget = createDailyBudget({ limit, reservePercent: 20, now: () => time });
    const pass = (ms: number) => {
      time += ms;
    };
    return { budget, pass };
  }

  test('is kept from us when we are the only ones who call', () => {
    const { budget } = start();
    for (let i = 0; i < 800; i += 1) {
      expect(budget.holds('live')).toBeUndefined();
      budget.count();
    }
    expect(budget.holds('live')).toEqual({ until: noon + 12 * hour, by: 'RESERVE' });
  });

  test('counts what was used before our start as ours', () => {
    const { budget } = start();
    budget.count();
    budget.note(1000, 200);
    expect(budget.holds('live')?.by).toBe('RESERVE');
  });

  test('is smaller by what others have used of it since', () => {
    const { budget } = start();
    budget.count();
    budget.note(1000, 999);
    budget.note(1000, 849);
    expect(budget.facts()).toMatchObject({ remaining: 849, spendable: 849 - 50 });
    budget.note(1000, 500);
    expect(budget.facts()).toMatchObject({ remaining: 500, spendable: 500 });
  });

  test('stops copies and repairs before it stops people', () => {
    const { budget } = start();
    budget.count();
    budget.note(1000, 240);
    expect(budget.holds('backfill')?.by).toBe('RESERVE');
    expect(budget.holds('drift')?.by).toBe('RESERVE');
    expect(budget.holds('retry')).toBeUndefined();
    expect(budget.holds('live')).toBeUndefined();
  });

  test('ends with the day', () => {
    const { budget, pass } = start();
    budget.count();
    budget.note(1000, 100);
    expect(budget.holds('live')?.by).toBe('RESERVE');
    pass(12 * hour);
    expect(budget.holds('live')).toBeUndefined();
    expect(budget.facts()).toEqual({ used: 0, limit: 1000, spendable: 800 });
  });

  test('is nobody’s where neither a setting nor a header names a limit', () => {
    const budget = createDailyBudget({ reservePercent: 20, now: () => noon });
    for (let i = 0; i < 100_000; i += 1) budget.count();
    expect(budget.holds('backfill')).toBeUndefined();
  });

  test('takes the smaller of setting and header', () => {
    const { budget } = start(500);
    budget.count();
    budget.note(1000, 999);
    expect(budget.facts()).toMatchObject({ limit: 500, remaining: 499 });
  });
});

test('after a refusal the next call that is served ends the pause', () => {
  let time = Date.parse('2026-11-24T12:00:00Z');
  const budget = createDailyBudget({ limit: 1000, reservePercent: 0, now: () => time });
  expect(budget.exhaust()).toBe(5 * 60_000);
  expect(budget.holds('live')?.by).toBe('DAILY');
  // An answer that was under way when the refusal came doesn't end it.
  budget.note(1000, 1);
  expect(budget.holds('live')?.by).toBe('DAILY');
  time += 5 * 60_000;
  expect(budget.holds('live')).toBeUndefined();
  expect(budget.exhaust()).toBe(5 * 60_000);
  time += 5 * 60_000;
  budget.count();
  budget.note(1000, 700);
  expect(budget.holds('live')).toBeUndefined();
  expect(budget.facts().remaining).toBe(700);
});
