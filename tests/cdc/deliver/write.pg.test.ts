/** What a row's insert, change and deletion become in HubSpot. */
import { createRoom, tables } from '../room.ts';

const deal = { name: 'First', amount: '1200.50', stage: 'Negotiation' };

test('a new row is upserted with every outward property, its key and its constant companions', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'O-1', {
    ...deal,
    close_date: '2026-12-24',
    next_step: null,
    probability: '0.5',
  });
  const claimed = await room.deliver();
  expect(claimed.map(({ operation }) => operation)).toEqual(['upsert']);
  await room.rest();
  const { link } = (await room.record('deals', 'O-1')).state.existence;
  const { properties } = await room.shown('deals', link ?? '');
  expect(properties).toMatchObject({
    trs_id: 'o-1',
    dealname: 'First',
    dealstage: 'contractsent',
    pipeline: 'default',
    closedate: '2026-12-24T00:00:00.000Z',
  });
  expect(Number(properties.amount)).toBe(1200.5);
  const [line, ...others] = await room.db.query(`select * from ${tables.syncLog} order by id`);
  expect(others).toEqual([]);
  expect(line).toMatchObject({
    object_type: 'deals',
    object_id: 'O-1',
    direction: 'outbound',
    status: 'success',
    metadata: { operation: 'upsert', hubspot_id: link },
  });
  expect(line?.created_at.getTime()).toBe(claimed[0]?.firstAt);
  expect(line?.completed_at.getTime()).toBeGreaterThanOrEqual(line?.created_at.getTime());
});

test('a changed column of a linked row is sent by id, and only what HubSpot does not hold', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'o-1', deal);
  await room.rest();
  await room.update('deals', 'o-1', { name: 'Second', amount: '1200.5' });
  const [claimed] = await room.deliver();
  expect(claimed).toMatchObject({ operation: 'update', send: { dealname: 'Second' } });
  expect(Object.keys(claimed?.send ?? {})).toEqual(['dealname']);
  await room.rest();
  const calls = await room.calls();
  expect(calls['POST /crm/v3/objects/deals/batch/update']).toMatchObject({ count: 1, inputs: 1 });
});

test('a value that was changed and changed back is not sent, and the log says so', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'o-1', deal);
  await room.rest();
  await room.update('deals', 'o-1', { name: 'Second' });
  await room.update('deals', 'o-1', { name: 'First' });
  expect(await room.deliver()).toEqual([]);
  expect(await room.waiting()).toEqual([]);
  const [line] = await room.db.query(
    `select status, metadata -> 'properties' as properties from ${tables.syncLog} order by id desc limit 1`,
  );
  expect(line).toEqual({ status: 'skipped', properties: ['dealname'] });
});

test('a change that comes while a call is under way waits for the answer and is sent after it', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'o-1', deal);
  await room.rest();
  await room.update('deals', 'o-1', { name: 'Second' });
  const claimed = await room.claim();
  await room.update('deals', 'o-1', { name: 'Third', next_step: 'call' });
  expect(await room.claim()).toEqual([]);
  await room.settle(claimed, await room.send(claimed));
  const before = await room.record('deals', 'o-1');
  expect(Object.keys(before.outbox?.pending ?? {}).sort()).toEqual(['dealname', 'hs_next_step']);
  expect(before.outbox?.firstAt).toBe(before.outbox?.lastAt);
  await room.rest();
  const { properties } = await room.shown('deals', before.state.existence.link ?? '');
  expect(properties).toMatchObject({ dealname: 'Third', hs_next_step: 'call' });
});

test('a deleted row archives its record, and one that was never sent needs no call', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'o-1', deal);
  await room.rest();
  const { link } = (await room.record('deals', 'o-1')).state.existence;
  await room.remove('deals', 'o-1');
  await room.insert('deals', 'o-2', deal);
  await room.remove('deals', 'o-2');
  expect((await room.deliver()).map(({ operation }) => operation)).toEqual(['archive']);
  await room.rest();
  expect((await room.shown('deals', link ?? '')).archived).toBe(true);
  const after = await room.record('deals', 'o-1');
  expect(after.state.existence.link).toBeNull();
  const log = await room.db.query(
    `select object_id, status, message from ${tables.syncLog} order by id desc limit 2`,
  );
  expect(log.map(({ object_id, status }) => [object_id, status]).sort()).toEqual([
    ['o-1', 'success'],
    ['o-2', 'skipped'],
  ]);
});

