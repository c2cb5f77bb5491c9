/** Values that HubSpot refuses, aloud or silently: they end, and are never sent for ever. */
import { consumeChange, consumeCompare } from '../../shared/protocol/consume.ts';
import { refuseProperties, settleRecord } from '../../shared/protocol/settle.ts';
import {
  answer,
  at,
  change,
  claim,
  history,
  judged,
  linked,
  START,
  stage,
} from './one-property.ts';

describe('values that HubSpot refuses', () => {
  function refused() {
    const waiting = change(linked, {}, 'bad');
    const { record } = claim(waiting.record, waiting.pendings, 'call');
    return refuseProperties(record, waiting.pendings, 'call', ['stage']);
  }

  test('one that was refused is not sent again by a comparison', () => {
    const { record, pendings } = refused();
    expect(pendings).toEqual({});
    expect(consumeCompare(record, pendings, { stage: 'bad' }, 'c').pendings).toEqual({});
  });

  test('one that was refused may be tried again once the row has changed', () => {
    const { record, pendings } = refused();
    const changed = change(record, pendings, 'good');
    expect(changed.pendings.stage?.value).toBe('good');
    expect(stage(changed.record).refused).toBeNull();
  });

  test('the other values of a refused call wait as before', () => {
    const waiting = consumeChange(linked, {}, { stage: 'bad', amount: '5' }, 's');
    const { record } = claim(waiting.record, waiting.pendings, 'call');
    const { pendings, record: next } = refuseProperties(record, waiting.pendings, 'call', [
      'stage',
    ]);
    expect(pendings).toEqual({ amount: waiting.pendings.amount });
    expect(claim(next, pendings, 'again').send).toEqual({ amount: '5' });
  });

  test("one kept out silently gives way to HubSpot's own, with a conflict", () => {
    const waiting = change(linked, {}, 'bad');
    const { record } = claim(waiting.record, waiting.pendings, 'call');
    const settled = settleRecord(record, waiting.pendings, answer('call', 'open', 10, 11));
    const verdict = judged(settled.record, history(['open', 0]), 'bad');
    expect(verdict.apply).toEqual([{ property: 'stage', value: 'open', time: START }]);
    expect(verdict.refused).toEqual(['stage']);
    expect(verdict.conflicts).toEqual([{ property: 'stage', local: 'bad', hubspot: 'open' }]);
    // Also where the row can't be written: it is not sent again by itself.
    const compared = consumeCompare(verdict.record, {}, { stage: 'bad' }, 'c');
    expect(compared.pendings).toEqual({});
  });

  test('one that stood once and is kept out when it comes again ends as well', () => {
    let record = linked;
    const push = (request: string, value: string, answered: string, from: number) => {
      const waiting = change(record, {}, value);
      const claimed = claim(waiting.record, waiting.pendings, request);
      record = settleRecord(
        claimed.record,
        waiting.pendings,
        answer(request, answered, from, from + 1),
      ).record;
    };
    push('one', 'won', 'won', 10);
    push('two', 'lost', 'lost', 20);
    push('three', 'won', 'lost', 30);
    const entries = history(['lost', 20.5, true], ['won', 10.5, true], ['open', 0]);
    const verdict = judged(record, entries, 'won');
    expect(verdict.refused).toEqual(['stage']);
    expect(verdict.apply).toEqual([{ property: 'stage', value: 'lost', time: at(20.5) }]);
  });

  test('a value that HubSpot took up and somebody replaced was not kept out', () => {
    const waiting = change(linked, {}, 'won');
    const { record } = claim(waiting.record, waiting.pendings, 'call');
    const settled = settleRecord(record, waiting.pendings, answer('call', 'lost', 10, 12));
    const entries = history(['lost', 11], ['won', 10.5, true], ['open', 0]);
    const verdict = judged(settled.record, entries, 'won');
    expect(verdict.refused).toEqual([]);
    expect(verdict.apply).toEqual([{ property: 'stage', value: 'lost', time: at(11) }]);
  });
});
