/** The way inwards, one decision at a time: events, echoes, and readings of the history. */

import { beginRead, judgeRecord } from '../../shared/protocol/judge.ts';
import { isOwnWrite } from '../../shared/protocol/property.ts';
import { appliedInbound, receiveEvent } from '../../shared/protocol/receive.ts';
import { doubt } from '../../shared/protocol/record.ts';
import { giveUp, settleRecord } from '../../shared/protocol/settle.ts';
import { LEDGER_LENGTH, newRecord, type RecordState } from '../../shared/protocol/state.ts';
import {
  answer,
  at,
  change,
  claim,
  event,
  history,
  judged,
  linked,
  pushed,
  stage,
} from './one-property.ts';

describe('receiving', () => {
  test('an older event is stale', () => {
    const { outcome, record } = receiveEvent(linked, event('before', -20));
    expect(outcome).toBe('stale');
    expect(record).toBe(linked);
  });

  test('a newer foreign value is applied', () => {
    expect(receiveEvent(linked, event('lost', 5)).outcome).toBe('apply');
  });

  test('the same value within a second is the same event', () => {
    expect(receiveEvent(linked, event('open', 0)).outcome).toBe('same');
    expect(receiveEvent(linked, event('open', 0.8)).outcome).toBe('same');
    expect(receiveEvent(linked, event('open', -0.8)).outcome).toBe('same');
  });

  test('the same value within a second is another event if ours came in between', () => {
    const { record } = pushed(linked, 'won', 0.2, 0.3);
    expect(receiveEvent(record, event('open', 0.8))).toMatchObject({ outcome: 'doubt' });
  });

  test('another value of the same time is a doubt', () => {
    const received = receiveEvent(linked, event('lost', 0));
    expect(received).toMatchObject({ outcome: 'doubt', reason: 'sametime' });
    expect(received.record.doubt).toEqual(['sametime']);
  });

  test('our own write is an echo, and makes its time exact', () => {
    const { record } = pushed(linked, 'won', 10, 11);
    const received = receiveEvent(record, event('won', 10.4, true));
    expect(received.outcome).toBe('echo');
    const exact = { low: at(10.4), high: at(10.4) };
    expect(stage(received.record)).toMatchObject({
      known: { value: 'won', time: exact },
      standing: exact,
      own: at(10.4),
    });
    expect(received.record.doubt).toEqual([]);
  });

  test('an echo that comes before its answer makes the time exact as well', () => {
    const waiting = change(linked, {}, 'won');
    const { record } = claim(waiting.record, waiting.pendings, 'call');
    const echo = receiveEvent(record, event('won', 10.4, true));
    expect(echo.outcome).toBe('echo');
    const settled = settleRecord(echo.record, waiting.pendings, answer('call', 'won', 10, 11));
    expect(stage(settled.record).standing).toEqual({ low: at(10.4), high: at(10.4) });
  });

  test('a foreign edit two seconds after our push costs no reading', () => {
    const { record } = pushed(linked, 'won', 10, 10.2);
    const { record: sharp } = receiveEvent(record, event('won', 10.1, true));
    expect(receiveEvent(sharp, event('lost', 12.1)).outcome).toBe('apply');
  });

  test('a foreign edit beside our push is a doubt: times that close tell no order', () => {
    const { record } = pushed(linked, 'won', 10, 10.2);
    const { record: sharp } = receiveEvent(record, event('won', 10.1, true));
    for (const seconds of [9.5, 10.1, 10.8]) {
      expect(receiveEvent(sharp, event('lost', seconds))).toMatchObject({
        outcome: 'doubt',
        reason: 'bound',
      });
    }
  });

  test('a foreign edit before our standing push is stale', () => {
    const { record } = pushed(linked, 'won', 10, 10.2);
    expect(receiveEvent(record, event('lost', 5)).outcome).toBe('stale');
  });

  test('a value of our source that we never sent is a doubt, judged as foreign', () => {
    const received = receiveEvent(linked, event('lead', 5, true));
    expect(received).toMatchObject({ outcome: 'doubt', reason: 'own-unknown' });
    const verdict = judged(received.record, history(['lead', 5, true], ['open', 0]), 'open');
    expect(verdict.apply).toEqual([{ property: 'stage', value: 'lead', time: at(5) }]);
    expect(verdict.record.doubt).toEqual([]);
  });

  test('an entry of our source that is older than the ledger reaches is ours', () => {
    const { record } = pushed(newRecord, 'won', 10, 11);
    const verdict = judged(record, history(['won', 10.5, true], ['former', 3, true]), 'won');
    expect(verdict.apply).toEqual([]);
  });

  test('after many calls without an outcome what was ours before is ours still', () => {
    let { record, pendings } = pushed(linked, 'won', 10, 11);
    ({ record, pendings } = change(record, pendings, 'lost'));
    const entries = history(['won', 10.5, true], ['open', 0]);
    for (let attempt = 0; attempt < 2 * LEDGER_LENGTH; attempt++) {
      const { record: under } = claim(record, pendings, `attempt ${attempt}`);
      ({ record, pendings } = giveUp(under, pendings, `attempt ${attempt}`));
      const verdict = judged(record, entries, 'lost');
      expect(verdict.apply).toEqual([]);
      record = verdict.record;
    }
    // Any of them may be carried out yet: that one would be ours too.
    expect(isOwnWrite(stage(record), event('lost', 99, true))).toBe(true);
  });

  test('calls of many values without an outcome leave what was ours before ours still', () => {
    let { record, pendings } = pushed(linked, 'won', 10, 11);
    const entries = history(['won', 10.5, true], ['open', 0]);
    for (let attempt = 0; attempt < 2 * LEDGER_LENGTH; attempt++) {
      ({ record, pendings } = change(record, pendings, `value ${attempt}`));
      const { record: under } = claim(record, pendings, `attempt ${attempt}`);
      ({ record, pendings } = giveUp(under, pendings, `attempt ${attempt}`));
      const verdict = judged(record, entries, `value ${attempt}`);
      expect(verdict.apply).toEqual([]);
      record = verdict.record;
    }
    expect(stage(record).ledger).toHaveLength(LEDGER_LENGTH);
  });

  test('a mark is on its way after an applied value, and what waits is not sent', () => {
    const applied = appliedInbound(linked, 'stage', { value: 'lost', time: at(9) });
    const waiting = change(applied, {}, 'won');
    const claimed = claim(waiting.record, waiting.pendings, 'call');
    expect(claimed).toMatchObject({ send: {}, drop: ['stage'] });
    expect(claimed.conflicts).toEqual([{ property: 'stage', local: 'won', hubspot: 'lost' }]);
  });
});

