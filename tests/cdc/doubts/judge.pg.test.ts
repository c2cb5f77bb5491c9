/** What was read of records in doubt, and what it does to their rows. */
import { setTimeout as delay } from 'node:timers/promises';
import { startDoubts } from '../../../cdc/doubts/doubts.ts';
import { inTransaction } from '../../../shared/postgres/pool.ts';
import { eventually } from '../../support/eventually.ts';
import { createRoom, type Room, tables } from '../room.ts';

const READ = 'POST /crm/v3/objects/deals/batch/read';
const deal = { name: 'First', amount: '1', stage: 'Negotiation' };

async function idOf(room: Room, object: string, key: string): Promise<string> {
  return (await room.record(object, key)).state.existence.link ?? '';
}

async function syncedDeal(room: Room, key = 'o-1', columns = deal): Promise<string> {
  await room.insert('deals', key, columns);
  await room.rest();
  return idOf(room, 'deals', key);
}

test('reconcile finds what nobody told of, and repairs both sides', async () => {
  await using room = await createRoom();
  const one = await syncedDeal(room, 'o-1');
  const two = await syncedDeal(room, 'o-2');
  const three = await syncedDeal(room, 'o-3');
  await room.edit('deals', one, { dealname: 'By a person', hs_next_step: 'call' });
  // A change of the row that the stream lost.
  await room.db.query("update opportunities set amount = 77 where id = 'o-2'");
  await room.control('DELETE', `/objects/deals/${three}`, {});
  const writes = async () => (await room.calls())['POST /crm/v3/objects/deals/batch/update']?.count;
  expect(await writes()).toBeUndefined();
  await room.reconcile();
  await room.rest();
  expect(await room.row('deals', 'o-1')).toMatchObject({ name: 'By a person', next_step: 'call' });
  expect(Number((await room.shown('deals', two)).properties.amount)).toBe(77);
  expect(await room.row('deals', 'o-3')).toBeUndefined();
  expect(await writes()).toBe(1);
  expect(await room.list('deals')).toHaveLength(2);
  const log = await room.db.query(
    `select object_id, message, metadata ->> 'source' as source from ${tables.syncLog}
      where direction = 'inbound' order by object_id`,
  );
  // HubSpot had set the probability from the stage.
  const probability = 'hs_deal_stage_probability';
  expect(log).toEqual([
    {
      object_id: 'o-1',
      message: `update: dealname, ${probability}, hs_next_step`,
      source: 'read',
    },
    { object_id: 'o-2', message: `update: ${probability}`, source: 'read' },
    { object_id: 'o-3', message: 'delete', source: 'read' },
  ]);
  expect(await room.letters()).toEqual([]);
});

test('a second reconcile of equal sides writes nothing anywhere', async () => {
  await using room = await createRoom();
  await syncedDeal(room);
  await room.reconcile();
  await room.rest();
  const [before] = await room.db.query('select xmin::text, ctid::text from opportunities');
  const calls = await room.calls();
  await room.reconcile();
  await room.rest();
  expect(await room.db.query('select xmin::text, ctid::text from opportunities')).toEqual([before]);
  const writes = (all: typeof calls) =>
    Object.entries(all).filter(([name]) => /update|upsert|archive/.test(name));
  expect(writes(await room.calls())).toEqual(writes(calls));
});

test.each([
  ['delete', 'inbound: delete', undefined],
  ['mark', 'inbound: mark, markColumn: gone', { gone: true }],
  ['keep', 'inbound: keep', { gone: null }],
])(
  'an update of a record that was deleted in HubSpot is followed by the policy `%s`',
  async (_, policy, expected) => {
    await using room = await createRoom({
      sql: 'alter table opportunities add gone boolean',
      mapping: (text) => text.replaceAll('inbound: delete', policy),
    });
    const id = await syncedDeal(room);
    await room.control('DELETE', `/objects/deals/${id}`, {});
    await room.update('deals', 'o-1', { name: 'Second' });
    await room.deliver();
    expect((await room.record('deals', 'o-1')).state.doubt).toEqual(['missing']);
    await room.rest();
    const [row] = await room.db.query('select gone from opportunities');
    expect(row).toEqual(expected);
    // Nothing is made again for it, and nothing of it is sent.
    if (expected) await room.update('deals', 'o-1', { name: 'Third' });
    await room.rest();
    expect(await room.list('deals')).toEqual([]);
    expect(await idOf(room, 'deals', 'o-1')).toBe('');
  },
);

