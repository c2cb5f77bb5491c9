import { join } from 'node:path';
import pg from 'pg';
import { initialise } from '../../commands/init.ts';
import { createDemo } from '../../demo/sample.ts';
import { type Emulator, startEmulator } from '../../emulator/server.ts';
import { loadMapping, type Mapping } from '../../shared/mapping/load.ts';
import { loadConfig } from '../../shared/service/config.ts';
import { createSilentLogger } from '../../shared/service/logger.ts';
import { packageRoot } from '../../shared/service/package-root.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';

let mapping: Mapping;
let emulator: Emulator;
const log = createSilentLogger();

beforeAll(async () => {
  mapping = await loadMapping(join(packageRoot, 'sync.yaml'));
  emulator = await startEmulator({
    port: 0,
    clientSecret: 's',
    appId: 1,
    portalId: 2,
    webhookUrl: null,
  });
});
afterAll(() => emulator.stop());

function configOf(db: TestDatabase) {
  const name = `s_${db.name}`;
  return loadConfig({
    env: {
      DATABASE_URL: db.url,
      CDC_SLOT: name,
      CDC_PUBLICATION: name,
      HUBSPOT_BASE_URL: emulator.url,
    },
  });
}

test('the first run makes everything and links the rows by their ids, the second keeps it', async () => {
  await using db = await createTestDatabase();
  const api = { baseUrl: emulator.url, accessToken: 'pat-emulator' };
  const counts = await createDemo(db.url, api);
  await db.query(`insert into clients (id, name) values ('hs_999999999999', 'a'), ('own', 'b')`);
  const config = configOf(db);
  const first = await initialise({ config, mapping, log });
  expect(first).toMatchObject({ publication: 'created', slot: 'created' });
  expect(first.migrations.length).toBeGreaterThan(0);
  expect(first.linked).toEqual({
    found: { companies: counts.clients, contacts: counts.contacts, deals: counts.opportunities },
    unknown: { companies: 1, contacts: 0, deals: 0 },
  });
  // Nothing is copied and nothing in doubt; rows without a record in HubSpot are left alone.
  expect(
    await db.query(
      `select object_type, count(hubspot_id)::int as n, count(doubt_since)::int as doubts
       from hubspot_sync.record group by 1 order by 1`,
    ),
  ).toEqual([
    { object_type: 'companies', n: counts.clients, doubts: 0 },
    { object_type: 'contacts', n: counts.contacts, doubts: 0 },
    { object_type: 'deals', n: counts.opportunities, doubts: 0 },
  ]);
  const second = await initialise({ config, mapping, log });
  expect(second).toMatchObject({ migrations: [], publication: 'kept', slot: 'kept' });
  expect(second.linked?.found).toEqual({ companies: 0 });
});

test('two at the same time make everything once', async () => {
  await using db = await createTestDatabase();
  await createDemo(db.url);
  const config = configOf(db);
  const both = await Promise.all([
    initialise({ config, mapping, log }),
    initialise({ config, mapping, log }),
  ]);
  expect(both.flatMap(({ migrations }) => migrations)).toHaveLength(
    Math.max(...both.map(({ migrations }) => migrations.length)),
  );
  const { cdc } = config;
  expect(
    await db.query('select 1 as n from pg_replication_slots where slot_name = $1', [cdc.slot]),
  ).toHaveLength(1);
});

test('a table of a larger mapping is added to the publication behind open transactions', async () => {
  await using db = await createTestDatabase();
  await createDemo(db.url);
  const config = configOf(db);
  await db.query(`create publication ${config.cdc.publication} for table clients, contacts`);
  const writer = new pg.Client({ connectionString: db.url });
  await writer.connect();
  await writer.query('begin');
  await writer.query(`insert into opportunities (id, name) values ('1', 'x')`);
  let done = false;
  const run = initialise({ config, mapping, log }).finally(() => {
    done = true;
  });
  await eventually(async () => {
    const waiting = await db.query(
      `select 1 from pg_locks where not granted and mode = 'ShareRowExclusiveLock'
         and database = (select oid from pg_database where datname = current_database())`,
    );
    expect(waiting).toHaveLength(1);
  });
  expect(done).toBe(false);
  await writer.query('commit');
  await writer.end();
  expect(await run).toMatchObject({ publication: 'extended' });
});

test('a table without identity is refused before anything is made', async () => {
  await using db = await createTestDatabase();
  await createDemo(db.url);
  await db.query('alter table contacts drop constraint contacts_pkey');
  await expect(initialise({ config: configOf(db), mapping, log })).rejects.toMatchObject({
    code: 'PRECONDITIONS',
    message: expect.stringContaining('replica identity of public.contacts'),
    advice: expect.stringContaining('ADD PRIMARY KEY (id)'),
  });
  expect(await db.query(`select to_regclass('hubspot_sync.record') as t`)).toEqual([{ t: null }]);
});

test('a HubSpot that is away leaves the rows unlinked, and the rest is made', async () => {
  await using db = await createTestDatabase();
  await createDemo(db.url);
  const config = configOf(db);
  const away = { ...config, hubspot: { ...config.hubspot, baseUrl: 'http://127.0.0.1:1' } };
  expect(await initialise({ config: away, mapping, log })).toMatchObject({
    slot: 'created',
    linked: null,
  });
});
