import { checkPostgres } from '../../commands/doctor/check-postgres.ts';
import type { Mapping, TableMapping } from '../../shared/mapping/mapping.ts';
import { loadConfig } from '../../shared/service/config.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

function mappingOf(...tables: Partial<TableMapping>[]): Mapping {
  const whole = tables.map((table) => ({
    schema: 'public',
    name: 'deals',
    sql: `"public"."${table.name ?? 'deals'}"`,
    key: ['id'],
    properties: [],
    associations: [],
    deletes: { outbound: 'archive', inbound: 'keep' },
    defaults: {},
    ...table,
  }));
  return { tables: whole } as unknown as Mapping;
}

async function findWrong(db: TestDatabase, mapping: Mapping) {
  const name = `s_${db.name}`;
  const config = loadConfig({ env: { CDC_SLOT: name, CDC_PUBLICATION: name } });
  const findings = await checkPostgres(db.pool, mapping, config);
  return Object.fromEntries(
    findings.filter(({ level }) => level === 'error').map(({ id, message }) => [id, message]),
  );
}

test('a database that was set up has nothing wrong', async () => {
  await using db = await createTestDatabase('create table deals (id text primary key, name text)');
  const name = `s_${db.name}`;
  await db.query(`create publication ${name} for table deals`);
  await db.query('select pg_create_logical_replication_slot($1, $2)', [name, 'pgoutput']);
  const properties = [{ column: 'name' }] as unknown as TableMapping['properties'];
  expect(await findWrong(db, mappingOf({ properties }))).toEqual({});
});

test('what is missing is named: table, column, publication, slot', async () => {
  await using db = await createTestDatabase('create table deals (id text primary key)');
  const properties = [{ column: 'nam' }] as unknown as TableMapping['properties'];
  const wrong = await findWrong(db, mappingOf({ properties }, { name: 'leads' }));
  expect(wrong).toEqual({
    'postgres.table.public.deals.columns': 'public.deals has no column nam.',
    'postgres.table.public.leads': 'The mapped table public.leads doesn’t exist.',
    'postgres.publication': `There is no publication s_${db.name}.`,
    'postgres.slot': `There is no replication slot s_${db.name}.`,
  });
});

test('a table without identity, or with one that does not cover the key, is refused', async () => {
  await using db = await createTestDatabase(`
    create table none (id text);
    create table other (id text not null, code text primary key);
    create table whole (id text); alter table whole replica identity full;
    create table chosen (id text not null unique, code text primary key);
    alter table chosen replica identity using index chosen_id_key;
  `);
  const names = ['none', 'other', 'whole', 'chosen'];
  const wrong = await findWrong(db, mappingOf(...names.map((name) => ({ name }))));
  expect(wrong['postgres.table.public.none.identity']).toContain('no replica identity');
  expect(wrong['postgres.table.public.other.identity']).toContain('doesn’t cover');
  expect(wrong).not.toHaveProperty(['postgres.table.public.whole.identity']);
  expect(wrong).not.toHaveProperty(['postgres.table.public.chosen.identity']);
});

test('a publication that lacks a table, and a slot of another plugin, are named', async () => {
  await using db = await createTestDatabase(
    'create table deals (id text primary key); create table leads (id text primary key)',
  );
  const name = `s_${db.name}`;
  await db.query(`create publication ${name} for table deals`);
  await db.query('select pg_create_logical_replication_slot($1, $2)', [name, 'test_decoding']);
  expect(await findWrong(db, mappingOf({}, { name: 'leads' }))).toEqual({
    'postgres.publication': `Publication ${name} lacks public.leads.`,
    'postgres.slot': `Slot ${name} was made for test_decoding, not for pgoutput.`,
  });
});

test('a role without rights is told which ones it lacks', async () => {
  await using db = await createTestDatabase('create table deals (id text primary key)');
  const role = `r_${db.name}`;
  await db.query(`create role ${role}`);
  const client = await db.pool.connect();
  try {
    await client.query(`set role ${role}`);
    const findings = await checkPostgres(client, mappingOf({}), loadConfig({ env: {} }));
    const byId = new Map(findings.map((finding) => [finding.id, finding]));
    expect(byId.get('postgres.role')).toMatchObject({
      level: 'error',
      advice: expect.stringContaining(`ALTER ROLE "${role}" REPLICATION`),
    });
    expect(byId.get('postgres.table.public.deals.rights')).toMatchObject({
      level: 'error',
      advice: expect.stringContaining(`TO "${role}"`),
    });
  } finally {
    await client.query('reset role');
    client.release();
    await db.query(`drop role ${role}`);
  }
});
