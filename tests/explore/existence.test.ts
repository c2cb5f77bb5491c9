import { existence } from './existence.ts';
import { explore } from './explorer.ts';
import { noFaults, type Options } from './part.ts';

const run = (bounds: Partial<Options>) => explore(existence.build({ ...noFaults, ...bounds }));
const named = (bounds: Partial<Options>) =>
  Object.entries(bounds)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');

describe('a record never has two live HubSpot records and both sides agree at rest', () => {
  const small: readonly Partial<Options>[] = [
    { born: 'postgres', local: 3, hub: 0 },
    { born: 'postgres', local: 2, hub: 1 },
    { born: 'postgres', local: 2, hub: 2 },
    { born: 'postgres', local: 2, hub: 2, skew: 'none' },
    { born: 'postgres', local: 3, hub: 1, open: true },
    { born: 'hubspot', local: 1, hub: 2 },
    { born: 'postgres', local: 2, hub: 1, drop: 1 },
    { born: 'postgres', local: 2, hub: 1, timeout: 1 },
    { born: 'postgres', local: 2, hub: 1, dup: 1 },
    { born: 'postgres', local: 2, hub: 1, lose: 1 },
    { born: 'hubspot', local: 1, hub: 2, deletes: 'keep' },
    { born: 'hubspot', local: 1, hub: 2, deletes: 'mark' },
    { born: 'hubspot', local: 1, hub: 2, deletes: 'ignore' },
    { born: 'postgres', local: 2, hub: 1, timeout: 1, deletes: 'ignore' },
  ];
  for (const bounds of small) {
    test(named(bounds), () => {
      const report = run(bounds);
      expect(report.violations).toEqual([]);
      expect(report.complete).toBe(true);
      expect(report.rest).toBeGreaterThan(0);
    });
  }
});

test('no deed is undone by two edits on each side without a fault', () => {
  const model = existence.build({ ...noFaults, born: 'postgres', local: 2, hub: 2 });
  expect(explore(model).violations).toEqual([]);
  expect(model.notes?.()).toEqual([]);
});

describe('each rule is missed when it is left out', () => {
  for (const bounds of existence.bites) {
    test(`${bounds.without}: ${named({ ...bounds, without: [] })}`, () => {
      expect(run(bounds).violations.length).toBeGreaterThan(0);
      expect(run({ ...bounds, without: [] }).violations).toEqual([]);
    });
  }

  test('there is one for every rule', () => {
    expect(existence.bites.map(({ without }) => without?.[0]).sort()).toEqual(
      [...existence.rules].sort(),
    );
  });
});
