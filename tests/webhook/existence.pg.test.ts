import { refuseInsertion } from '../../shared/protocol/existence-inward.ts';
import { retireId } from '../../shared/protocol/ids.ts';
import { exactly } from '../../shared/protocol/property.ts';
import { eventually } from '../support/eventually.ts';
import { byUs, event, openRoom, propertyChange, type Room, tables } from './room.ts';

const outcomes = async (room: Room) =>
  (await room.db.query(`select outcome from ${tables.inbox} order by occurred_at, id`)).map(
    ({ outcome }) => outcome,
  );

const remembered = async (room: Room, id: string) =>
  (
    await room.db.query(
      `select key, dead_low, dead_high, wanted_at is not null as wanted from ${tables.hubspotId} where hubspot_id = $1`,
      [id],
    )
  )[0];

test('a deletion in HubSpot deletes the row, and its mark names the row', async () => {
  await using room = await openRoom();
  await room.link('deals', 'd1', '1');
  await room.db.query(
    "select pg_create_logical_replication_slot('test_' || md5(current_database()), 'test_decoding')",
  );
  const deletion = event('deal.deletion', 1, { changeFlag: 'DELETED' });
  await room.send(propertyChange(1, 'dealname', 'last words'), deletion);
  await room.settled();
  expect(await room.db.query('select * from deals')).toEqual([]);
  const state = await room.record('deals', 'd1');
  expect(state.existence).toMatchObject({ link: null, marks: 1 });
  expect(state.existence.ids).toMatchObject([
    { id: '1', dead: exactly(deletion.occurredAt as number) },
  ]);
  expect(room.told('inbound:change')).toMatchObject([
    { operation: 'delete', key: 'd1', hubspotId: '1' },
  ]);
  const wal = await room.db.query(
    "select data from pg_logical_slot_get_changes('test_' || md5(current_database()), null, null)",
  );
  const told = wal.map(({ data }) => data as string);
  const mark = told.findIndex(
    (line) => line.startsWith('message') && line.includes('"kind":"delete"'),
  );
  const change = told.findIndex((line) => line.startsWith('table public.deals: DELETE'));
  expect(mark).toBeGreaterThanOrEqual(0);
  expect(change).toBeGreaterThan(mark);
});

test('by policy the row is kept, without a link and with nothing waiting', async () => {
  await using room = await openRoom({ deletes: 'keep' });
  await room.link('deals', 'd1', '1');
  await room.send(event('deal.deletion', 1));
  await room.settled();
  expect(await room.db.query('select id from deals')).toEqual([{ id: 'd1' }]);
  expect((await room.record('deals', 'd1')).existence).toMatchObject({
    link: null,
    detached: true,
  });
});

test('by policy the row is marked in a column', async () => {
  await using room = await openRoom({
    deletes: 'mark, markColumn: deleted_at',
    sql: 'alter table deals add deleted_at timestamptz; alter table companies add deleted_at timestamptz;',
  });
  await room.link('deals', 'd1', '1');
  await room.link('deals', 'd2', '2');
  await room.send(event('deal.deletion', 1));
  await room.settled();
  expect(await room.db.query('select id from deals where deleted_at is not null')).toEqual([
    { id: 'd1' },
  ]);
  expect((await room.record('deals', 'd1')).existence).toMatchObject({
    link: null,
    detached: true,
  });
});

test('a deletion from before the record was last seen alive is stale', async () => {
  await using room = await openRoom();
  const deletion = event('deal.deletion', 1);
  await room.link('deals', 'd1', '1', {}, (state) => ({
    ...state,
    existence: { ...state.existence, alive: exactly((deletion.occurredAt as number) + 60_000) },
  }));
  await room.send(deletion);
  await room.settled();
  expect(await outcomes(room)).toEqual(['stale']);
  expect(await room.db.query('select id from deals')).toEqual([{ id: 'd1' }]);
});

test('a row that others need is kept without a link, once waiting for them was in vain', async () => {
  await using room = await openRoom();
  await room.link('companies', 'c1', '50');
  await room.link('deals', 'd1', '1', { client_id: 'c1' });
  await room.link('companies', 'c2', '51');
  await room.send(event('company.deletion', 50), event('company.deletion', 51));
  await room.settled();
  expect(await room.db.query('select id from companies')).toEqual([{ id: 'c1' }]);
  expect((await room.record('companies', 'c1')).existence).toMatchObject({
    link: null,
    detached: true,
    marks: 0,
  });
  expect(await room.db.query(`select code, key from ${tables.deadLetter}`)).toEqual([
    { code: 'ROW_REFUSED', key: 'c1' },
  ]);
});

test('a row that others need is deleted when they are gone in time', async () => {
  await using room = await openRoom();
  await room.link('companies', 'c1', '50');
  await room.link('deals', 'd1', '1', { client_id: 'c1' });
  await room.send(event('company.deletion', 50));
  await eventually(async () => {
    const [waiting] = await room.db.query(`select error from ${tables.inbox}`);
    expect(waiting?.error).toContain('23503');
  });
  await room.send(event('deal.deletion', 1));
  await room.settled();
  expect(await room.db.query('select id from companies')).toEqual([]);
  expect(await room.db.query(`select * from ${tables.deadLetter}`)).toEqual([]);
});

