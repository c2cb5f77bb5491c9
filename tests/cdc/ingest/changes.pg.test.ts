import { createRoom } from './room.ts';

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