test('a record that is restored in HubSpot brings its row back, whole', async () => {
  await using room = await createRoom();
  const id = await syncedDeal(room);
  await room.control('DELETE', `/objects/deals/${id}`, {});
  await room.reconcile();
  await room.rest();
  expect(await room.row('deals', 'o-1')).toBeUndefined();
  await room.control('POST', `/objects/deals/${id}/restore`, {});
  await room.doubt('deals', 'o-1', 'existence');
  await room.rest();
  expect(await room.row('deals', 'o-1')).toMatchObject({ name: 'First', stage: 'Negotiation' });
  expect(await idOf(room, 'deals', 'o-1')).toBe(id);
  expect((await room.shown('deals', id)).archived).toBe(false);
});

test('a marked row is unmarked when its record is restored', async () => {
  await using room = await createRoom({
    sql: 'alter table opportunities add gone timestamptz',
    mapping: (text) => text.replaceAll('inbound: delete', 'inbound: mark, markColumn: gone'),
  });
  const id = await syncedDeal(room);
  await room.control('DELETE', `/objects/deals/${id}`, {});
  await room.reconcile();
  await room.rest();
  expect(await room.db.query('select gone is null as live from opportunities')).toEqual([
    { live: false },
  ]);
  await room.control('POST', `/objects/deals/${id}/restore`, {});
  await room.edit('deals', id, { dealname: 'Restored' });
  await room.doubt('deals', 'o-1', 'existence');
  await room.rest();
  expect(await room.db.query('select name, gone from opportunities')).toEqual([
    { name: 'Restored', gone: null },
  ]);
});

const failedReads = [
  ['fails', { status: 500, body: {} }],
  ['is cut off', { drop: 'before' }],
  ['is refused for the record alone', { status: 207, body: partly('VALIDATION_ERROR') }],
  ['leaves the record out without a word', { status: 200, body: partly() }],
] as const;

function partly(category?: string) {
  const now = new Date().toISOString();
  const errors = category ? [{ status: 'error', category, message: 'no', context: {} }] : [];
  return { status: 'COMPLETE', results: [], errors, startedAt: now, completedAt: now };
}

test.each(failedReads)('no row is deleted by a reading that %s', async (_, fault) => {
  await using room = await createRoom();
  await syncedDeal(room);
  await room.control('POST', '/faults', { match: READ, times: 0, ...fault });
  await room.reconcile();
  const tried = await room.resolve().catch((error: { code?: string }) => error.code ?? 'failed');
  expect(await room.row('deals', 'o-1')).toBeDefined();
  expect((await room.record('deals', 'o-1')).state.doubt).toEqual(['reconcile']);
  expect([
    undefined,
    'HUBSPOT_SERVER_ERROR',
    'HUBSPOT_CONNECTION_LOST',
    'HUBSPOT_VALUES_REFUSED',
  ]).toContain(tried);
  await room.control('DELETE', '/faults');
  await room.rest();
  expect(await room.row('deals', 'o-1')).toBeDefined();
});

test('a failed reading of one table does not keep the others from being judged', async () => {
  await using room = await createRoom();
  const id = await syncedDeal(room);
  await room.insert('companies', 'c-1', { name: 'One' });
  await room.rest();
  await room.control('POST', '/faults', {
    match: 'POST /crm/v3/objects/companies/batch/read',
    times: 0,
    status: 500,
    body: {},
  });
  await room.edit('deals', id, { dealname: 'By a person' });
  await room.reconcile();
  const loop = startDoubts(room.context);
  await eventually(async () => (await room.row('deals', 'o-1'))?.name === 'By a person');
  await loop.stop();
});

test('a value that Postgres refuses is a dead letter; the others are applied, HubSpot’s is not overwritten', async () => {
  await using room = await createRoom({
    sql: 'alter table opportunities add constraint small check (amount < 100)',
  });
  const id = await syncedDeal(room);
  const other = await syncedDeal(room, 'o-2');
  await room.edit('deals', id, { amount: '1000', dealname: 'By a person' });
  await room.edit('deals', other, { dealname: 'Neighbour' });
  await room.reconcile();
  await room.rest();
  expect(await room.row('deals', 'o-1')).toMatchObject({ name: 'By a person', amount: '1.00' });
  expect(await room.row('deals', 'o-2')).toMatchObject({ name: 'Neighbour' });
  expect((await room.shown('deals', id)).properties.amount).toBe('1000');
  expect(await room.letters()).toMatchObject([
    { direction: 'inbound', key: 'o-1', code: 'ROW_REFUSED', hubspot_id: id },
  ]);
  const [line] = await room.db.query(`select * from ${tables.syncLog} where status = 'error'`);
  expect(line).toMatchObject({ error_details: { sqlstate: '23514', properties: ['amount'] } });
  expect(JSON.stringify(line)).not.toContain('1000');
  await room.reconcile();
  await room.rest();
  expect(await room.letters()).toHaveLength(1);
  expect((await room.shown('deals', id)).properties.amount).toBe('1000');
  // A change of the row is news again.
  await room.update('deals', 'o-1', { amount: '50' });
  await room.rest();
  expect(Number((await room.shown('deals', id)).properties.amount)).toBe(50);
});

