/** The explorer itself: it finds what is wrong by a shortest way, and what never ends. */
import { explore, type Model } from './explorer.ts';

/** A walk on numbers: each move goes to one of the next ones. */
function walk(
  next: (at: number) => readonly number[],
  bad: (at: number) => boolean,
): Model<number> {
  return {
    starts: [0],
    key: String,
    steps: (at) =>
      next(at).map((to) => ({ name: `${at} to ${to}`, moves: true, next: to, tally: 'steps' })),
    check: (at) => (bad(at) ? `bad at ${at}` : null),
  };
}

test('the trace of a violation is a shortest one', () => {
  const model = walk(
    (at) => (at < 8 ? [at + 1, at + 3] : []),
    (at) => at === 7,
  );
  const { violations } = explore(model);
  expect(violations).toEqual([
    { what: 'bad at 7', count: 1, trace: ['0 to 1', '1 to 4', '4 to 7'] },
  ]);
});

test('it can end at the first violation', () => {
  const model = walk(
    (at) => [at + 1],
    (at) => at === 5,
  );
  const { violations, states, complete } = explore(model, { first: true });
  expect(violations).toHaveLength(1);
  expect({ states, complete }).toEqual({ states: 6, complete: false });
});

test('the most steps of any one run are counted', () => {
  const model = walk(
    (at) => (at < 8 ? [at + 1, at + 3] : []),
    () => false,
  );
  const report = explore(model);
  expect(report.most).toEqual({ steps: 8 });
  expect(report.violations).toEqual([]);
});

test('a loop is found though every state of it can leave it', () => {
  const model = walk(
    (at) => [[1], [2, 4], [3], [1, 4], []][at] ?? [],
    () => false,
  );
  const { violations } = explore(model);
  expect(violations).toHaveLength(1);
  expect(violations[0]?.trace.slice(-4)).toEqual([
    '-- and from here, again and again --',
    '1 to 2',
    '2 to 3',
    '3 to 1',
  ]);
});

test('a limit of states is told, and no loop is claimed then', () => {
  const model = walk(
    (at) => [at + 1],
    () => false,
  );
  const report = explore(model, { max: 50 });
  expect(report.complete).toBe(false);
  expect(report.violations).toEqual([]);
});
