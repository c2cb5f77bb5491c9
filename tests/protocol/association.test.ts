import {
  type Associated,
  judgeAssociation,
  primaryOf,
  receiveAssociation,
} from '../../shared/protocol/association.ts';
import { claimRecord } from '../../shared/protocol/claim.ts';
import { consumeCompare } from '../../shared/protocol/consume.ts';
import { linkId } from '../../shared/protocol/ids.ts';
import { appliedInbound } from '../../shared/protocol/receive.ts';
import { settleRecord } from '../../shared/protocol/settle.ts';
import {
  newProperty,
  newRecord,
  type Pending,
  propertyOf,
  type RecordState,
} from '../../shared/protocol/state.ts';

const time = { low: 49_000, high: 51_000 };
const pending = (value: string): Pending => ({ value, cause: 'change', seq: 'a' });
const plain = (id: string): Associated => ({ id, primary: false });
const primary = (id: string): Associated => ({ id, primary: true });

function knowing(value: string): RecordState {
  const known = { value, time: { low: 9000, high: 11_000 } };
  const record = linkId(newRecord, '1', known.time);
  return { ...record, properties: { company: { ...newProperty, known } } };
}

function sending(record: RecordState, value: string): RecordState {
  const call = {
    request: 'r',
    term: 1,
    operation: 'associate' as const,
    hubspotId: '1',
    startedAt: 0,
  };
  return claimRecord(record, { company: pending(value) }, call).record;
}

const receive = (record: RecordState, toId: string, removed: boolean, waiting?: Pending) =>
  receiveAssociation(record, 'company', { toId, removed }, waiting);

const judge = (
  record: RecordState,
  set: readonly Associated[],
  row: string | undefined,
  waiting?: Pending,
) => judgeAssociation(record, 'company', { set, time }, row, waiting);

describe('an association event', () => {
  test('that equals what is known is an echo', () => {
    expect(receive(knowing('7'), '7', false)).toEqual({ outcome: 'same', record: knowing('7') });
  });

  test('of a record that is not the primary taken away changes nothing', () => {
    expect(receive(knowing('7'), '8', true).outcome).toBe('same');
  });

  test('that may change the primary is a doubt: it does not tell what the primary is', () => {
    const added = receive(knowing('7'), '8', false);
    expect(added.outcome).toBe('doubt');
    expect(added.record.doubt).toEqual(['association']);
    expect(receive(knowing('7'), '7', true).outcome).toBe('doubt');
    expect(receive(newRecord, '7', false).outcome).toBe('doubt');
  });

  test('meets a local value that waits: that one is going to overrule it', () => {
    const received = receive(knowing('7'), '8', false, pending('9'));
    expect(received).toEqual({ outcome: 'local', record: knowing('7') });
  });

  test('of the call under way is expected, whichever of its two comes first', () => {
    const call = sending(knowing('7'), '9');
    expect(receive(call, '9', false).outcome).toBe('same');
    expect(receive(call, '7', true).outcome).toBe('same');
  });

  test('of somebody else while a call is under way is read once the call has ended', () => {
    const call = sending(knowing('7'), '9');
    expect(receive(call, '8', false, pending('9')).record.doubt).toEqual(['association']);
    expect(receive(call, '9', true).outcome).toBe('doubt');
  });
});

describe('the primary of a set', () => {
  test('is the one with the primary type, else the only one, else none', () => {
    expect(primaryOf([plain('1'), primary('2'), plain('3')])).toBe('2');
    expect(primaryOf([plain('1')])).toBe('1');
    expect(primaryOf([])).toBe('');
  });

  test('is not known of several without a primary', () => {
    expect(primaryOf([plain('1'), plain('2')])).toBeUndefined();
  });
});

describe('a set that was read', () => {
  test("HubSpot's is applied where nothing waits and HubSpot changed it", () => {
    const judged = judge(knowing('7'), [primary('8'), plain('7')], '7');
    expect(judged).toMatchObject({ outcome: 'apply', value: '8' });
    expect(judge(knowing('7'), [], '7')).toMatchObject({ outcome: 'apply', value: '' });
    expect(judge(newRecord, [primary('8')], '')).toMatchObject({ outcome: 'apply', value: '8' });
  });

  test('what waits here wins, and is known to be needed', () => {
    const judged = judge(knowing('7'), [primary('8')], '9', pending('9'));
    expect(judged.outcome).toBe('local');
    expect(propertyOf(judged.record, 'company').known).toEqual({ value: '8', time });
  });

  test('a row that differs though HubSpot did not change is sent', () => {
    expect(judge(knowing('7'), [primary('7')], '9').outcome).toBe('send');
    expect(judge(newRecord, [], '9').outcome).toBe('send');
  });

  test('nothing is sent for a row whose other record is not in HubSpot yet', () => {
    expect(judge(newRecord, [], undefined).outcome).toBe('same');
  });

  test('several without a primary are reported and nothing is changed', () => {
    const record: RecordState = { ...knowing('7'), doubt: ['association'] };
    const judged = judge(record, [plain('8'), plain('9')], '7');
    expect(judged).toEqual({ outcome: 'several', value: '', record: knowing('7') });
  });

  test('ends the doubt, and no other', () => {
    const record: RecordState = { ...knowing('7'), doubt: ['association', 'first'] };
    expect(judge(record, [primary('7')], '7').record.doubt).toEqual(['first']);
  });

  test('of a record without a row stays unknown, so that no comparison takes it away', () => {
    const judged = judge(newRecord, [primary('8')], '');
    expect(propertyOf(judged.record, 'company').known).toBeNull();
    const compared = consumeCompare(judged.record, {}, { company: '' }, 'b');
    expect(compared.pendings).toEqual({});
    expect(judge(judged.record, [primary('8')], '').outcome).toBe('apply');
  });

  test('once applied is what is known, and its own echo changes nothing', () => {
    const judged = judge(knowing('7'), [primary('8')], '7');
    const applied = appliedInbound(judged.record, 'company', { value: '8', time: time.high });
    expect(receive(applied, '8', false).outcome).toBe('same');
    expect(judge(applied, [primary('8')], '8').outcome).toBe('same');
  });
});

test('an answered association is known and is not sent again', () => {
  const settled = settleRecord(
    sending(knowing('7'), '9'),
    { company: pending('9') },
    { request: 'r', startedAt: 20_000, completedAt: 20_100, values: { company: '9' } },
  );
  expect(settled.pendings).toEqual({});
  expect(propertyOf(settled.record, 'company').known?.value).toBe('9');
  expect(sending(settled.record, '9').call).toBeNull();
  expect(receive(settled.record, '9', false).outcome).toBe('same');
  expect(receive(settled.record, '7', true).outcome).toBe('same');
});