test('a row that is inserted again gets a new record; the old one is retired, with what was known of it', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'o-1', { ...deal, next_step: 'call' });
  await room.rest();
  const before = await room.record('deals', 'o-1');
  const old = before.state.existence.link ?? '';
  await room.remove('deals', 'o-1');
  await room.rest();
  expect((await room.record('deals', 'o-1')).state.properties).toEqual({});
  await room.insert('deals', 'o-1', deal);
  const [claimed] = await room.deliver();
  expect(claimed?.operation).toBe('upsert');
  expect(claimed?.send).toMatchObject({ dealname: 'First', hs_next_step: '' });
  await room.rest();
  const after = (await room.record('deals', 'o-1')).state.existence;
  expect(after.link).not.toBe(old);
  expect(after.ids.map(({ id }) => id)).toEqual([old, after.link]);
  const ids = await room.db.query(
    `select hubspot_id as id, key, dead_high is not null as dead from ${tables.hubspotId} order by 1`,
  );
  expect(ids).toEqual(
    [
      { id: old, key: 'o-1', dead: true },
      { id: after.link, key: 'o-1', dead: false },
    ].sort((a, b) => Number(a.id) - Number(b.id)),
  );
});

test('a deletion and a new insertion before anything is sent are one update of the same record', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'o-1', deal);
  await room.rest();
  const { link } = (await room.record('deals', 'o-1')).state.existence;
  await room.remove('deals', 'o-1');
  await room.insert('deals', 'o-1', { name: 'Again' });
  const claimed = await room.deliver();
  expect(claimed).toMatchObject([
    { operation: 'update', hubspotId: link, send: { dealname: 'Again', amount: '' } },
  ]);
  await room.rest();
});

test('rows of a type that are due together take one call', async () => {
  await using room = await createRoom();
  for (let i = 0; i < 30; i += 1) await room.insert('deals', `o-${i}`, deal);
  await room.deliver();
  const calls = await room.calls();
  expect(calls['POST /crm/v3/objects/deals/batch/upsert']).toMatchObject({ count: 1, inputs: 30 });
  await room.rest();
});

test('while the direction is paused nothing is claimed', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'o-1', deal);
  await room.db.query(`update ${tables.control} set state = 'paused' where direction = 'outbound'`);
  expect(await room.deliver()).toEqual([]);
  await room.db.query(`update ${tables.control} set state = 'running'`);
  expect(await room.deliver()).toHaveLength(1);
});

test('a changed key is written into the key property of the record that the row had', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'o-1', deal);
  await room.rest();
  const { link } = (await room.record('deals', 'o-1')).state.existence;
  await room.rekey('deals', 'o-1', 'o-9');
  const claimed = await room.deliver();
  expect(claimed).toMatchObject([
    { operation: 'update', hubspotId: link, wire: { trs_id: 'o-9' } },
  ]);
  await room.rest();
  expect((await room.shown('deals', link ?? '')).properties.trs_id).toBe('o-9');
  expect((await room.record('deals', 'o-9')).state.existence.link).toBe(link);
});

test('the HubSpot id comes back into the column that the mapping names', async () => {
  await using room = await createRoom({
    sql: 'alter table opportunities add hubspot bigint',
    mapping: (text) => text.replace('object: deals', 'object: deals\n    hubspotIdColumn: hubspot'),
  });
  await room.insert('deals', 'o-1', deal);
  await room.rest();
  const { link } = (await room.record('deals', 'o-1')).state.existence;
  expect(await room.db.query('select hubspot::text from opportunities')).toEqual([
    { hubspot: link },
  ]);
});

test('a column that the stream could not carry is brought by a message with the whole row', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'o-1', deal);
  await room.change('deals', 'o-1', (record) => {
    const { name, ...rest } = record.image ?? {};
    record.image = rest;
  });
  expect(await room.deliver()).toEqual([]);
  expect((await room.record('deals', 'o-1')).outbox?.error).toBe('WAITS_FOR_ROW');
  expect((await room.consume()).map(({ kind }) => kind)).toEqual(['complete']);
  await room.hurry();
  expect(await room.deliver()).toMatchObject([{ send: { dealname: 'First' } }]);
});
