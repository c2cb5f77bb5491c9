/** Calls of which nobody knows what became, and calls that certainly weren't carried out. */
import { setTimeout as delay } from 'node:timers/promises';
import { startDeliver } from '../../../cdc/deliver/deliver.ts';
import { startDoubts } from '../../../cdc/doubts/doubts.ts';
import { eventually } from '../../support/eventually.ts';
import { createRoom, type Room, tables } from '../room.ts';

const UPDATE = 'POST /crm/v3/objects/deals/batch/update';
const UPSERT = 'POST /crm/v3/objects/deals/batch/upsert';
const READ = 'POST /crm/v3/objects/deals/batch/read';
const deal = { name: 'First', amount: '1', stage: 'Negotiation' };

async function idOf(room: Room, key: string): Promise<string> {
  return (await room.record('deals', key)).state.existence.link ?? '';
}

const unknownEnds = [
  ['whose answer is lost', { drop: 'after' }],
  ['that never arrives', { drop: 'before' }],
  ['that is answered 500', { status: 500, body: { status: 'error' } }],
  ['that is carried out and answered 502', { status: 502, body: 'bad gateway', drop: 'after' }],
] as const;

test.each(unknownEnds)(
  'a creation %s makes one record, found again by its key',
  async (_, fault) => {
    await using room = await createRoom();
    await room.insert('deals', 'o-1', deal);
    await room.control('POST', '/faults', { match: UPSERT, ...fault });
    await room.deliver();
    const record = await room.record('deals', 'o-1');
    expect(record.state.doubt).toEqual(['readretry']);
    expect(record.outbox).toMatchObject({ operation: 'write', attempts: 1 });
    expect(await room.deliver()).toEqual([]);
    await room.rest();
    expect(await room.list('deals')).toHaveLength(1);
    expect((await room.shown('deals', await idOf(room, 'o-1'))).properties.dealname).toBe('First');
    expect(await room.letters()).toEqual([]);
  },
);

test.each(unknownEnds)(
  'an update %s is read back before anything is sent again',
  async (_, fault) => {
    await using room = await createRoom();
    await room.insert('deals', 'o-1', deal);
    await room.rest();
    await room.update('deals', 'o-1', { name: 'Second' });
    await room.control('POST', '/faults', { match: UPDATE, ...fault });
    await room.deliver();
    const read = (await room.calls())[READ]?.count ?? 0;
    await room.rest();
    expect((await room.calls())[READ]?.count).toBeGreaterThan(read);
    expect((await room.shown('deals', await idOf(room, 'o-1'))).properties.dealname).toBe('Second');
    // Carried out the first time: not a second time.
    const calls = (await room.calls())[UPDATE]?.count;
    expect(calls).toBe('drop' in fault && fault.drop === 'after' ? 1 : 2);
  },
);

test.each(unknownEnds)('an archive %s is carried out, once', async (_, fault) => {
  await using room = await createRoom();
  await room.insert('deals', 'o-1', deal);
  await room.rest();
  const id = await idOf(room, 'o-1');
  await room.remove('deals', 'o-1');
  await room.control('POST', '/faults', {
    match: 'POST /crm/v3/objects/deals/batch/archive',
    ...fault,
  });
  await room.deliver();
  expect((await room.record('deals', 'o-1')).state.doubt).toEqual(['readretry']);
  await room.rest();
  expect((await room.shown('deals', id)).archived).toBe(true);
  expect(await idOf(room, 'o-1')).toBe('');
});

test('HubSpot’s newer value stands over an update whose answer was lost', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'o-1', deal);
  await room.rest();
  await room.update('deals', 'o-1', { name: 'Second' });
  await room.control('POST', '/faults', { match: UPDATE, drop: 'after' });
  await room.deliver();
  await room.edit('deals', await idOf(room, 'o-1'), { dealname: 'By a person' });
  await room.rest();
  expect(await room.row('deals', 'o-1')).toMatchObject({ name: 'By a person' });
  expect((await room.shown('deals', await idOf(room, 'o-1'))).properties.dealname).toBe(
    'By a person',
  );
});

test('an update that HubSpot carries out long after it was given up is found by a comparison, and put right', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'o-1', deal);
  await room.rest();
  const id = await idOf(room, 'o-1');
  await room.update('deals', 'o-1', { name: 'Late' });
  await room.control('POST', '/faults', { match: UPDATE, lateMs: 700 });
  await room.deliver();
  await room.update('deals', 'o-1', { name: 'Newest' });
  await room.rest();
  expect((await room.shown('deals', id)).properties.dealname).toBe('Newest');
  await eventually(async () => (await room.shown('deals', id)).properties.dealname === 'Late', {
    what: 'the late write',
  });
  await room.reconcile();
  await room.rest();
  expect((await room.shown('deals', id)).properties.dealname).toBe('Newest');
  expect(await room.row('deals', 'o-1')).toMatchObject({ name: 'Newest' });
});

test('a creation that HubSpot carries out after it was repeated makes no second record', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'o-1', deal);
  await room.control('POST', '/faults', { match: UPSERT, lateMs: 500 });
  await room.deliver();
  await room.rest();
  const id = await idOf(room, 'o-1');
  expect(id).not.toBe('');
  await delay(700);
  expect((await room.list('deals')).map((one) => one.id)).toEqual([id]);
});

