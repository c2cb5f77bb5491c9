/** The way outwards, one decision at a time: what the callers of consume, claim and settle rely on. */
import {
  consumeChange,
  consumeCompare,
  consumeMark,
  resumeAfterGap,
} from '../../shared/protocol/consume.ts';
import { appliedInbound, receiveEvent } from '../../shared/protocol/receive.ts';
import { comparisonEmitted, doubt, isAbandoned } from '../../shared/protocol/record.ts';
import { endCall, giveUp, refuseProperties, settleRecord } from '../../shared/protocol/settle.ts';
import { LEDGER_LENGTH } from '../../shared/protocol/state.ts';
import { answer, at, change, claim, event, linked, pushed, stage } from './one-property.ts';

describe('consuming', () => {
  test('a later change takes the place of one that waits', () => {
    const first = change(linked, {}, 'won');
    const second = change(first.record, first.pendings, 'lost');
    expect(second.pendings.stage).toMatchObject({ value: 'lost', cause: 'change' });
  });

  test('a mark drops the older local value, and says so', () => {
    const applied = appliedInbound(linked, 'stage', { value: 'lost', time: at(9) });
    const waiting = change(applied, {}, 'won');
    const mark = { stage: { value: 'lost', time: at(9) } };
    const consumed = consumeMark(waiting.record, waiting.pendings, mark, 'mark');
    expect(consumed.pendings).toEqual({});
    expect(consumed.conflicts).toEqual([{ property: 'stage', local: 'won', hubspot: 'lost' }]);
    expect(stage(consumed.record).epoch).toBe(at(9));
    expect(consumed.record.doubt).toEqual([]);
  });

  test('a mark that meets a call carrying another property restores nothing', () => {
    const waiting = consumeChange(linked, {}, { amount: '5' }, 'change of amount');
    const { record } = claim(waiting.record, waiting.pendings, 'call');
    const mark = { stage: { value: 'lost', time: at(9) } };
    const consumed = consumeMark(record, waiting.pendings, mark, 'mark');
    expect(Object.keys(consumed.pendings)).toEqual(['amount']);
    expect(consumed.record.doubt).toEqual([]);
  });

  test('a comparison sends what differs from what HubSpot is known to hold, and nothing else', () => {
    expect(consumeCompare(linked, {}, { stage: 'open' }, 'c').pendings).toEqual({});
    expect(consumeCompare(linked, {}, { unread: 'x' }, 'c').pendings).toEqual({});
    expect(consumeCompare(linked, {}, { stage: 'won' }, 'c').pendings.stage).toMatchObject({
      value: 'won',
      cause: 'compare',
    });
  });

  test('a comparison leaves alone what waits already', () => {
    const waiting = change(linked, {}, 'won');
    const compared = consumeCompare(waiting.record, waiting.pendings, { stage: 'lost' }, 'c');
    expect(compared.pendings).toEqual(waiting.pendings);
  });

  test('after a gap in the WAL no property waits for a mark that will never come', () => {
    const applied = appliedInbound(linked, 'stage', { value: 'lost', time: at(9) });
    const waiting = change(applied, {}, 'won');
    expect(claim(waiting.record, waiting.pendings, 'held').drop).toEqual(['stage']);
    const resumed = resumeAfterGap(waiting.record);
    expect(resumed.compareWanted).toBe(true);
    expect(claim(resumed, waiting.pendings, 'free').send).toEqual({ stage: 'won' });
  });
});

describe('claiming', () => {
  test('a value that HubSpot holds already is dropped and not sent', () => {
    const waiting = change(linked, {}, 'open');
    const claimed = claim(waiting.record, waiting.pendings, 'call');
    expect(claimed).toMatchObject({ blocked: false, send: {}, drop: ['stage'] });
    expect(claimed.record.call).toBeNull();
  });

  test('in doubt nothing is sent, not even another property', () => {
    const waiting = consumeChange(doubt(linked, 'echo'), {}, { amount: '5' }, 's');
    expect(claim(waiting.record, waiting.pendings, 'call')).toMatchObject({
      blocked: true,
      send: {},
      drop: [],
    });
  });

  test('while a call is under way no second one is made', () => {
    const waiting = change(linked, {}, 'won');
    const { record } = claim(waiting.record, waiting.pendings, 'first');
    const newer = change(record, waiting.pendings, 'lost');
    expect(claim(newer.record, newer.pendings, 'second').blocked).toBe(true);
  });

  test('every value is in the ledger before it is sent, and the ledger stays short', () => {
    let record = linked;
    for (let n = 0; n < 12; n++) record = pushed(record, `v${n}`, 10 * n + 10, 10 * n + 11).record;
    const waiting = change(record, {}, 'last');
    const claimed = claim(waiting.record, waiting.pendings, 'call');
    const { ledger } = stage(claimed.record);
    expect(ledger).toHaveLength(LEDGER_LENGTH);
    expect(ledger.at(-1)).toMatchObject({ value: 'last', request: 'call', outcome: 'under-way' });
  });
});

