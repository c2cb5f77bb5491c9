/** The switches: what they are set to, what they refuse, and that they outlive the process. */
import { openBehaviour, UnknownSwitchError } from '../../emulator/behaviour.ts';
import { openJournal } from '../../emulator/journal.ts';

test('every switch has a default and an explanation', () => {
  const { list, behaviour } = openBehaviour(openJournal(undefined));
  for (const { name, value, default: preset, explain } of list()) {
    expect(value).toBe(preset);
    expect(behaviour).toHaveProperty(name, preset);
    expect(explain).toMatch(/\.$/);
  }
});

test('a change works at once on the object that was handed out, and is kept in the journal', () => {
  const journal = openJournal(undefined);
  const { behaviour, change } = openBehaviour(journal);
  change({ searchLagMs: 5000, sideEffectSource: 'calculated' });
  expect(behaviour).toMatchObject({ searchLagMs: 5000, sideEffectSource: 'calculated' });
  expect(openBehaviour(journal).behaviour.searchLagMs).toBe(5000);
});

test('own defaults stand above the table, and a reset goes back to them', () => {
  const handle = openBehaviour(openJournal(undefined), { searchLagMs: 7 });
  handle.change({ searchLagMs: 5000, shuffleResults: false });
  handle.reset();
  expect(handle.behaviour).toMatchObject({ searchLagMs: 7, shuffleResults: true });
});

test.each([
  ['an unknown name', { nonsense: true }, 'There is no switch "nonsense"'],
  ['another type', { searchLagMs: '5' }, 'takes a number'],
  ['a value outside the choice', { datedErrors: '500' }, 'takes one of 200, 207'],
  ['a chance above 1', { derivedBumpChance: 2 }, 'from 0 to 1'],
  ['a name from the prototype', { constructor: true }, 'There is no switch'],
])('%s is refused, and nothing is changed', (_, changes, message) => {
  const { behaviour, change } = openBehaviour(openJournal(undefined));
  const attempt = () => change({ shuffleResults: false, ...changes });
  expect(attempt).toThrow(UnknownSwitchError);
  expect(attempt).toThrow(message);
  expect(behaviour.shuffleResults).toBe(true);
});
