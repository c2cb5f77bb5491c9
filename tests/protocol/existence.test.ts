import { claimRecord } from '../../shared/protocol/claim.ts';
import { consumeMark } from '../../shared/protocol/consume.ts';
import {
  answeredNotFound,
  bracketOfAnswer,
  claimArchive,
  consumeExistenceChange,
  consumeExistenceCompare,
  consumeExistenceMark,
  decideOperation,
  type ExistencePolicy,
  equalExistence,
  type PendingExistence,
  settleArchived,
  settleWritten,
} from '../../shared/protocol/existence.ts';
import {
  noteCreated,
  receiveExistence,
  receiveUnlinked,
  refuseDeletion,
  refuseInsertion,
  takesPropertyEvent,
} from '../../shared/protocol/existence-inward.ts';
import {
  type FoundRecord,
  judgeExistence,
  planRead,
} from '../../shared/protocol/existence-judge.ts';
import { forgetMarks, IDS_LENGTH, knownId, linkId, retireId } from '../../shared/protocol/ids.ts';
import { endCall, giveUp, settleRecord } from '../../shared/protocol/settle.ts';
import { newProperty, newRecord, type RecordState } from '../../shared/protocol/state.ts';

const keep: ExistencePolicy = { ...equalExistence, inward: 'keep' };
const mark: ExistencePolicy = { ...equalExistence, inward: 'mark' };
const ignore: ExistencePolicy = { ...equalExistence, outward: 'ignore' };

const at = (time: number) => ({ low: time - 1000, high: time + 1000 });
const write = (seq = 'a'): PendingExistence => ({ operation: 'write', seq });
const remove = (seq = 'b'): PendingExistence => ({ operation: 'delete', seq });
const linked = (id = '1', time = 10_000): RecordState => linkId(newRecord, id, at(time));
const dead = (id = '1', time = 20_000): RecordState =>
  retireId(linked(id), id, { low: time, high: time });

function upserting(record: RecordState = newRecord, seq = 'a'): RecordState {
  const call = { request: 'r', term: 1, operation: 'upsert', hubspotId: null, startedAt: 0, seq };
  return claimRecord(record, {}, call as never, { always: true }).record;
}

function updating(record: RecordState, seq = 'a'): RecordState {
  const hubspotId = record.existence.link;
  const call = { request: 'r', term: 1, operation: 'update', hubspotId, startedAt: 0, seq };
  return claimRecord(record, {}, call as never, { always: true }).record;
}

const archiving = (record: RecordState, op = remove()) =>
  claimArchive(record, op, { request: 'r', term: 1, startedAt: 0 });

const answered = (id: string, time: number, isNew = false) => ({
  request: 'r',
  id,
  isNew,
  time: at(time),
});

const event = (kind: 'creation' | 'deletion' | 'restore', id: string, time: number, ours = false) =>
  ({ kind, id, time, ours }) as const;

const live = (id: string, createdByUs = false): FoundRecord => ({
  id,
  archived: false,
  archivedAt: null,
  createdByUs,
});
const archived = (id: string, archivedAt: number): FoundRecord => ({
  id,
  archived: true,
  archivedAt,
  createdByUs: true,
});

function judge(
  record: RecordState,
  op: PendingExistence | null,
  rowExists: boolean,
  found: readonly FoundRecord[],
  { time = 50_000, policy = equalExistence } = {},
) {
  const read = { revision: record.revision, time: at(time), found };
  const judged = judgeExistence(record, op, rowExists, read, policy);
  if (judged.again) throw new Error('read again');
  return judged;
}

