import { createRoom, type Room } from './room.ts';

/** A row that is known already: consumed, delivered as far as the outbox knows, nothing waiting. */
async function createKnownDeal(room: Room, id: string, columns = ''): Promise<void> {
  await room.db.query(
    `insert into deals (id, name, amount, next_step) values ($1, 'One', 12.5, ${columns || 'null'})`,
    [id],
  );
  await room.drained();
  await room.db.query('delete from hubspot_sync.outbox');
}

test('an inserted row waits to be written with every outward property', async () => {
  await using room = await createRoom();
  await using _ = await room.start();
  await room.db.query(`insert into deals (id, name, amount) values ('d1', 'One', 12.5)`);
  await room.drained();
  expect(await room.waiting('d1')).toEqual({
    operation: 'write',
    pending: ['amount', 'association:companies', 'closedate', 'dealname', 'hs_next_step'],
  });
  expect((await room.record('d1'))?.image).toEqual({
    id: 'd1',
    name: 'One',
    amount: '12.50',
    due: null,
    probability: null,
    next_step: null,
    client_id: null,
  });
});

test('an update makes only the changed outward properties pending', async () => {
  await using room = await createRoom();
  await using streaming = await room.start();
  await createKnownDeal(room, 'd1');
  await room.db.query(`update deals set amount = 13, probability = 0.5, local = 7 where id = 'd1'`);
  await room.drained();
  expect(await room.waiting('d1')).toEqual({ operation: 'write', pending: ['amount'] });
  expect((await room.record('d1'))?.image).toMatchObject({
    amount: '13.00',
    probability: '0.5000',
  });
  expect(
    streaming.told.filter(({ name }) => name === 'outbound:change').at(-2)?.event,
  ).toMatchObject({ object: 'deals', key: 'd1', operation: 'update', properties: ['amount'] });
});

test('an update of unmapped or inbound-only columns, or to the same values, makes nothing pending', async () => {
  await using room = await createRoom();
  await using _ = await room.start();
  await createKnownDeal(room, 'd1');
  await room.db.query(`update deals set local = 8 where id = 'd1'`);
  await room.db.query(`update deals set probability = 0.25 where id = 'd1'`);
  await room.db.query(`update deals set name = 'One', amount = 12.50 where id = 'd1'`);
  await room.drained();
  expect(await room.waiting('d1')).toBeUndefined();
});

test('an unchanged TOAST value stays out of the change and in the image', async () => {
  await using room = await createRoom({
    sql: 'alter table deals alter next_step set storage external;',
  });
  await using _ = await room.start();
  await createKnownDeal(room, 'd1', `repeat('long ', 2000)`);
  await room.db.query(`update deals set name = 'Two' where id = 'd1'`);
  await room.drained();
  expect(await room.waiting('d1')).toEqual({ operation: 'write', pending: ['dealname'] });
  expect((await room.record('d1'))?.image?.next_step).toBe('long '.repeat(2000));
});

test('the unchanged TOAST value of a row that was never consumed waits, and is unknown', async () => {
  await using room = await createRoom({
    sql: `alter table deals alter next_step set storage external;
          insert into deals (id, name, next_step) values ('d1', 'One', repeat('long ', 2000));`,
  });
  await using _ = await room.start();
  await room.db.query(`update deals set amount = 5 where id = 'd1'`);
  await room.drained();
  expect((await room.waiting('d1'))?.pending).toEqual([
    'amount',
    'association:companies',
    'closedate',
    'dealname',
    'hs_next_step',
  ]);
  expect(Object.keys((await room.record('d1'))?.image ?? {})).not.toContain('next_step');
});

test('with full replica identity an update of an unknown row is compared with the row before', async () => {
  await using room = await createRoom({
    sql: `alter table deals replica identity full; insert into deals (id, name) values ('d1', 'One'), ('d2', 'Two');`,
  });
  await using _ = await room.start();
  await room.db.query(`update deals set amount = 5 where id = 'd1'`);
  await room.db.query(`update deals set local = 5 where id = 'd2'`);
  await room.drained();
  expect(await room.waiting('d1')).toEqual({ operation: 'write', pending: ['amount'] });
  expect(await room.waiting('d2')).toBeUndefined();
});

test('a delete takes what waited with it, and an insert after it is a write of everything', async () => {
  await using room = await createRoom();
  await using _ = await room.start();
  await createKnownDeal(room, 'd1');
  await room.db.query(`update deals set name = 'Two' where id = 'd1'`);
  await room.db.query(`delete from deals where id = 'd1'`);
  await room.drained();
  expect(await room.waiting('d1')).toEqual({ operation: 'delete', pending: [] });
  expect((await room.record('d1'))?.image).toBeNull();
  await room.db.query(`insert into deals (id, name, amount) values ('d1', 'One', 12.5)`);
  await room.drained();
  expect((await room.waiting('d1'))?.operation).toBe('write');
  expect((await room.waiting('d1'))?.pending).toHaveLength(5);
});

test('many changes of one row become one row of the outbox with the last values', async () => {
  await using room = await createRoom();
  await using _ = await room.start();
  await createKnownDeal(room, 'd1');
  for (let i = 0; i < 50; i++) {
    await room.db.query(`update deals set amount = $1 where id = 'd1'`, [i]);
  }
  await room.drained();
  expect(await room.db.query(`select * from hubspot_sync.outbox where key = 'd1'`)).toHaveLength(1);
  expect((await room.record('d1'))?.image?.amount).toBe('49.00');
});

