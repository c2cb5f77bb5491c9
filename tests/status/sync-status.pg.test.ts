import { join } from 'node:path';
import express from 'express';
import request from 'supertest';
import { loadMapping } from '../../shared/mapping/load.ts';
import { migrate } from '../../shared/postgres/migrate.ts';
import { tablesOf } from '../../shared/postgres/schema.ts';
import { createSyncViews } from '../../shared/postgres/sync-views.ts';
import { packageRoot } from '../../shared/service/package-root.ts';
import { readOverview } from '../../status/overview.ts';
import { guard, readSyncStatus, statusRoutes } from '../../status/sync-status.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

const schema = 'hubspot_sync';

async function createSyncDatabase(): Promise<TestDatabase> {
  const db = await createTestDatabase();
  await migrate({ databaseUrl: db.url, schema });
  const { tables } = await loadMapping(join(packageRoot, 'sync.yaml'));
  await createSyncViews(db.pool, tablesOf(schema), tables);
  return db;
}

test('the status has success, stats and the recent log, newest first', async () => {
  await using db = await createSyncDatabase();
  await db.query(
    `insert into ${schema}.sync_log (object_type, object_id, direction, status)
     select 'deals', n::text, 'outbound', 'success' from generate_series(1, 30) n`,
  );
  const app = express().use(statusRoutes({ pool: db.pool, schema, statusToken: undefined }));
  const { body } = await request(app).get('/api/hubspot/sync-status').expect(200);
  expect(body.success).toBe(true);
  expect(body.stats).toMatchObject({ sync_errors_24h: 0 });
  expect(Date.parse(body.stats.last_successful_sync)).not.toBeNaN();
  expect(body.recentLogs).toHaveLength(20);
  expect(body.recentLogs[0]).toMatchObject({ object_id: '30', direction: 'outbound' });
});

test('a database that is away is 503 without its message', async () => {
  const pool = { query: () => Promise.reject(new Error('secret of the server')) };
  const app = express().use(statusRoutes({ pool: pool as never, schema, statusToken: undefined }));
  const { body } = await request(app).get('/api/hubspot/sync-status').expect(503);
  expect(JSON.stringify(body)).not.toContain('secret');
  await expect(readSyncStatus(pool as never, schema)).rejects.toThrow('secret');
});

describe('who may see the status', () => {
  const app = (token?: string) =>
    express().use(guard(token), (_request, response) => void response.send('seen'));

  test('loopback may, without a token', async () => {
    await request(app()).get('/').expect(200);
    await request(app('t')).get('/').set('host', 'localhost:3000').expect(200);
  });

  test.each([
    ['a host that is not loopback', 'host', 'sync.example.com'],
    ['a host that only begins like loopback', 'host', '127.0.0.1.example.com'],
    ['a proxy on the same machine', 'x-forwarded-for', '127.0.0.1'],
    ['a proxy that says so in the standard way', 'forwarded', 'for=127.0.0.1'],
  ])('%s needs the token', async (_who, header, value) => {
    await request(app()).get('/').set(header, value).expect(401);
    const wrong = await request(app('right')).get('/').set(header, value).expect(401);
    expect(wrong.headers['www-authenticate']).toMatch(/^Basic /);
    const asked = request(app('right')).get('/').set(header, value);
    await asked.set('authorization', 'Bearer wrong').expect(401);
    await request(app('right'))
      .get('/')
      .set(header, value)
      .set('authorization', 'Bearer right')
      .expect(200);
    await request(app('right')).get('/').set(header, value).auth('anybody', 'right').expect(200);
  });
});

test('the overview counts links, pending records, doubts and dead letters per object', async () => {
  await using db = await createSyncDatabase();
  await db.query(
    `insert into ${schema}.record (object_type, key, hubspot_id, state, doubt_since)
     values ('deals', '1', '11', '{}', now()), ('deals', '2', null, '{}', null)`,
  );
  await db.query(
    `insert into ${schema}.outbox
       (object_type, key, operation, first_lsn, last_lsn, first_at, last_at, due_at)
     values ('contacts', '1', 'write', '0/1', '0/1', now(), now(), now())`,
  );
  const overview = await readOverview({ pool: db.pool, schema, slot: 'none' });
  expect(overview.objects).toEqual([
    { id: 'contacts', linked: 0, outbound: 1, doubts: 0, deadLetters: 0 },
    { id: 'deals', linked: 1, outbound: 0, doubts: 1, deadLetters: 0 },
  ]);
  expect(overview.slot).toMatchObject({ exists: false, active: false, lagBytes: null });
  expect(overview.lease).toBeNull();
});

test('a database without the sync’s tables is told to be initialised', async () => {
  await using db = await createTestDatabase();
  await expect(readOverview({ pool: db.pool, schema, slot: 's' })).rejects.toMatchObject({
    code: 'NOT_INITIALISED',
    advice: expect.stringContaining('init'),
  });
});