test('a creation that loses the race for its key against a late one finds the record', async () => {
  await using room = await createRoom({
    behaviour: { upsertRaceMs: 60_000, upsertRaceLoser: '409' },
  });
  await room.insert('deals', 'o-1', deal);
  await room.control('POST', '/faults', { match: UPSERT, lateMs: 150 });
  await room.deliver();
  await room.resolve();
  await eventually(async () => (await room.list('deals')).length === 1, { what: 'the late write' });
  await room.hurry();
  await room.deliver();
  expect((await room.record('deals', 'o-1')).outbox?.error).toBe('HUBSPOT_CONFLICT');
  await room.rest();
  expect(await idOf(room, 'o-1')).toBe((await room.list('deals'))[0]?.id);
  expect(await room.letters()).toEqual([]);
});

test.each([
  [
    'the rolling limit',
    { policyName: 'TEN_SECONDLY_ROLLING', errorType: 'RATE_LIMIT' },
    'HUBSPOT_RATE_LIMITED',
    3,
  ],
  ['the day’s limit', { policyName: 'DAILY', errorType: 'RATE_LIMIT' }, 'HUBSPOT_DAILY_LIMIT', 1],
])(
  'an update refused by %s waits in the outbox, and is no doubt',
  async (_, body, error, times) => {
    await using room = await createRoom();
    await room.insert('deals', 'o-1', deal);
    await room.rest();
    await room.update('deals', 'o-1', { name: 'Second' });
    await room.control('POST', '/faults', {
      match: UPDATE,
      times,
      status: 429,
      headers: { 'retry-after': '1' },
      body: { status: 'error', message: `limit`, ...body },
    });
    await room.deliver();
    const record = await room.record('deals', 'o-1');
    expect(record.state).toMatchObject({ doubt: [], call: null });
    expect(record.state.properties.dealname?.ledger.map(({ value }) => value)).toEqual(['First']);
    expect(record.outbox).toMatchObject({ error, attempts: 1, pending: { dealname: {} } });
    expect(record.outbox?.dueAt).toBeGreaterThan(Date.now());
    expect(await room.deliver()).toEqual([]);
    expect(await room.letters()).toEqual([]);
  },
);

test('a record whose batch fails again and again is sent in smaller ones, until it stands alone', async () => {
  await using room = await createRoom();
  for (let i = 0; i < 8; i += 1) await room.insert('deals', `o-${i}`, deal);
  await room.rest();
  for (let i = 0; i < 8; i += 1) await room.update('deals', `o-${i}`, { name: `New ${i}` });
  await room.control('POST', '/faults', { match: UPDATE, times: 4, status: 500, body: {} });
  const sizes: number[] = [];
  for (let round = 0; round < 4; round += 1) {
    await room.hurry();
    const claimed = await room.claim();
    sizes.push(
      new Set(claimed.map(({ suspicion }) => suspicion)).size === 1
        ? (claimed[0]?.suspicion ?? -1)
        : -1,
    );
    await room.settle(claimed, await room.send(claimed));
    await room.resolve();
    await room.consume();
  }
  expect(sizes).toEqual([0, 1, 2, 3]);
  await room.rest();
  expect((await room.shown('deals', await idOf(room, 'o-7'))).properties.dealname).toBe('New 7');
});

test.each([
  ['was carried out', true],
  ['was not', false],
])('a call that a dead process left is read back by the next one, where it %s', async (_, sent) => {
  await using room = await createRoom();
  await room.insert('deals', 'o-1', deal);
  const claimed = await room.claim();
  const outcomes = sent ? await room.send(claimed) : new Map();
  await room.db.query(`update ${tables.lease} set term = 2`);
  // Whoever held the lease before stores nothing any more.
  await expect(room.settle(claimed, outcomes)).rejects.toMatchObject({ code: 'LEASE_LOST' });
  await expect(room.claim()).resolves.toEqual([]);
  const next = { ...room.context, term: 2 };
  const loops = [await startDeliver(next), startDoubts(next)];
  try {
    await eventually(
      async () => {
        await room.consume();
        return (await room.waiting()).length === 0;
      },
      { what: 'rest' },
    );
  } finally {
    await Promise.all(loops.map((loop) => loop.stop()));
  }
  expect(await room.list('deals')).toHaveLength(1);
  expect(await idOf(room, 'o-1')).toBe((await room.list('deals'))[0]?.id);
});

test('a settlement that the database refuses for good ends the term, and loses nothing', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'o-1', deal);
  const loop = await startDeliver(room.context);
  const failed = loop.promise.catch((error: { code?: string }) => error.code);
  await room.db.query(
    `create function no() returns trigger language plpgsql as 'begin raise exception ''no''; end'`,
  );
  await room.db.query(
    `create trigger no before insert on ${tables.syncLog} for each row execute function no()`,
  );
  expect(await failed).toBe('SETTLEMENT_FAILED');
  await loop.stop();
  expect((await room.record('deals', 'o-1')).state.call).not.toBeNull();
  await room.db.query(`drop trigger no on ${tables.syncLog}`);
  await room.db.query(`update ${tables.lease} set term = 2`);
  const next = { ...room.context, term: 2 };
  const loops = [await startDeliver(next), startDoubts(next)];
  await eventually(async () => {
    await room.consume();
    return (await room.waiting()).length === 0;
  });
  await Promise.all(loops.map((one) => one.stop()));
  expect(await room.list('deals')).toHaveLength(1);
});