test('a changed key moves the record with its link, its image and what waits for it', async () => {
  await using room = await createRoom();
  await using _ = await room.start();
  await createKnownDeal(room, 'd1');
  await room.db.query(
    `update hubspot_sync.record
        set hubspot_id = '77', state = jsonb_set(state, '{existence}',
              '{"link": "77", "alive": null, "ids": [{"id": "77", "dead": null, "archivedByUs": false, "createdByUs": true}]}')
      where key = 'd1'`,
  );
  await room.db.query(`update deals set amount = 99 where id = 'd1'`);
  await room.db.query(`update deals set id = 'd2' where id = 'd1'`);
  await room.drained();
  expect(await room.waiting('d2')).toEqual({ operation: 'write', pending: ['amount', 'trs_id'] });
  expect(await room.waiting('d1')).toBeUndefined();
  expect(await room.record('d2')).toMatchObject({ hubspot_id: '77', image: { id: 'd2' } });
  expect(await room.record('d1')).toMatchObject({ hubspot_id: null, image: null });
  expect(
    await room.db.query(`select key from hubspot_sync.hubspot_id where hubspot_id = '77'`),
  ).toEqual([{ key: 'd2' }]);
});

test('two rows may trade their keys in one transaction', async () => {
  await using room = await createRoom();
  await using _ = await room.start();
  await createKnownDeal(room, 'd1');
  await createKnownDeal(room, 'd2');
  for (const [key, id] of [
    ['d1', '71'],
    ['d2', '72'],
  ]) {
    await room.db.query(
      `update hubspot_sync.record set hubspot_id = $2::text,
              state = jsonb_set(state, '{existence}', jsonb_build_object('link', $2::text, 'alive', null, 'ids',
                jsonb_build_array(jsonb_build_object('id', $2::text, 'dead', null, 'archivedByUs', false, 'createdByUs', true))))
        where key = $1`,
      [key, id],
    );
  }
  await room.db.query(`
    begin;
    update deals set id = 'x' where id = 'd1';
    update deals set id = 'd1' where id = 'd2';
    update deals set id = 'd2' where id = 'x';
    commit`);
  await room.drained();
  expect((await room.record('d1'))?.hubspot_id).toBe('72');
  expect((await room.record('d2'))?.hubspot_id).toBe('71');
});

test('a truncate deletes every known row, and what is inserted after it is written', async () => {
  await using room = await createRoom();
  await using _ = await room.start();
  await room.db.query(
    `insert into deals (id, name) select 'd' || n, 'x' from generate_series(1, 2500) n`,
  );
  await room.drained();
  await room.db.query(
    `begin; truncate deals; insert into deals (id, name) values ('d7', 'y'); commit`,
  );
  await room.drained();
  const counts = await room.db.query(
    `select operation, count(*)::int as n from hubspot_sync.outbox where object_type = 'deals' group by 1 order by 1`,
  );
  expect(counts).toEqual([
    { operation: 'delete', n: 2499 },
    { operation: 'write', n: 1 },
  ]);
});

test('a change is due after the debounce, but not later than the longest wait after the first one', async () => {
  await using room = await createRoom();
  await using _ = await room.start();
  await room.db.query(`insert into deals (id, name) values ('d1', 'One')`);
  await room.drained();
  const [first] = await room.db.query(
    `select extract(epoch from due_at - first_at)::float8 as wait, first_at from hubspot_sync.outbox where key = 'd1'`,
  );
  expect(first?.wait).toBeCloseTo(0.25, 5);
  await room.db.query(
    `update hubspot_sync.outbox set first_at = first_at - interval '10 s' where key = 'd1'`,
  );
  await room.db.query(`update deals set name = 'Two' where id = 'd1'`);
  await room.drained();
  const [second] = await room.db.query(
    `select extract(epoch from due_at - first_at)::float8 as wait from hubspot_sync.outbox where key = 'd1'`,
  );
  expect(second?.wait).toBeCloseTo(2, 5);
});

test('timestamps, booleans and numbers arrive as the text that the server prints, whatever the database prefers', async () => {
  await using room = await createRoom({
    sql: `create table things (id int primary key, name text, at timestamptz, done boolean, score float8);`,
    mappingText: `
zone: UTC
tables:
  - table: things
    object: deals
    key: id
    idProperty: trs_id
    properties:
      dealname: name
      closedate: { column: at, type: datetime }
      hs_is_closed: { column: done, type: boolean }
      amount: { column: score, type: number }
  - table: clients
    object: companies
    key: id
    idProperty: trs_id
    properties: { name: name }
`,
  });
  await room.db.query(`alter database ${room.db.name} set datestyle = 'SQL, DMY'`);
  await using _ = await room.start();
  await room.db.query(
    `insert into things values (1, 'x', '2026-11-24 05:00:00.123456+02', true, 0.1::float8 + 0.2)`,
  );
  await room.drained();
  expect((await room.record('1'))?.image).toEqual({
    id: '1',
    name: 'x',
    at: '2026-11-24 03:00:00.123456+00',
    done: 't',
    score: '0.30000000000000004',
  });
});