describe('settling', () => {
  test('an answer ends what was sent and becomes what is known', () => {
    const settled = pushed(linked, 'won', 10, 11);
    expect(settled).toMatchObject({ pendings: {}, settled: ['stage'], doubted: [] });
    expect(stage(settled.record).known).toEqual({
      value: 'won',
      time: { low: at(9), high: at(12) },
    });
    expect(settled.record).toMatchObject({ call: null, doubt: [] });
  });

  test('a change that came while the call was under way still waits', () => {
    const waiting = change(linked, {}, 'won');
    const { record } = claim(waiting.record, waiting.pendings, 'call');
    const newer = change(record, waiting.pendings, 'lost');
    const settled = settleRecord(newer.record, newer.pendings, answer('call', 'won', 10, 11));
    expect(settled.pendings).toEqual(newer.pendings);
  });

  test('the answer of a call that was given up changes nothing', () => {
    const waiting = change(linked, {}, 'won');
    const { record } = claim(waiting.record, waiting.pendings, 'call');
    const given = giveUp(record, waiting.pendings, 'call');
    const late = settleRecord(given.record, given.pendings, answer('call', 'won', 10, 11));
    expect(late.record).toBe(given.record);
    expect(late.pendings).toBe(given.pendings);
  });

  test('a call of another term is an unknown outcome: read before anything is sent', () => {
    const waiting = change(linked, {}, 'won');
    const { record } = claim(waiting.record, waiting.pendings, 'call');
    expect(record.call && isAbandoned(record.call, 1)).toBe(false);
    expect(record.call && isAbandoned(record.call, 2)).toBe(true);
    const given = giveUp(record, waiting.pendings, 'call');
    expect(given.record.doubt).toEqual(['readretry']);
    expect(given.pendings.stage).toMatchObject({ value: 'won', cause: 'repeat' });
    expect(stage(given.record).ledger.at(-1)?.outcome).toBe('unknown');
    expect(claim(given.record, given.pendings, 'again').blocked).toBe(true);
  });

  test('a toggled boolean costs no reading though its value was sent before', () => {
    let record = linked;
    for (const [n, value] of ['won', 'open', 'won', 'open', 'won'].entries()) {
      const settled = pushed(record, value, 10 * n + 10, 10 * n + 11);
      expect(settled).toMatchObject({ settled: ['stage'], doubted: [] });
      record = settled.record;
    }
    expect(record.doubt).toEqual([]);
  });

  test('two pushes within a second: the tolerance makes the first one no doubt', () => {
    const first = pushed(linked, 'won', 10, 10.1).record;
    const second = pushed(first, 'lost', 10.3, 10.4);
    expect(second.doubted).toEqual([]);
    const echo = receiveEvent(second.record, event('won', 10.05, true));
    expect(echo.outcome).toBe('echo');
    const newer = receiveEvent(echo.record, event('lost', 10.35, true));
    expect(newer.outcome).toBe('echo');
    expect(newer.record.doubt).toEqual([]);
  });

  test('an answer without the property proves nothing', () => {
    const waiting = change(linked, {}, 'won');
    const { record } = claim(waiting.record, waiting.pendings, 'call');
    const settled = settleRecord(record, waiting.pendings, answer('call', undefined, 10, 11));
    expect(settled.record.doubt).toEqual(['answer']);
  });

  test('a foreign value that came during the call, inside its bracket, is a doubt', () => {
    const waiting = change(linked, {}, 'won');
    const { record } = claim(waiting.record, waiting.pendings, 'call');
    const applied = appliedInbound(record, 'stage', { value: 'lost', time: at(10.5) });
    const settled = settleRecord(applied, waiting.pendings, answer('call', 'won', 10, 11));
    expect(settled.record.doubt).toEqual(['bound']);
  });

  test('a call that certainly was not made leaves no trace', () => {
    const waiting = change(linked, {}, 'won');
    const claimed = claim(waiting.record, waiting.pendings, 'call');
    const ended = endCall(claimed.record, 'call');
    expect(ended.record).toEqual(waiting.record);
  });

  test('a comparison that met the call is wanted when it ends, however it ends', () => {
    const waiting = change(linked, {}, 'won');
    const { record } = claim(waiting.record, waiting.pendings, 'call');
    const met = consumeCompare(record, waiting.pendings, { stage: 'won' }, 'c').record;
    expect(met.call?.compareAfter).toBe(true);
    for (const ended of [
      settleRecord(met, waiting.pendings, answer('call', 'won', 10, 11)).record,
      giveUp(met, waiting.pendings, 'call').record,
      endCall(met, 'call').record,
      refuseProperties(met, waiting.pendings, 'call', ['stage']).record,
    ]) {
      expect(ended.compareWanted).toBe(true);
      expect(comparisonEmitted(ended).compareWanted).toBe(false);
    }
  });
});
