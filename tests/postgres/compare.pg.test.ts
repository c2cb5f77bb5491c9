/** Compare messages: the row as it stands under its lock, once per wish. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseMapping } from '../../shared/mapping/load.ts';
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import { makeComparisons } from '../../shared/postgres/compare.ts';
import { ensureMarkSecret, type Mark, readMark } from '../../shared/postgres/mark.ts';
import { migrate } from '../../shared/postgres/migrate.ts';
import { createPool, inTransaction } from '../../shared/postgres/pool.ts';
import { lockRecords, saveRecords } from '../../shared/postgres/records.ts';
import { readColumnTypes } from '../../shared/postgres/rows.ts';
import { tablesOf } from '../../shared/postgres/schema.ts';
import { packageRoot } from '../../shared/service/package-root.ts';
import { createTestDatabase } from '../support/database.ts';

const tables = tablesOf('hubspot_sync');

async function createDesk() {
  const trs = await readFile(join(packageRoot, 'demo', 'trs.sql'), 'utf8');
  const yaml = await readFile(join(packageRoot, 'sync.yaml'), 'utf8');
  const db = await createTestDatabase(trs);
  await migrate({ databaseUrl: db.url, schema: 'hubspot_sync' });
  const pool = createPool({ databaseUrl: db.url, applicationName: 'test' });
  const secret = await ensureMarkSecret(pool, tables);
  const table = parseMapping(yaml, 'sync.yaml').objectOf('deals') as TableMapping;
  await db.query("select pg_create_logical_replication_slot($1, 'test_decoding')", [db.name]);
  const typesOf = () => readColumnTypes(pool, table);
  return {
    db,
    pool,
    want: (...keys: string[]) =>
      inTransaction(pool, async (client) => {
        const refs = keys.map((key) => ({ object: 'deals', key }));
        const records = await lockRecords(client, tables, refs, { create: true });
        for (const record of records.values()) {
          record.state = { ...record.state, compareWanted: true };
        }
        await saveRecords(client, tables, records.values());
      }),
    wanted: async () =>
      (
        await db.query(
          `select key from ${tables.record} where compare_since is not null and (state -> 'compareWanted')::bool order by 1`,
        )
      ).map(({ key }) => key),
    make: () => makeComparisons({ pool, tables, secret, typesOf }, table),
    async messages(): Promise<Mark[]> {
      const rows = await db.query<{ xid: string; data: string }>(
        "select xid::text, data from pg_logical_slot_get_changes($1, null, null, 'skip-empty-xacts', '1')",
        [db.name],
      );
      return rows
        .filter(({ data }) => data.startsWith('message:'))
        .map(({ xid, data }) => {
          const content = Buffer.from(data.slice(data.indexOf('content:') + 'content:'.length));
          return readMark(secret, Number(xid), content) as Mark;
        });
    },
    async [Symbol.asyncDispose]() {
      await pool.end();
      await db.drop();
    },
  };
}

test('a comparison carries the row’s text, and null for a row that is not there', async () => {
  await using desk = await createDesk();
  await desk.db.query("insert into opportunities (id, name, amount) values ('o-1', 'One', 5)");
  await desk.want('o-1', 'gone');
  expect(await desk.make()).toBe(2);
  expect(await desk.wanted()).toEqual([]);
  const [message, ...others] = await desk.messages();
  expect(others).toEqual([]);
  expect(message).toMatchObject({ kind: 'compare' });
  const rows = message?.kind === 'compare' ? message.rows : [];
  expect(rows.find(({ key }) => key === 'o-1')?.row).toEqual({
    id: 'o-1',
    name: 'One',
    amount: '5.00',
    stage: null,
    close_date: null,
    probability: null,
    owner_id: null,
    next_step: null,
    client_id: null,
  });
  expect(rows.find(({ key }) => key === 'gone')?.row).toBeNull();
  expect(await desk.make()).toBe(0);
});

test('a row or a record that somebody holds is left for the next time', async () => {
  await using desk = await createDesk();
  await desk.db.query(
    "insert into opportunities (id, name) values ('o-1', 'x'), ('o-2', 'x'), ('o-3', 'x')",
  );
  await desk.want('o-1', 'o-2', 'o-3');
  await inTransaction(desk.pool, async (client) => {
    await client.query("update opportunities set name = 'y' where id = 'o-1'");
    await lockRecords(client, tables, [{ object: 'deals', key: 'o-2' }]);
    expect(await desk.make()).toBe(1);
    expect(await desk.wanted()).toEqual(['o-1', 'o-2']);
  });
  expect(await desk.make()).toBe(2);
  const messages = await desk.messages();
  const last = messages.at(-1);
  expect(last?.kind === 'compare' && last.rows.find(({ key }) => key === 'o-1')?.row?.name).toBe(
    'y',
  );
});

test('a comparison that can not be written stays wanted', async () => {
  await using desk = await createDesk();
  await desk.db.query("insert into opportunities (id, name) values ('o-1', 'x')");
  await desk.want('o-1');
  await desk.db.query(
    `create function no() returns trigger language plpgsql as 'begin raise exception ''no''; end'`,
  );
  await desk.db.query(
    `create trigger no before update on ${tables.record} for each row execute function no()`,
  );
  await expect(desk.make()).rejects.toThrow('no');
  expect(await desk.wanted()).toEqual(['o-1']);
  expect(await desk.messages()).toEqual([]);
});
