import { parseMapping } from '../../shared/mapping/load.ts';
import { describeCatalog, readServer } from '../../shared/postgres/catalog.ts';
import { migrate } from '../../shared/postgres/migrate.ts';
import { createPool } from '../../shared/postgres/pool.ts';
import { tablesOf } from '../../shared/postgres/schema.ts';
import { createSyncViews } from '../../shared/postgres/sync-views.ts';
import { createTestDatabase } from '../support/database.ts';

const tables = tablesOf('hubspot_sync');
const mapping = parseMapping(
  `
zone: UTC
tables:
  - { table: clients, object: companies, key: id, idProperty: trs_id, properties: { name: name } }
  - { table: deals, object: deals, key: [a, b], idProperty: trs_id, properties: { dealname: name } }
`,
  'sync.yaml',
);

test('the numbers and views tell per table what waits, what failed and what is linked', async () => {
  await using db = await createTestDatabase();
  await migrate({ databaseUrl: db.url, schema: 'hubspot_sync' });
  const pool = createPool({ databaseUrl: db.url, applicationName: 'test' });
  await createSyncViews(pool, tables, mapping.tables);
  await createSyncViews(pool, tables, mapping.tables);
  await db.query(`
    insert into hubspot_sync.record (object_type, key, hubspot_id, state) values
      ('companies', 'c1', '7', '{}'), ('companies', 'c2', null, '{}'), ('deals', '["x","y\\"z"]', '8', '{}');
    insert into hubspot_sync.outbox (object_type, key, operation, first_lsn, last_lsn, first_at, last_at, due_at, error)
      values ('companies', 'c2', 'write', '0/1', '0/1', now(), now(), now(), 'HUBSPOT_LIMITED');
    insert into hubspot_sync.sync_log (object_type, object_id, direction, status, completed_at) values
      ('companies', 'c1', 'outbound', 'success', '2026-01-01Z'), ('companies', 'c1', 'outbound', 'error', now()),
      ('companies', 'c1', 'outbound', 'error', now() - interval '2 days')`);
  expect(await db.query('select * from hubspot_sync.get_sync_stats()')).toEqual([
    {
      clients_pending: '1',
      deals_pending: '0',
      sync_errors_24h: '1',
      last_successful_sync: new Date('2026-01-01Z'),
    },
  ]);
  expect(
    await db.query(
      'select object_type, linked, pending, errors_24h from hubspot_sync.get_object_stats()',
    ),
  ).toEqual([
    { object_type: 'companies', linked: '1', pending: '1', errors_24h: '1' },
    { object_type: 'deals', linked: '1', pending: '0', errors_24h: '0' },
  ]);
  expect(
    await db.query(
      'select id, hubspot_id, hubspot_synced, sync_error, pending from hubspot_sync.clients_sync order by id',
    ),
  ).toEqual([
    { id: 'c1', hubspot_id: '7', hubspot_synced: true, sync_error: null, pending: false },
    {
      id: 'c2',
      hubspot_id: null,
      hubspot_synced: false,
      sync_error: 'HUBSPOT_LIMITED',
      pending: true,
    },
  ]);
  expect(await db.query('select a, b from hubspot_sync.deals_sync')).toEqual([
    { a: 'x', b: 'y"z' },
  ]);
  await pool.end();
});

test('the catalog tells of each table its keys, its identity and what its columns are', async () => {
  await using db = await createTestDatabase(`
    create table a (id int primary key, n numeric(12, 2) not null default 1, g int generated always as (id) stored, gone int);
    alter table a drop column gone;
    create table b (x text not null, y text not null, z text);
    create unique index b_key on b (y, x);
    alter table b replica identity using index b_key;
    create unlogged table c (id int);
    alter table c replica identity full;
  `);
  const facts = await describeCatalog(
    db.pool,
    ['a', 'b', 'c', 'missing'].map((name) => ({ schema: 'public', name })),
  );
  expect([...facts.keys()].sort()).toEqual(['public.a', 'public.b', 'public.c']);
  expect(facts.get('public.a')).toMatchObject({
    kind: 'table',
    unlogged: false,
    owned: true,
    primaryKey: ['id'],
    replicaIdentity: 'default',
    identityColumns: ['id'],
    columns: [
      { name: 'id', type: 'integer', notNull: true, hasDefault: false, generated: false },
      { name: 'n', type: 'numeric(12,2)', notNull: true, hasDefault: true, generated: false },
      { name: 'g', type: 'integer', generated: true },
    ],
  });
  expect(facts.get('public.b')).toMatchObject({
    primaryKey: [],
    replicaIdentity: 'index',
    identityColumns: ['y', 'x'],
    uniqueKeys: [['y', 'x']],
  });
  expect(facts.get('public.c')).toMatchObject({
    unlogged: true,
    replicaIdentity: 'full',
    identityColumns: ['id'],
  });
  expect(await readServer(db.pool)).toMatchObject({ walLevel: 'logical', mayReplicate: true });
});
