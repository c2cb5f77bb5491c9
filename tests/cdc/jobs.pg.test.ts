/** Work that commands hand over through the database. */
import { pruneSyncLog, startJobs } from '../../cdc/jobs.ts';
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

test('rows of sync_log older than the days said are removed, younger ones stay', async () => {
  await using room = await createRoom();
  await room.db.query(
    `insert into ${tables.syncLog} (object_type, object_id, direction, status, completed_at)
     select 'deals', days::text, 'outbound', 'success', now() - make_interval(days => days)
     from unnest(array[0, 6, 8, 400]) as days`,
  );
  expect(await pruneSyncLog(room.context.pool, room.context.tables, 7)).toBe(2);
  expect(await room.db.query(`select object_id from ${tables.syncLog} order by id`)).toEqual([
    { object_id: '0' },
    { object_id: '6' },
  ]);
});