describe('what waits for a record', () => {
  test('an insert after a delete is a write, whose form the claim decides by the link', () => {
    const deleted = consumeExistenceChange(linked(), { kind: 'delete', seq: '1' });
    expect(deleted.op).toEqual({ operation: 'delete', seq: '1' });
    const inserted = consumeExistenceChange(deleted.record, { kind: 'insert', seq: '2' });
    expect(inserted.op).toEqual({ operation: 'write', seq: '2' });
    expect(decideOperation(inserted.record, write())).toBe('update');
    expect(decideOperation(newRecord, write())).toBe('upsert');
  });

  test('a delete archives the link, and nothing where there is none', () => {
    expect(decideOperation(linked(), remove())).toBe('archive');
    expect(decideOperation(newRecord, remove())).toBe('nothing');
  });

  test('a delete that HubSpot is not to follow is not sent, and its link stays for a new row', () => {
    const deleted = consumeExistenceChange(linked(), { kind: 'delete', seq: '1' }, ignore);
    expect(deleted.op).toBeNull();
    expect(decideOperation(deleted.record, write(), ignore)).toBe('update');
    const compared = consumeExistenceCompare(
      deleted.record,
      null,
      { rowExists: false, seq: '2' },
      ignore,
    );
    expect(compared.op).toBeNull();
  });

  test('nothing is claimed in doubt, beside a call, or while a mark is on its way', () => {
    const doubtful: RecordState = { ...linked(), doubt: ['existence'] };
    expect(decideOperation(doubtful, remove())).toBe('wait');
    expect(decideOperation(updating(linked()), remove())).toBe('wait');
    const gone = receiveExistence(linked(), null, event('deletion', '1', 20_000));
    expect(decideOperation(gone.record, write())).toBe('wait');
    expect(decideOperation(consumeExistenceMark(gone.record).record, write())).toBe('upsert');
    expect(decideOperation(forgetMarks(gone.record), write())).toBe('upsert');
  });

  test('a mark drops what waited and wants a comparison', () => {
    const consumed = consumeExistenceMark(linked());
    expect(consumed.op).toBeNull();
    expect(consumed.record.compareWanted).toBe(true);
  });

  test('a mark of a retired id leaves no epoch to the id that follows', () => {
    const gone = receiveExistence(linked(), null, event('deletion', '1', 20_000)).record;
    const late = consumeMark(gone, {}, { amount: { value: '5', time: 15_000 } }, 'm').record;
    expect(late.properties.amount?.epoch).toBe(15_000);
    expect(consumeExistenceMark(late).record.properties.amount?.epoch).toBe(0);
  });

  test('a comparison writes a row without a link and archives a link without a row', () => {
    const row = consumeExistenceCompare(newRecord, null, { rowExists: true, seq: '1' });
    expect(row.op).toEqual({ operation: 'write', seq: '1' });
    const link = consumeExistenceCompare(linked(), null, { rowExists: false, seq: '1' });
    expect(link.op).toEqual({ operation: 'delete', seq: '1' });
    const equal = consumeExistenceCompare(linked(), null, { rowExists: true, seq: '1' });
    expect(equal.op).toBeNull();
  });

  test('a comparison or mark that meets a call is made when the call has ended', () => {
    const call = updating(linked());
    const compared = consumeExistenceCompare(call, null, { rowExists: false, seq: '1' });
    expect(compared.op).toBeNull();
    expect(compared.record.call?.compareAfter).toBe(true);
    const marked = consumeExistenceMark(archiving(linked()));
    expect(marked.record.compareWanted).toBe(false);
    const settled = settleArchived(marked.record, null, { request: 'r', time: at(20_000) });
    expect(settled.record.compareWanted).toBe(true);
  });
});