test('an option that the mapping does not name is a dead letter once, and stays in HubSpot', async () => {
  await using room = await createRoom({
    mapping: (text) => text.replace('          Closed Lost: closedlost\n', ''),
  });
  const id = await syncedDeal(room);
  await room.edit('deals', id, { dealstage: 'closedlost' });
  for (let i = 0; i < 2; i += 1) {
    await room.reconcile();
    await room.rest();
  }
  expect(await room.row('deals', 'o-1')).toMatchObject({ stage: 'Negotiation' });
  expect((await room.shown('deals', id)).properties.dealstage).toBe('closedlost');
  expect(await room.letters()).toMatchObject([{ key: 'o-1', code: 'VALUE_UNCONVERTIBLE' }]);
});

test('HubSpot’s newer value replaces one of the row that could not be converted', async () => {
  await using room = await createRoom();
  const id = await syncedDeal(room);
  await room.update('deals', 'o-1', { stage: 'No such stage' });
  await room.rest();
  await room.edit('deals', id, { dealstage: 'closedwon' });
  await room.reconcile();
  await room.rest();
  expect(await room.row('deals', 'o-1')).toMatchObject({ stage: 'Closed Won' });
});

test('a row that other rows need is not deleted but left without a link, as a dead letter', async () => {
  await using room = await createRoom({
    sql: `create table notes (id int primary key, deal text not null references opportunities (id));`,
  });
  const id = await syncedDeal(room);
  const other = await syncedDeal(room, 'o-2');
  await room.db.query("insert into notes values (1, 'o-1')");
  await room.control('DELETE', `/objects/deals/${id}`, {});
  await room.control('DELETE', `/objects/deals/${other}`, {});
  await room.reconcile();
  await room.rest();
  expect(await room.row('deals', 'o-1')).toBeDefined();
  expect(await room.row('deals', 'o-2')).toBeUndefined();
  expect(await room.letters()).toMatchObject([{ key: 'o-1', code: 'ROW_REFUSED' }]);
  await room.update('deals', 'o-1', { name: 'Second' });
  await room.rest();
  expect(await room.list('deals')).toEqual([]);
});

test('a doubt whose row the application holds is tried again, not in haste; the others are judged', async () => {
  await using room = await createRoom();
  const held = await syncedDeal(room);
  const free = await syncedDeal(room, 'o-2');
  await room.edit('deals', held, { dealname: 'Held' });
  await room.edit('deals', free, { dealname: 'Free' });
  const reads = async () => (await room.calls())[READ]?.count ?? 0;
  const before = await reads();
  const loop = startDoubts(room.context);
  await inTransaction(room.context.pool, async (client) => {
    await client.query("update opportunities set next_step = 'x' where id = 'o-1'");
    await room.reconcile();
    await eventually(async () => (await room.row('deals', 'o-2'))?.name === 'Free');
    await delay(1000);
    expect(await reads()).toBeLessThan(before + 10);
  });
  await eventually(async () => (await room.row('deals', 'o-1'))?.name === 'Held');
  await loop.stop();
});

test('a deletion that waits for somebody’s lock holds up no other record', async () => {
  await using room = await createRoom();
  await room.insert('companies', 'c-1', { name: 'One' });
  await room.insert('companies', 'c-2', { name: 'Two' });
  await room.insert('deals', 'o-1', { ...deal, client_id: 'c-1' });
  await room.rest();
  await room.control('DELETE', `/objects/companies/${await idOf(room, 'companies', 'c-1')}`, {});
  await room.edit('companies', await idOf(room, 'companies', 'c-2'), { name: 'Free' });
  await inTransaction(room.context.pool, async (client) => {
    // The row goes only when the foreign keys that name it can be emptied.
    await client.query("select from opportunities where id = 'o-1' for update");
    await room.reconcile();
    await room.resolve();
    expect(await room.row('companies', 'c-2')).toMatchObject({ name: 'Free' });
    expect((await room.record('companies', 'c-1')).state.doubt).toEqual(['reconcile']);
  });
  await room.rest();
  expect(await room.row('companies', 'c-1')).toBeUndefined();
});

