import { jest } from '@jest/globals';
import { printChanges } from '../../commands/terminal.ts';
import { createEvents } from '../../shared/service/events.ts';

afterEach(() => {
  jest.useRealTimers();
});

test.each([
  ['outbound', 'HUBSPOT_CONFLICT', 'was refused by HubSpot'],
  ['inbound', 'ROW_REFUSED', 'was refused by Postgres'],
  ['outbound', 'VALUE_UNCONVERTIBLE', 'can’t be sent as it is'],
  ['inbound', 'VALUE_UNCONVERTIBLE', 'can’t be taken over as it is'],
] as const)(
  'a dead letter (%s, %s) says who refused what, if somebody did',
  (direction, code, says) => {
    const events = createEvents();
    const lines: string[] = [];
    const silence = printChanges(events, (line) => lines.push(line));
    events.emit('deadletter', {
      object: 'deals',
      key: 'o-1',
      hubspotId: undefined,
      direction,
      code,
    });
    silence();
    expect(lines).toEqual([expect.stringContaining(`deals o-1 ${says} (${code})`)]);
  },
);

test('many changes at once are summed up after the first twenty, and the next second begins anew', () => {
  jest.useFakeTimers();
  const events = createEvents();
  const lines: string[] = [];
  const silence = printChanges(events, (line) => lines.push(line));
  const change = (times: number) => {
    for (let i = 0; i < times; i += 1) {
      events.emit('conflict', {
        object: 'deals',
        key: String(i),
        property: 'amount',
        winner: 'hubspot',
      } as never);
    }
  };
  change(97);
  expect(lines).toHaveLength(20);
  jest.advanceTimersByTime(1000);
  expect(lines).toHaveLength(21);
  expect(lines.at(-1)).toContain('… and 77 more changes');
  change(20);
  jest.advanceTimersByTime(1000);
  expect(lines).toHaveLength(41);
  change(21);
  silence();
  expect(lines.at(-1)).toContain('… and 1 more change');
});
