/**
 * The exploration in small bounds, so that `npm test` finds a broken rule; `npm run check-protocol`
 * goes further.
 */
import { explore } from './explorer.ts';
import { noFaults, type Options } from './part.ts';
import { property } from './property.ts';

const bounds: readonly Partial<Options>[] = [
  { local: 1, hub: 1 },
  { local: 2, hub: 1 },
  { local: 1, hub: 2, skew: 'none' },
  { local: 2, hub: 1, noop: true, toggle: true, skew: 'none' },
  { local: 1, hub: 2, answer: 'late' },
  { local: 1, hub: 2, answer: 'blind', coarse: true },
  { local: 1, hub: 1, timeout: 1, skew: 'none' },
  { local: 1, hub: 1, drop: 1, answer: 'blind', skew: 'four' },
  { local: 1, hub: 1, lose: 1, dup: 1, born: 'postgres' },
  { local: 1, hub: 1, other: 1 },
  { local: 1, hub: 1, refuse: true, drop: 1 },
];

function titleOf(options: Partial<Options>): string {
  return Object.entries(options)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}

describe('every interleaving ends equal, loses nothing, echoes nothing, and ends', () => {
  test.each(bounds.map((options) => [titleOf(options), options] as const))('%s', (_, options) => {
    const report = explore(property.build({ ...noFaults, ...options }));
    expect(report.violations).toEqual([]);
    expect(report.complete).toBe(true);
    expect(report.rest).toBeGreaterThan(0);
  });
});

describe('each rule that is needed is missed when it is left out', () => {
  test.each(property.bites.map((options) => [options.without?.join(' and '), options] as const))(
    'without %s',
    (_, options) => {
      const model = property.build({ ...noFaults, ...options });
      const { violations } = explore(model, { first: true });
      expect(violations).not.toEqual([]);
      expect(violations[0]?.trace.length).toBeGreaterThan(0);
    },
  );

  test.each([['hold'], ['hist']])('%s only saves calls: nothing breaks without it', (rule) => {
    const options = { ...noFaults, local: 1, hub: 1, drop: 1, without: [rule] };
    expect(explore(property.build(options)).violations).toEqual([]);
  });
});
