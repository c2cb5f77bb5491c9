/** What a row's insert, change and deletion become in HubSpot. */
import { createRoom, tables } from '../room.ts';

test('a new row is upserted with every outward property, its key and its constant companions', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'o-1', {
    name: 'First',
    amount: '1200.50',
    stage: 'Negotiation',
    close_date: '2026-12-24',
    next_step: null,
    probability: '0.5',
  });
  const claimed = await room.deliver();
  expect(claimed.map(({ operation }) => operation)).toEqual(['upsert']);
  await room.rest();
  const { link } = (await room.record('deals', 'o-1')).state.existence;
  const deal = await room.shown('deals', link ?? '');
  expect(deal.properties).toMatchObject({
    trs_id: 'o-1',
    dealname: 'First',
    dealstage: 'contractsent',
    pipeline: 'default',
    closedate: '2026-12-24T00:00:00.000Z',
  });
  expect(Number(deal.properties.amount)).toBe(1200.5);
  expect(await room.waiting()).toEqual([]);
  const log = await room.db.query(`select * from ${tables.syncLog} order by id`);
  expect(log[0]).toMatchObject({
    object_type: 'deals',
    object_id: 'o-1',
    direction: 'outbound',
    status: 'success',
  });
  expect(log[0]?.completed_at.getTime()).toBeGreaterThanOrEqual(log[0]?.created_at.getTime());
});

test('a changed column of a linked row is sent by id, and only what HubSpot does not hold', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'o-1', { name: 'First', amount: '1' });
  await room.rest();
  await room.update('deals', 'o-1', { name: 'Second', amount: '1.00' });
  const [claimed] = await room.deliver();
  expect(claimed).toMatchObject({ operation: 'update', send: { dealname: 'Second' } });
  await room.rest();
  const calls = await room.calls();
  expect(calls['POST /crm/v3/objects/deals/batch/update']).toMatchObject({ count: 1, inputs: 1 });
  const { link } = (await room.record('deals', 'o-1')).state.existence;
  expect((await room.shown('deals', link ?? '')).properties.dealname).toBe('Second');
});