describe('what an answer tells', () => {
  test('an upsert links the id, and what it carried waits no more', () => {
    const settled = settleWritten(upserting(), write('a'), answered('7', 10_000, true));
    expect(settled).toMatchObject({ linked: true, op: null });
    expect(settled.record.existence.link).toBe('7');
    expect(knownId(settled.record, '7')?.createdByUs).toBe(true);
    expect(settled.record.doubt).toEqual([]);
  });

  test('a later change of the row waits on', () => {
    const settled = settleWritten(upserting(), remove('later'), answered('7', 10_000, true));
    expect(settled.op).toEqual(remove('later'));
  });

  test('a deletion remembered for the id makes the answer a doubt', () => {
    const tombstone = { low: 10_500, high: 10_500 };
    const settled = settleWritten(upserting(), write('a'), {
      ...answered('7', 10_000),
      tombstone,
    });
    expect(settled.record.doubt).toEqual(['existence']);
    const ended = settleRecord(
      settled.record,
      {},
      {
        request: 'r',
        startedAt: 10_000,
        completedAt: 10_000,
        values: {},
      },
    );
    const judged = judge(ended.record, null, true, [archived('7', 10_500)]);
    expect(judged.action).toBe('delete-row');
  });

  test('a tombstone that is older than the answer is that of a restored record', () => {
    const tombstone = { low: 5000, high: 5000 };
    const settled = settleWritten(upserting(), write('a'), {
      ...answered('7', 10_000),
      tombstone,
    });
    expect(settled.record.doubt).toEqual([]);
    expect(knownId(settled.record, '7')?.dead).toBeNull();
  });

  test('an answer older than a known death does not link the dead id again', () => {
    const call = updating(linked());
    const gone = receiveExistence(call, write('a'), event('deletion', '1', 20_000));
    expect(gone.outcome).toBe('delete-row');
    const settled = settleWritten(gone.record, gone.op, answered('1', 12_000));
    expect(settled.linked).toBe(false);
    expect(settled.record.existence.link).toBeNull();
    expect(settled.record.call).toBeNull();
    expect(settled.record.doubt).toEqual([]);
    const unclear = settleWritten(gone.record, gone.op, answered('1', 20_000));
    expect(unclear.record.existence.link).toBeNull();
    expect(unclear.record.doubt).toEqual(['existence']);
  });

  test('an own creation that is not the answer is a doubt', () => {
    const seen = noteCreated(upserting(), '9', { createdByUs: true });
    expect(seen.doubt).toEqual([]);
    expect(settleWritten(seen, null, answered('9', 10_000)).record.doubt).toEqual([]);
    expect(settleWritten(seen, null, answered('8', 10_000)).record.doubt).toEqual(['created']);
  });

  test('an archive retires its id; a row inserted meanwhile gets a new one, with empty properties', () => {
    const known = { ...newProperty, known: { value: 'x', time: at(10_000) } };
    const record = { ...linked(), properties: { amount: known } };
    const settled = settleArchived(archiving(record), write('later'), {
      request: 'r',
      time: at(20_000),
    });
    expect(settled.record.existence.link).toBeNull();
    expect(settled.record.properties).toEqual({});
    expect(decideOperation(settled.record, write('later'))).toBe('upsert');
    const anew = settleWritten(upserting(settled.record), write('a'), answered('2', 30_000, true));
    expect(anew.record.existence.link).toBe('2');
    expect(knownId(anew.record, '1')?.dead).not.toBeNull();
  });

  test('what was sent without an outcome stays in the ledger of the id that follows', () => {
    const pendings = { amount: { value: '5', cause: 'change' as const, seq: 'a' } };
    const call = {
      request: 'r',
      term: 1,
      operation: 'update' as const,
      hubspotId: '1',
      startedAt: 0,
    };
    const sent = claimRecord(linked(), pendings, call).record;
    const given = giveUp(sent, pendings, 'r').record;
    const gone = receiveExistence(given, null, event('deletion', '1', 20_000)).record;
    expect(gone.properties.amount).toMatchObject({
      known: null,
      ledger: [{ value: '5', outcome: 'unknown' }],
    });
  });

  test('a pending delete whose deed is settled is dropped by its token, a later one is not', () => {
    const time = at(20_000);
    const same = settleArchived(archiving(linked(), remove('b')), remove('b'), {
      request: 'r',
      time,
    });
    expect(same.op).toBeNull();
    const later = settleArchived(archiving(linked(), remove('b')), remove('c'), {
      request: 'r',
      time,
    });
    expect(later.op).toEqual(remove('c'));
    expect(decideOperation(later.record, remove('c'))).toBe('nothing');
  });

  test('an update that finds nothing is a doubt and never a creation', () => {
    const record = endCall(answeredNotFound(updating(linked()), 'r'), 'r').record;
    expect(record.doubt).toEqual(['missing']);
    expect(record.existence.link).toBe('1');
    expect(decideOperation(record, write())).toBe('wait');
    expect(planRead(record)).toEqual({ ids: ['1'], byKey: false });
  });

  test('answers to another request change nothing', () => {
    const record = upserting();
    const other = { ...answered('7', 10_000), request: 'other' };
    expect(settleWritten(record, write(), other)).toEqual({ record, op: write(), linked: false });
    expect(settleArchived(record, null, { request: 'other', time: at(1) }).record).toBe(record);
    expect(answeredNotFound(record, 'other')).toBe(record);
  });

  test('a Date header brackets an answer from before the call to a second after', () => {
    expect(bracketOfAnswer(100_000, 250)).toEqual({ low: 98_750, high: 101_000 });
  });
});

