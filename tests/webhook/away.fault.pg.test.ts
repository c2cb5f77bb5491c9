import pg from 'pg';
import { eventually } from '../support/eventually.ts';
import { openRoom, propertyChange, tables } from './room.ts';

async function onServer(sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: process.env.TEST_DATABASE_URL as string });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

test('while the database is away events are asked for again, and nothing else is refused', async () => {
  await using room = await openRoom();
  await room.link('deals', 'd1', '1');
  const change = propertyChange(1, 'dealname', 'in the end');
  const { name } = room.db;
  await onServer(`alter database ${name} with allow_connections false`);
  try {
    await onServer(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`,
    );
    await eventually(async () => expect(await room.send(change)).toBe(503), { timeoutMs: 5000 });
    expect((await room.post('[]')).status).toBe(401);
    expect((await fetch(`${room.handle.url}/livez`)).status).toBe(200);
    expect((await fetch(`${room.handle.url}/readyz`)).status).toBe(503);
    // Nothing to store: nothing fails.
    expect(await room.send(propertyChange(1, 'not_mapped', 'x'))).toBe(204);
  } finally {
    await onServer(`alter database ${name} with allow_connections true`);
  }
  expect(await room.send({ ...change, attemptNumber: 1 })).toBe(204);
  await room.settled();
  expect(await room.db.query('select name from deals')).toEqual([{ name: 'in the end' }]);
  expect(await room.db.query(`select outcome from ${tables.inbox}`)).toEqual([
    { outcome: 'applied' },
  ]);
});

test('what was stored when the room ended is applied by the next one', async () => {
  await using room = await openRoom();
  await room.link('deals', 'd1', '1');
  const application = await room.db.pool.connect();
  await application.query('begin');
  await application.query("select from deals where id = 'd1' for update");
  expect(await room.send(propertyChange(1, 'dealname', 'after a restart'))).toBe(204);
  await room.handle.stop('test');
  expect(await room.db.query(`select state from ${tables.inbox}`)).toEqual([{ state: 'new' }]);
  await application.query('rollback');
  application.release();
  const { startWebhook } = await import('../../webhook/main.ts');
  await using _next = await startWebhook(room.options);
  await room.settled();
  expect(await room.db.query('select name from deals')).toEqual([{ name: 'after a restart' }]);
});
