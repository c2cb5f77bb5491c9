import { emitMark, ensureMarkSecret, type Mark, readMark } from '../../shared/postgres/mark.ts';
import { migrate } from '../../shared/postgres/migrate.ts';
import { createPool, inTransaction } from '../../shared/postgres/pool.ts';
import { tablesOf } from '../../shared/postgres/schema.ts';
import { createTestDatabase } from '../support/database.ts';

const tables = tablesOf('hubspot_sync');
const mark: Mark = {
  kind: 'inbound',
  rows: [
    {
      object: 'deals',
      key: 'hs_1',
      kind: 'update',
      values: { dealname: { value: 'Größe \u{1F600}', text: 'Größe \u{1F600}', time: 5 } },
    },
  ],
};

test('a mark is read back as written, and only for the transaction it was signed for', async () => {
  await using db = await createTestDatabase();
  await migrate({ databaseUrl: db.url, schema: 'hubspot_sync' });
  const pool = createPool({ databaseUrl: db.url, applicationName: 'test' });
  const secret = await ensureMarkSecret(pool, tables);
  expect(await ensureMarkSecret(pool, tables)).toEqual(secret);
  await pool.query("select pg_create_logical_replication_slot('s', 'test_decoding')");
  const xid = await inTransaction(pool, async (client) => {
    await emitMark(client, secret, mark);
    const { rows } = await client.query('select pg_current_xact_id()::text as xid');
    return Number(rows[0].xid);
  });
  const { rows } = await pool.query(
    "select data from pg_logical_slot_get_changes('s', null, null, 'skip-empty-xacts', '1')",
  );
  const line = rows.map((row) => row.data as string).find((data) => data.startsWith('message'));
  const content = Buffer.from(line?.slice(line.indexOf('content:') + 'content:'.length) ?? '');
  expect(content.every((byte) => byte < 0x80)).toBe(true);
  expect(readMark(secret, xid, content)).toEqual(mark);
  expect(readMark(secret, xid + 1, content)).toBeUndefined();
  expect(readMark(Buffer.from('another'), xid, content)).toBeUndefined();
  expect(readMark(secret, xid, Buffer.from('{"kind":"inbound","rows":[]}'))).toBeUndefined();
  await pool.end();
});