describe('what HubSpot announces', () => {
  test('a deletion later than the link was alive deletes the row', () => {
    const received = receiveExistence(linked(), write(), event('deletion', '1', 20_000));
    expect(received).toMatchObject({ outcome: 'delete-row', op: null });
    expect(received.record.existence.link).toBeNull();
  });

  test('a deletion before that is stale, one inside the bracket is a doubt', () => {
    const outcome = (time: number) =>
      receiveExistence(linked('1', 10_000), null, event('deletion', '1', time)).outcome;
    expect(outcome(8999)).toBe('stale');
    expect(outcome(9000)).toBe('doubt');
    expect(outcome(11_000)).toBe('doubt');
    expect(outcome(11_001)).toBe('delete-row');
  });

  test('a deletion keeps or marks the row by policy; nothing of it is sent until it is inserted anew', () => {
    const gone = event('deletion', '1', 20_000);
    expect(receiveExistence(linked(), null, gone, mark).outcome).toBe('mark-row');
    const kept = receiveExistence(linked(), null, gone, keep);
    expect(kept.outcome).toBe('keep-row');
    const edited = consumeExistenceChange(kept.record, { kind: 'update', seq: '1' }, keep);
    expect(edited.op).toBeNull();
    const compare = { rowExists: true, seq: '2' };
    expect(consumeExistenceCompare(kept.record, null, compare, keep).op).toBeNull();
    const inserted = consumeExistenceChange(kept.record, { kind: 'insert', seq: '3' }, keep);
    expect(inserted.op).toEqual({ operation: 'write', seq: '3' });
    expect(decideOperation(inserted.record, write(), keep)).toBe('upsert');
  });

  test('a deletion of an id without a record is remembered, a creation wanted', () => {
    const tombstone = receiveUnlinked(null, event('deletion', '5', 20_000));
    expect(tombstone).toEqual({ dead: { low: 20_000, high: 20_000 }, wanted: false });
    expect(receiveUnlinked(tombstone, event('creation', '5', 10_000)).wanted).toBe(true);
    const restored = receiveUnlinked(null, event('restore', '5', 20_000));
    expect(restored).toEqual({ dead: { low: 0, high: 20_000 }, wanted: true });
  });

  test('the echo of the archive under way is expected, another own deletion is a doubt', () => {
    const call = archiving(linked());
    const echo = event('deletion', '1', 20_000, true);
    expect(receiveExistence(call, remove(), echo).outcome).toBe('ignore');
    const given = giveUp(call, {}, 'r').record;
    const alive = { ...given, doubt: [] };
    expect(receiveExistence(alive, null, echo).record.doubt).toEqual(['echo']);
  });

  test('a deletion in our name that the ledger does not know is foreign', () => {
    const received = receiveExistence(linked(), null, event('deletion', '1', 20_000, true));
    expect(received.outcome).toBe('delete-row');
  });

  test('a restore is never taken at its word', () => {
    const received = receiveExistence(dead(), null, event('restore', '1', 30_000));
    expect(received.outcome).toBe('doubt');
    expect(received.record.existence.link).toBeNull();
  });

  test('events of a retired id, of a row that is gone or to be archived are dropped', () => {
    expect(takesPropertyEvent(linked(), null, '1', true)).toBe(true);
    expect(takesPropertyEvent(linked(), null, '1', false)).toBe(false);
    expect(takesPropertyEvent(linked(), remove(), '1', true)).toBe(false);
    expect(takesPropertyEvent(dead(), null, '1', true)).toBe(false);
  });

  test('an own creation that nobody waits for is a doubt', () => {
    const noted = noteCreated(newRecord, '3', { createdByUs: true });
    expect(noted.doubt).toEqual(['created']);
    expect(planRead(noted)).toEqual({ ids: ['3'], byKey: true });
    expect(noteCreated(linked('3'), '3', { createdByUs: true })).toEqual(linked('3'));
  });
});