test('a restore is never taken at its word: the record is read', async () => {
  await using room = await openRoom();
  await room.link('deals', 'd1', '1', {}, (state) => retireId(state, '1', exactly(1000)));
  await room.send(event('deal.restore', 1));
  await room.settled();
  expect((await room.record('deals', 'd1')).doubt).toEqual(['existence']);
});

test('a creation of an id that nobody knows is wanted, and a deletion of one is remembered', async () => {
  await using room = await openRoom();
  const deletion = event('deal.deletion', 8);
  await room.send(event('deal.creation', 7, { changeFlag: 'CREATED' }), deletion);
  await room.settled();
  expect(await remembered(room, '7')).toMatchObject({ key: null, wanted: true, dead_high: null });
  const at = String(deletion.occurredAt);
  expect(await remembered(room, '8')).toEqual({
    key: null,
    wanted: false,
    dead_low: at,
    dead_high: at,
  });
  expect(await outcomes(room)).toEqual(['remembered', 'remembered']);
});

test('a change of an id that nobody knows wants the id, unless it is known to have died after it', async () => {
  await using room = await openRoom();
  const early = propertyChange(8, 'dealname', 'before its end');
  await room.send(event('deal.deletion', 8));
  await room.settled();
  await room.send(early, propertyChange(7, 'dealname', 'made elsewhere'));
  await room.settled();
  expect(await remembered(room, '7')).toMatchObject({ key: null, wanted: true });
  expect(await remembered(room, '8')).toMatchObject({ key: null, wanted: false });
});

test('a change of an id that an upsert under way may be about to name waits for its answer', async () => {
  await using room = await openRoom();
  const { db } = room;
  await room.link('deals', 'd1', '1');
  await db.query("insert into deals (id, name) values ('d2', 'deal d2')");
  const call = { request: 'r', operation: 'upsert', values: {} };
  await db.query(
    `insert into ${tables.record} (object_type, key, state, call_since)
     select 'deals', 'd2', jsonb_set(state, '{call}', $1) #- '{existence,link}', now() from ${tables.record} where key = 'd1'`,
    [JSON.stringify(call)],
  );
  await room.send(
    propertyChange(2, 'dealname', 'while it was made'),
    propertyChange(1, 'dealname', 'goes on'),
  );
  await eventually(async () => {
    expect(await db.query("select name from deals where id = 'd1'")).toEqual([{ name: 'goes on' }]);
  });
  const waiting = await db.query(
    `select attempts, state from ${tables.inbox} where object_id = '2'`,
  );
  expect(waiting).toEqual([{ attempts: 0, state: 'new' }]);
  // The answer is settled: the record is linked, and its call ended.
  await db.query("delete from deals where id = 'd2'");
  await room.link('deals', 'd2', '2');
  await room.settled();
  expect(await db.query("select name from deals where id = 'd2'")).toEqual([
    { name: 'while it was made' },
  ]);
});

test('our own creation is wanted too: its answer may be lost', async () => {
  await using room = await openRoom();
  await room.send(event('deal.creation', 7, byUs));
  await room.settled();
  expect(await remembered(room, '7')).toMatchObject({ key: null, wanted: true });
});

test('a merge makes every record it names a doubt, and wants the one that nobody knows', async () => {
  await using room = await openRoom();
  await room.link('deals', 'd1', '1');
  await room.link('deals', 'd2', '2');
  await room.send(
    event('deal.merge', 1, {
      primaryObjectId: 1,
      mergedObjectIds: [2],
      newObjectId: 3,
      numberOfPropertiesMoved: 4,
    }),
  );
  await room.settled();
  expect((await room.record('deals', 'd1')).doubt).toEqual(['existence']);
  expect((await room.record('deals', 'd2')).doubt).toEqual(['existence']);
  expect(await remembered(room, '3')).toMatchObject({ key: null, wanted: true });
});

test('a change of a record whose row was refused has it read again; one of a record that died does not', async () => {
  await using room = await openRoom();
  await room.link('deals', 'hs_1', '1', {}, refuseInsertion);
  await room.link('deals', 'hs_2', '2', {}, (state) => retireId(state, '2', exactly(2e12)));
  await room.db.query('delete from deals');
  await room.send(propertyChange(1, 'dealname', 'filled in'), propertyChange(2, 'dealname', 'x'));
  await room.settled();
  expect(await outcomes(room)).toEqual(['doubt', 'ignored']);
  expect((await room.record('deals', 'hs_1')).doubt).toEqual(['created']);
  expect((await room.record('deals', 'hs_2')).doubt).toEqual([]);
  expect(room.told('doubt')).toMatchObject([{ key: 'hs_1', hubspotId: '1', reason: 'created' }]);
});