describe('reading and judging', () => {
  test('a reading that something was learned behind is made again', () => {
    const asked = doubt(linked, 'reconcile');
    const revision = beginRead(asked) as number;
    const { record } = pushed({ ...asked, doubt: [] }, 'won', 10, 11);
    const snapshot = { revision, histories: { stage: history(['open', 0]) } };
    expect(judgeRecord(record, {}, snapshot, { stage: 'won' })).toMatchObject({ again: true });
  });

  test('no reading begins while a call of the record is under way', () => {
    const waiting = change(linked, {}, 'won');
    const { record } = claim(waiting.record, waiting.pendings, 'call');
    expect(beginRead(record)).toBeUndefined();
  });

  test('what is in doubt for other reasons stays so', () => {
    const asked = doubt(doubt(linked, 'echo'), 'missing');
    expect(judged(asked, history(['open', 0]), 'open').record.doubt).toEqual(['missing']);
  });

  test('a local value whose first appearance is the later one stands', () => {
    const { record } = pushed(linked, 'won', 10, 11);
    const entries = history(['won', 10.5, true], ['lost', 8], ['open', 0]);
    const verdict = judged(record, entries, 'won');
    expect(verdict.apply).toEqual([]);
    expect(stage(verdict.record).standing).toEqual({ low: at(10.5), high: at(10.5) });
    expect(verdict.record.compareWanted).toBe(true);
  });

  test('a later repetition of a local value does not make it newer', () => {
    const { record } = pushed(linked, 'won', 10, 11);
    const entries = history(['won', 14, true], ['lost', 12], ['won', 10.5, true], ['open', 0]);
    const verdict = judged(record, entries, 'won');
    expect(verdict.apply).toEqual([{ property: 'stage', value: 'lost', time: at(12) }]);
  });

  test('a value that came back is told from the one before it by its place in the history', () => {
    const entries = history(['open', 0.9], ['lost', 0.5], ['open', 0]);
    const verdict = judged(doubt(linked, 'sametime'), entries, 'open');
    expect(verdict.apply).toEqual([{ property: 'stage', value: 'open', time: at(0.9) }]);
  });

  test('where there is no row only what HubSpot holds is learned', () => {
    const snapshot = { revision: 0, histories: { stage: history(['lost', 9]) } };
    const verdict = judgeRecord(doubt(linked, 'echo'), {}, snapshot, undefined);
    if (verdict.again) throw new Error('the reading was out of date');
    expect(verdict).toMatchObject({ apply: [], compare: false });
    expect(stage(verdict.record).known?.value).toBe('lost');
  });

  test('a property without a history is known to be empty', () => {
    const asked: RecordState = doubt(newRecord, 'reconcile');
    expect(stage(judged(asked, [], '').record).known?.value).toBe('');
  });
});
