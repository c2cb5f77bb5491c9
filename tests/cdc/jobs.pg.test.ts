/** Work that commands hand over through the database. */
import { startJobs } from '../../cdc/jobs.ts';
import { eventually } from '../support/eventually.ts';
import { createRoom, tables } from './room.ts';

test('a job is done once, with its result; one that nobody knows fails with its name', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'o-1', { name: 'First' });
  await room.insert('companies', 'c-1', { name: 'One' });
  await room.rest();
  await room.db.query(
    `insert into ${tables.job} (kind, arguments) values ('reconcile', '{"object": "deals"}'), ('dance', '{}')`,
  );
  const loop = startJobs(room.context);
  const jobs = await eventually(async () => {
    const rows = await room.db.query(
      `select kind, state, result, error from ${tables.job} order by id`,
    );
    return rows.every(({ state }) => state === 'done' || state === 'failed') && rows;
  });
  await loop.stop();
  expect(jobs).toEqual([
    { kind: 'reconcile', state: 'done', result: { doubted: 1 }, error: null },
    { kind: 'dance', state: 'failed', result: null, error: expect.stringContaining('dance') },
  ]);
  expect((await room.record('deals', 'o-1')).state.doubt).toEqual(['reconcile']);
  expect((await room.record('companies', 'c-1')).state.doubt).toEqual([]);
});
