/** A row and a record that both existed before they were linked. */
import { beginRead, judgeRecord } from '../../shared/protocol/judge.ts';
import { linkAsTheyStand } from '../../shared/protocol/link.ts';
import { doubt } from '../../shared/protocol/record.ts';
import { type HistoryEntry, newRecord, type RecordState } from '../../shared/protocol/state.ts';

const alive = { low: 10_000, high: 12_000 };
/** Written in HubSpot a moment before the link, later than the bracket's lower end. */
const before: HistoryEntry = { value: 'old', time: 11_500, ours: false };

function link(row: string): RecordState {
  const held = { name: { value: before.value, time: before.time } };
  return linkAsTheyStand(newRecord, '7', alive, { name: row }, held);
}

function judge(record: RecordState, history: HistoryEntry[], row: string) {
  const asked = doubt(record, 'reconcile');
  const revision = beginRead(asked) ?? -1;
  const verdict = judgeRecord(asked, {}, { revision, histories: { name: history } }, { name: row });
  if (verdict.again) throw new Error('the reading was thrown away');
  return verdict;
}

test('what HubSpot held when they were linked is no news over a local edit', () => {
  expect(judge(link('old'), [before], 'edited').apply).toEqual([]);
});

test('what HubSpot is given after the link is news', () => {
  const later: HistoryEntry = { value: 'new', time: 11_501, ours: false };
  expect(judge(link('old'), [later, before], 'old').apply).toEqual([
    { property: 'name', value: 'new', time: 11_501 },
  ]);
});

test("where they differed HubSpot's is let in by a reading, unless the row changed since", () => {
  expect(judge(link('other'), [before], 'other').apply).toMatchObject([{ value: 'old' }]);
  expect(judge(link('other'), [before], 'edited').apply).toEqual([]);
});

test('only what was equal is known, so that nothing is sent by itself', () => {
  expect(link('old').properties.name?.known).toEqual({
    value: 'old',
    time: { low: before.time, high: before.time },
  });
  expect(link('other').properties.name?.known).toBeNull();
});
