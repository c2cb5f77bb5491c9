import { migrate } from '../../shared/postgres/migrate.ts';
import { createPool, inTransaction } from '../../shared/postgres/pool.ts';
import { findKeys, lockRecords, refId, saveRecords } from '../../shared/postgres/records.ts';
import { tablesOf } from '../../shared/postgres/schema.ts';
import { createTestDatabase } from '../support/database.ts';

const tables = tablesOf('hubspot_sync');
const ref = { object: 'deals', key: 'a"b\\c' };

test('what is remembered of a record comes back as it was stored', async () => {
  await using db = await createTestDatabase();
  await migrate({ databaseUrl: db.url, schema: 'hubspot_sync' });
  const pool = createPool({ databaseUrl: db.url, applicationName: 'test' });
  const outbox = {
    operation: 'write' as const,
    pending: { amount: { seq: '0/1:1', cause: 'change' as const } },
    firstLsn: '0/1',
    lastLsn: '0/2',
    firstAt: 1_700_000_000_123,
    lastAt: 1_700_000_000_456,
    dueAt: 1_700_000_000_789,
    attempts: 0,
    error: null,
  };
  await inTransaction(pool, async (client) => {
    const record = (await lockRecords(client, tables, [ref], { create: true })).get(refId(ref));
    if (!record) throw new Error('no record');
    record.image = { amount: '1.00', name: null };
    record.outbox = outbox;
    record.state = {
      ...record.state,
      existence: {
        link: '77',
        alive: { low: 1, high: 2 },
        ids: [{ id: '77', dead: null, archivedByUs: false, createdByUs: true }],
      },
    };
    await saveRecords(client, tables, [record]);
  });
  await inTransaction(pool, async (client) => {
    const record = (await lockRecords(client, tables, [ref])).get(refId(ref));
    expect(record?.image).toEqual({ amount: '1.00', name: null });
    expect(record?.outbox).toEqual(outbox);
    expect(record?.state.existence.link).toBe('77');
    expect(await findKeys(client, tables, 'deals', ['77', '78'])).toEqual(
      new Map([['77', ref.key]]),
    );
    if (!record) return;
    record.outbox = null;
    await saveRecords(client, tables, [record]);
    expect((await lockRecords(client, tables, [ref])).get(refId(ref))?.outbox).toBeNull();
  });
  await pool.end();
});

test('a record that somebody else holds is left out where the caller skips locked ones', async () => {
  await using db = await createTestDatabase();
  await migrate({ databaseUrl: db.url, schema: 'hubspot_sync' });
  const pool = createPool({ databaseUrl: db.url, applicationName: 'test' });
  const other = { object: 'deals', key: 'other' };
  await inTransaction(pool, async (client) => {
    await lockRecords(client, tables, [ref, other], { create: true });
  });
  await inTransaction(pool, async (holder) => {
    await lockRecords(holder, tables, [ref]);
    await inTransaction(pool, async (client) => {
      const got = await lockRecords(client, tables, [ref, other], { skipLocked: true });
      expect([...got.values()].map((record) => record.key)).toEqual(['other']);
    });
  });
  await pool.end();
});