describe('what a reading tells', () => {
  const doubtful = (record: RecordState): RecordState => ({ ...record, doubt: ['existence'] });

  test('a reading that something was learned since, or that meets a call, is repeated', () => {
    const record = doubtful(linked());
    const read = { revision: record.revision - 1, time: at(50_000), found: [] };
    expect(judgeExistence(record, null, true, read).again).toBe(true);
    const calling = updating(linked());
    const now = { ...read, revision: calling.revision };
    expect(judgeExistence(calling, null, true, now).again).toBe(true);
  });

  test('a link found dead was deleted by somebody else and takes the row with it', () => {
    const judged = judge(doubtful(linked()), write(), true, [archived('1', 20_000)]);
    expect(judged).toMatchObject({ action: 'delete-row', link: null, op: null });
    expect(judged.record.doubt).toEqual([]);
    expect(judge(doubtful(linked()), null, true, []).action).toBe('delete-row');
  });

  test('a link found dead by our own archive does not: the row is written anew', () => {
    const given = giveUp(archiving(linked()), {}, 'r').record;
    const judged = judge(given, null, true, [archived('1', 20_000)]);
    expect(judged).toMatchObject({ action: 'none', link: null });
    expect(judged.record.compareWanted).toBe(true);
    const deleted = judge(given, remove(), false, [archived('1', 20_000)]);
    expect(deleted).toMatchObject({ action: 'none', op: null });
  });

  test('once our archive is settled and the record restored, a later deletion is foreign', () => {
    const settled = settleArchived(archiving(linked()), null, { request: 'r', time: at(20_000) });
    const restored = judge(doubtful(settled.record), null, false, [live('1')], { time: 30_000 });
    expect(restored.action).toBe('insert-row');
    const again = judge(doubtful(restored.record), null, true, [archived('1', 40_000)]);
    expect(again.action).toBe('delete-row');
  });

  test('a record found alive after it was known dead was restored: its row is inserted', () => {
    const judged = judge(doubtful(dead()), null, false, [live('1', true)]);
    expect(judged).toMatchObject({ action: 'insert-row', link: '1' });
    expect(judge(doubtful(dead()), null, false, [live('1')], { policy: ignore }).action).toBe(
      'insert-row',
    );
  });

  test('a pending write is no delete on its way: a restore inserts the row beside it', () => {
    const judged = judge(doubtful(dead()), write(), false, [live('1')]);
    expect(judged).toMatchObject({ action: 'insert-row', op: null });
  });

  test('a local delete on its way stands against a restore that it has not seen', () => {
    const judged = judge(doubtful(dead()), remove('new'), false, [live('1')]);
    expect(judged).toMatchObject({ action: 'none', link: '1', op: remove('new') });
    expect(decideOperation(judged.record, remove('new'))).toBe('archive');
  });

  test('a delete that was carried out is not sent again to a record restored since', () => {
    const given = giveUp(archiving(linked(), remove('b')), {}, 'r').record;
    const told = receiveExistence(given, remove('b'), event('restore', '1', 30_000));
    const judged = judge(told.record, remove('b'), false, [live('1')]);
    expect(judged).toMatchObject({ action: 'insert-row', op: null });
  });

  test('a late creation of ours without a row is archived', () => {
    const noted = noteCreated(newRecord, '3', { createdByUs: true });
    const judged = judge(noted, null, false, [live('3', true)]);
    expect(judged).toMatchObject({ action: 'none', link: '3' });
    expect(judged.record.compareWanted).toBe(true);
    const compared = consumeExistenceCompare(judged.record, null, { rowExists: false, seq: '1' });
    expect(decideOperation(judged.record, compared.op ?? write())).toBe('archive');
  });

  test('a record that a HubSpot user created gets a row', () => {
    const noted = noteCreated(newRecord, '3', { createdByUs: false });
    expect(judge(noted, null, false, [live('3')])).toMatchObject({
      action: 'insert-row',
      link: '3',
    });
  });

  test('one with the key of a row is linked to it', () => {
    const noted = noteCreated(newRecord, '3', { createdByUs: false });
    expect(judge(noted, write(), true, [live('3')])).toMatchObject({ action: 'none', link: '3' });
  });

  test('a record that was created by a lost upsert and deleted by a user takes the row with it', () => {
    const noted = noteCreated(newRecord, '3', { createdByUs: true });
    const judged = judge(noted, write(), true, [archived('3', 20_000)]);
    expect(judged).toMatchObject({ action: 'delete-row', op: null });
    const told = receiveExistence(noted, write(), event('deletion', '3', 20_000));
    expect(told.outcome).toBe('doubt');
    expect(judge(told.record, write(), true, [archived('3', 20_000)]).action).toBe('delete-row');
  });

  test('a retired id takes no row with it', () => {
    const record = doubtful(dead());
    expect(judge(record, write(), true, [archived('1', 20_000)])).toMatchObject({
      action: 'none',
      op: write(),
    });
  });

  test('an id that died since it was read, before anybody knew whose it is, is read again', () => {
    const record: RecordState = { ...newRecord, doubt: ['readretry'] };
    const found = [{ ...live('3', true), tombstone: { low: 50_000, high: 50_000 } }];
    const read = { revision: record.revision, time: at(50_000), found };
    const judged = judgeExistence(record, null, true, read);
    expect(judged.again).toBe(true);
    expect(planRead(judged.record).ids).toEqual(['3']);
    const next = judge(judged.record, null, true, [archived('3', 50_000)], { time: 60_000 });
    expect(next.action).toBe('delete-row');
  });

  test('a kept row is linked again when its record is restored, a marked one unmarked', () => {
    const gone = (policy: ExistencePolicy) =>
      doubtful(receiveExistence(linked(), null, event('deletion', '1', 20_000), policy).record);
    expect(judge(gone(keep), null, true, [live('1')], { policy: keep })).toMatchObject({
      action: 'none',
      link: '1',
    });
    expect(judge(gone(mark), null, true, [live('1')], { policy: mark }).action).toBe('unmark-row');
  });

  test('a second live record is told, and left alone', () => {
    const noted = noteCreated(linked('1'), '2', { createdByUs: true });
    const judged = judge(noted, null, true, [live('2', true), live('1')]);
    expect(judged).toMatchObject({ link: '1', surplus: ['2'], action: 'none' });
  });

  test("doubts of the properties are left to the properties' own judgement", () => {
    const record: RecordState = { ...linked(), doubt: ['existence', 'first'] };
    expect(judge(record, null, true, [live('1')]).record.doubt).toEqual(['first']);
  });
});

