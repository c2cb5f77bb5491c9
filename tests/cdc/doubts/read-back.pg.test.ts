/** What HubSpot derives from a stage, where nobody tells of it. */
import { createReadBacks } from '../../../cdc/doubts/read-back.ts';
import { createRoom, type Room } from '../room.ts';

const READ = 'POST /crm/v3/objects/deals/batch/read';

async function closeDeal(room: Room): Promise<void> {
  await room.insert('deals', 'o-1', { name: 'First', stage: 'Negotiation' });
  await room.rest();
  await room.update('deals', 'o-1', { stage: 'Closed Won' });
  await room.rest();
}

test('a stage that was sent is read back some seconds later, with all that follows from it', async () => {
  await using room = await createRoom();
  let now = Date.now();
  const readBacks = createReadBacks(room.context, () => now);
  await closeDeal(room);
  const table = room.table('deals');
  expect(await readBacks.due(table)).toBe(0);
  now += 3000;
  expect(await readBacks.due(table)).toBe(1);
  await room.rest();
  expect(await room.row('deals', 'o-1')).toMatchObject({
    stage: 'Closed Won',
    probability: '1.0000',
    close_date: new Date().toISOString().slice(0, 10),
  });
  now += 3000;
  expect(await readBacks.due(table)).toBe(0);
  readBacks.stop();
});

test('where HubSpot was heard of since, nothing is read', async () => {
  await using room = await createRoom();
  let now = Date.now();
  const readBacks = createReadBacks(room.context, () => now);
  await closeDeal(room);
  await room.reconcile();
  await room.rest();
  const { count } = (await room.calls())[READ] ?? {};
  now += 3000;
  expect(await readBacks.due(room.table('deals'))).toBe(0);
  await room.rest();
  expect((await room.calls())[READ]?.count).toBe(count);
  readBacks.stop();
});

test('a write without a stage is not read back', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'o-1', { name: 'First' });
  await room.rest();
  let now = Date.now();
  const readBacks = createReadBacks(room.context, () => now);
  await room.update('deals', 'o-1', { name: 'Second' });
  await room.rest();
  now += 3000;
  expect(await readBacks.due(room.table('deals'))).toBe(0);
  readBacks.stop();
});
