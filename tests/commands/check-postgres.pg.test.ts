import { checkPostgres } from '../../commands/doctor/check-postgres.ts';
import { type Mapping, parseMapping } from '../../shared/mapping/load.ts';
import { loadConfig } from '../../shared/service/config.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

const objects = ['deals', 'companies', 'contacts', 'tickets'];

/** A mapping of these tables, each with one property whose column is `column`. */
function mappingOf(names: readonly string[], column = 'name'): Mapping {
  const tables = names.map(
    (name, i) => `
  - { table: ${name}, object: ${objects[i]}, key: id, idProperty: trs_id, properties: { note: ${column} } }`,
  );
  return parseMapping(`tables:${tables.join('')}`, 'sync.yaml');
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
  expect(await findWrong(db, mappingOf(['deals']))).toEqual({});
});

test('what is missing is named: table, column, publication, slot', async () => {
  await using db = await createTestDatabase('create table deals (id text primary key, name text)');
  const wrong = await findWrong(db, mappingOf(['deals', 'leads'], 'nam'));
  expect(wrong).toEqual({
    'postgres.public.deals.nam': 'public.deals has no column nam.',
    'postgres.public.leads': 'There is no table: public.leads.',
    'postgres.publication': `There is no publication s_${db.name}.`,
    'postgres.slot': `There is no replication slot s_${db.name}.`,
  });
});

test('a table without identity, or with one that does not cover the key, is refused', async () => {
  await using db = await createTestDatabase(`
    create table none (id text, name text);
    create table other (id text not null unique, code text primary key, name text);
    create table whole (id text primary key, name text); alter table whole replica identity full;
    create table chosen (id text not null unique, code text primary key, name text);
    alter table chosen replica identity using index chosen_id_key;
  `);
  const names = ['none', 'other', 'whole', 'chosen'];
  const wrong = await findWrong(db, mappingOf(names));
  expect(wrong['postgres.public.none.id']).toContain('replica identity');
  expect(wrong['postgres.public.other.id']).toContain('replica identity');
  expect(Object.keys(wrong)).not.toContainEqual(expect.stringMatching(/whole|chosen/));
});

test('a publication that lacks a table, and a slot of another plugin, are named', async () => {
  await using db = await createTestDatabase(
    'create table deals (id text primary key, name text); create table leads (id text primary key, name text)',
  );
  const name = `s_${db.name}`;
  await db.query(`create publication ${name} for table deals`);
  await db.query('select pg_create_logical_replication_slot($1, $2)', [name, 'test_decoding']);
  expect(await findWrong(db, mappingOf(['deals', 'leads']))).toEqual({
    'postgres.publication': `Publication ${name} lacks public.leads.`,
    'postgres.slot': `Slot ${name} was made for test_decoding, not for pgoutput.`,
  });
});

test('a role without rights is told which ones it lacks', async () => {
  await using db = await createTestDatabase('create table deals (id text primary key, name text)');
  const role = `r_${db.name}`;
  await db.query(`create role ${role}`);
  const client = await db.pool.connect();
  try {
    await client.query(`set role ${role}`);
    const findings = await checkPostgres(client, mappingOf(['deals']), loadConfig({ env: {} }));
    const byId = new Map(findings.map((finding) => [finding.id, finding]));
    expect(byId.get('postgres.role')).toMatchObject({
      level: 'error',
      advice: expect.stringContaining(`ALTER ROLE "${role}" REPLICATION`),
    });
    expect(byId.get('postgres.public.deals.rights')).toMatchObject({
      level: 'error',
      advice: expect.stringContaining(`TO "${role}"`),
    });
  } finally {
    await client.query('reset role');
    client.release();
    await db.query(`drop role ${role}`);
  }
});
