import { setTimeout as delay } from 'node:timers/promises';
import { startWebhook } from '../../webhook/main.ts';
import { eventually } from '../support/eventually.ts';
import { openRoom, propertyChange, tables } from './room.ts';

test('two rooms and an application that locks rows in any order lose no event and end', async () => {
  await using room = await openRoom();
  await using _other = await startWebhook(room.options);
  const rows = 30;
  for (let i = 1; i <= rows; i++) await room.link('deals', `d${i}`, `${i}`);
  const newest = new Map<number, string>();
  let writing = true;
  const random = (below: number) => 1 + Math.floor(Math.random() * below);
  const application = async () => {
    const client = await room.db.pool.connect();
    try {
      while (writing) {
        await client.query('begin');
        try {
          for (let k = 0; k < 3; k++) {
            await client.query('update deals set note = $2 where id = $1', [
              `d${random(rows)}`,
              `${k}`,
            ]);
            await delay(random(10));
          }
          await client.query('commit');
        } catch (error) {
          // They lock each other out; that is theirs to repeat.
          expect((error as { code?: string }).code).toBe('40P01');
          await client.query('rollback');
        }
      }
    } finally {
      client.release();
    }
  };
  const hubspot = async () => {
    for (let request = 0; request < 40; request++) {
      const events = Array.from({ length: 25 }, () => {
        const id = random(rows);
        const change = propertyChange(id, 'dealname', `name ${request} ${random(1e6)}`);
        newest.set(id, change.propertyValue as string);
        return change;
      });
      expect(await room.send(...events.reverse())).toBe(204);
      await delay(random(20));
    }
  };
  const applications = [application(), application(), application()];
  await hubspot();
  writing = false;
  await Promise.all(applications);
  await room.settled();
  const found = await room.db.query('select id, name from deals');
  expect(new Map(found.map(({ id, name }) => [Number(id.slice(1)), name]))).toEqual(newest);
  const outcomes = await room.db.query(
    `select outcome, count(*)::int from ${tables.inbox} group by 1 order by 1`,
  );
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(['applied', 'stale']);
  expect(outcomes.reduce((sum, { count }) => sum + count, 0)).toBe(1000);
});

test('a record that another part works on does not hold up the others', async () => {
  await using room = await openRoom();
  for (const i of [1, 2, 3]) await room.link('deals', `d${i}`, `${i}`);
  const other = await room.db.pool.connect();
  try {
    await other.query('begin');
    await other.query(`select from ${tables.record} where key = 'd2' for update`);
    await room.send(...[1, 2, 3].map((i) => propertyChange(i, 'dealname', `new ${i}`)));
    await eventually(async () => {
      const rows = await room.db.query('select name from deals order by id');
      expect(rows.map(({ name }) => name)).toEqual(['new 1', 'deal d2', 'new 3']);
    });
    await other.query('commit');
  } finally {
    other.release();
  }
  await room.settled();
  expect((await room.db.query("select name from deals where id = 'd2'"))[0]?.name).toBe('new 2');
});