describe('what Postgres refuses', () => {
  test('a refused deletion leaves a row that is not sent', () => {
    const gone = receiveExistence(linked(), null, event('deletion', '1', 20_000));
    const record = refuseDeletion(gone.record);
    expect(record.existence).toMatchObject({ marks: 0, link: null, detached: true });
    expect(consumeExistenceCompare(record, null, { rowExists: true, seq: '1' }).op).toBeNull();
  });

  test('a refused insertion leaves the HubSpot record alone, and a later event tries again', () => {
    const noted = noteCreated(newRecord, '3', { createdByUs: false });
    const judged = judge(noted, null, false, [live('3')]);
    expect(judged.action).toBe('insert-row');
    const record = refuseInsertion(judged.record);
    expect(record.existence.marks).toBe(0);
    expect(record.existence.link).toBeNull();
    expect(record.doubt).toEqual([]);
    expect(consumeExistenceCompare(record, null, { rowExists: false, seq: '1' }).op).toBeNull();
    const later = noteCreated(record, '3', { createdByUs: false });
    expect(judge(later, null, false, [live('3')]).action).toBe('insert-row');
  });

  test('a restored creation of ours whose row was refused is not archived', () => {
    const judged = judge(dead(), null, false, [live('1', true)]);
    expect(judged.action).toBe('insert-row');
    const record = refuseInsertion(judged.record);
    expect(record.existence.link).toBeNull();
    expect(judge(record, null, false, [live('1', true)]).action).toBe('insert-row');
  });
});

test('a record remembers a bounded number of ids and never forgets its link', () => {
  let record = linked('link');
  for (let n = 0; n < 2 * IDS_LENGTH; n++) {
    record = noteCreated(record, `id ${n}`, { createdByUs: true });
  }
  expect(record.existence.ids).toHaveLength(IDS_LENGTH);
  expect(record.existence.ids.map(({ id }) => id)).toContain('link');
});

test('decisions take and give plain data that survives JSON', () => {
  const record = noteCreated(upserting(), '3', { createdByUs: true });
  expect(JSON.parse(JSON.stringify(record))).toEqual(record);
});