test('what was learned while it was read makes the reading be repeated', async () => {
  await using room = await createRoom();
  const id = await syncedDeal(room);
  await room.edit('deals', id, { dealname: 'Older' });
  await room.reconcile();
  await room.control('POST', '/faults', { match: READ, delayMs: 300 });
  const resolving = room.resolve();
  await eventually(async () => (await room.control('GET', '/faults')).length === 0);
  await room.edit('deals', id, { dealname: 'Newer' });
  await room.doubt('deals', 'o-1', 'echo');
  await resolving;
  expect((await room.record('deals', 'o-1')).state.doubt).toEqual(['reconcile', 'echo']);
  await room.rest();
  expect(await room.row('deals', 'o-1')).toMatchObject({ name: 'Newer' });
});

test('a record that was merged into another is gone: its row goes by policy, whoever survives', async () => {
  await using room = await createRoom();
  const one = await syncedDeal(room);
  const two = await syncedDeal(room, 'o-2');
  await room.control('POST', '/objects/deals/merge', { primary: two, other: one });
  await room.reconcile();
  await room.rest();
  expect(await room.row('deals', 'o-1')).toBeUndefined();
});

const refusesBig =
  'alter table opportunities add check (amount < 1000), add check (length(next_step) < 9);';

test('a letter of a value that the row refused ends when the row’s own later value is delivered', async () => {
  await using room = await createRoom({ sql: refusesBig });
  const id = await syncedDeal(room);
  await room.edit('deals', id, { amount: '5000' });
  await room.reconcile();
  await room.rest();
  expect(await room.letters()).toMatchObject([{ direction: 'inbound', code: 'ROW_REFUSED' }]);
  await room.update('deals', 'o-1', { name: 'Other' });
  await room.rest();
  expect(await room.letters()).toMatchObject([{ state: 'open' }]);
  await room.update('deals', 'o-1', { amount: 7 });
  await room.rest();
  expect(Number((await room.shown('deals', id)).properties.amount)).toBe(7);
  expect(await room.letters()).toMatchObject([{ state: 'cured' }]);
  expect((await room.record('deals', 'o-1')).syncError).toBeNull();
});

test('a letter of a value that the row refused ends when a reading brings the corrected one', async () => {
  await using room = await createRoom({ sql: refusesBig });
  const id = await syncedDeal(room);
  await room.edit('deals', id, { amount: '5000', hs_next_step: 'a long text' });
  await room.reconcile();
  await room.rest();
  expect(await room.letters()).toHaveLength(2);
  await room.edit('deals', id, { amount: '70' });
  await room.reconcile();
  await room.rest();
  expect(await room.row('deals', 'o-1')).toMatchObject({ amount: '70.00' });
  const states = async () =>
    Object.fromEntries(
      (await room.letters()).map(({ payload, state }) => [
        Object.keys(payload.values as object),
        state,
      ]),
    );
  expect(await states()).toEqual({ amount: 'cured', hs_next_step: 'open' });
  expect((await room.record('deals', 'o-1')).syncError).not.toBeNull();
  await room.edit('deals', id, { hs_next_step: 'short' });
  await room.reconcile();
  await room.rest();
  expect(await states()).toEqual({ amount: 'cured', hs_next_step: 'cured' });
  expect((await room.record('deals', 'o-1')).syncError).toBeNull();
});

test('a letter of a value that could not be sent ends when HubSpot’s is applied', async () => {
  await using room = await createRoom();
  const id = await syncedDeal(room);
  await room.update('deals', 'o-1', { stage: 'No such stage' });
  await room.rest();
  expect(await room.letters()).toMatchObject([{ direction: 'outbound', state: 'open' }]);
  const log = await room.db.query(`select * from ${tables.syncLog} where status <> 'success'`);
  expect(log).toMatchObject([
    {
      status: 'error',
      direction: 'outbound',
      message: 'dealstage: not sent (VALUE_UNCONVERTIBLE)',
    },
  ]);
  await room.edit('deals', id, { dealstage: 'presentationscheduled' });
  await room.reconcile();
  await room.rest();
  expect(await room.row('deals', 'o-1')).toMatchObject({ stage: 'Proposal' });
  expect(await room.letters()).toMatchObject([{ state: 'cured' }]);
  expect((await room.record('deals', 'o-1')).syncError).toBeNull();
});
