import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkMappingAgainstPostgres } from '../../shared/mapping/check-postgres.ts';
import { loadMapping, parseMapping } from '../../shared/mapping/load.ts';
import type { Mapping } from '../../shared/mapping/mapping.ts';
import { describeCatalog } from '../../shared/postgres/catalog.ts';
import { packageRoot } from '../../shared/service/package-root.ts';
import { createTestDatabase } from '../support/database.ts';

async function findings(mapping: Mapping, sql: string) {
  await using db = await createTestDatabase(sql);
  return checkMappingAgainstPostgres(mapping, await describeCatalog(db.pool, mapping.tables));
}

/** What is told of the table `t` with these columns and this mapping of deals. */
async function told(columns: string, mapping: string, more = '') {
  const file = `tables: [{ table: t, object: deals, idProperty: trs_id, ${mapping} }]`;
  const found = await findings(
    parseMapping(file, 'sync.yaml'),
    `create table t (id text primary key, ${columns}); ${more}`,
  );
  return found.map(({ severity, column, message, remedy }) =>
    [severity, column, message, remedy].join(' '),
  );
}

test('the shipped mapping fits the demo’s tables', async () => {
  const shipped = await loadMapping(join(packageRoot, 'sync.yaml'));
  const sql = await readFile(join(packageRoot, 'demo', 'trs.sql'), 'utf8');
  expect(await findings(shipped, sql)).toEqual([]);
});

test('a table or a column that isn’t there is told, the column with the likely one', async () => {
  const mapping = parseMapping(
    `tables:
      - { table: t, object: deals, idProperty: k, properties: { dealname: nam } }
      - { table: sales.none, object: contacts, idProperty: k, properties: { email: email } }
      - { table: v, object: companies, idProperty: k, properties: { name: name } }`,
    'sync.yaml',
  );
  const sql = 'create table t (id text primary key, name text); create view v as select 1 as id;';
  expect(await findings(mapping, sql)).toEqual([
    expect.objectContaining({ column: 'nam', remedy: 'Did you mean name?' }),
    expect.objectContaining({ object: 'contacts', message: 'There is no table: sales.none.' }),
    expect.objectContaining({ object: 'companies', message: 'This is no table: public.v.' }),
  ]);
});

test('every type of the mapping has columns that fit, an enum and a domain of the user’s too', async () => {
  const mapping = parseMapping(
    `tables: [{ table: t, object: deals, idProperty: k, properties: {
       p1: a, p2: { column: b, type: email }, p3: c, p4: { column: d, type: number },
       p5: { column: e, type: boolean }, p6: { column: f, type: date, as: datetime },
       p7: { column: g, type: datetime }, p8: { column: h, type: multi-enumeration, as: array },
       p9: { column: i, type: enumeration }, p10: j, p11: k, p12: { column: l, type: number } } }]`,
    'sync.yaml',
  );
  const sql = `
    create type mood as enum ('glad', 'sad');
    create domain address as text check (value <> '');
    create table t (id text primary key, a text, b varchar(10), c bigint, d numeric(14, 2), e boolean,
      f date, g timestamptz(0), h text[], i mood, j address, k jsonb, l real)`;
  expect(await findings(mapping, sql)).toEqual([]);
});

test.each([
  ['v numeric', 'boolean', 'type: number'],
  ['v boolean', 'text', 'type: boolean'],
  ['v date', 'datetime', 'type: date'],
  ['v timestamptz', 'text', 'type: datetime'],
  ['v text[]', 'text', 'as: array'],
  ['v text', 'datetime', 'type: text'],
  ['v bytea', 'text', 'map another column'],
])('%s doesn’t fit the type %s', async (column, type, remedy) => {
  const [finding, ...more] = await told(column, `properties: { p: { column: v, type: ${type} } }`);
  expect(more).toEqual([]);
  expect(finding).toMatch(/^error v v is of type/);
  expect(finding).toContain(remedy);
});

test('money is refused with the cure', async () => {
  expect(await told('v money', 'properties: { p: { column: v, type: number } }')).toEqual([
    expect.stringMatching(/^error v .*\$1,234\.50.* ALTER COLUMN v TYPE numeric/),
  ]);
});

test('a computed column, a padded one and one without a time zone are told', async () => {
  const found = await told(
    `a text, up text generated always as (upper(a)) stored, code char(8), at timestamp`,
    `properties: { p: up, q: code, r: { column: at, type: datetime } }`,
  );
  expect(found).toEqual([
    expect.stringMatching(/^error up up is computed/),
    expect.stringMatching(/^warning code .*fills up with blanks/),
    expect.stringMatching(/^warning at .*taken for UTC/),
  ]);
});

test('the key must lie inside the replica identity', async () => {
  const sql = 'alter table t replica identity';
  const mapping = 'key: code, properties: { p: a }';
  const columns = 'a text, code text not null unique';
  expect(await told(columns, mapping)).toEqual([
    expect.stringMatching(/^error code The replica identity of public\.t doesn’t cover the key/),
  ]);
  expect(await told(columns, mapping, `${sql} full`)).toEqual([]);
  expect(await told(columns, mapping, `${sql} using index t_code_key`)).toEqual([]);
});

test('required columns that nothing fills keep HubSpot’s records from becoming rows', async () => {
  const columns = `a text, kind text not null, n int not null default 1, made timestamptz not null`;
  const born = 'id: "hs_{id}", properties: { p: a }';
  expect(await told(columns, born)).toEqual([
    expect.stringMatching(/^warning kind .*nothing fills kind, made, which/),
  ]);
  expect(await told(columns, `${born}, defaults: { kind: x, made: now }`)).toEqual([]);
  // Without an id template no record becomes a row anyway.
  expect(await told(columns, 'properties: { p: a }')).toEqual([]);
});

test('an id template must fit the key’s type', async () => {
  const mapping = (id: string) =>
    parseMapping(
      `tables: [{ table: t, object: deals, idProperty: k, id: "${id}", properties: { p: a } }]`,
      'sync.yaml',
    );
  const table = (type: string) => `create table t (id ${type} primary key, a text)`;
  expect(await findings(mapping('{id}'), table('bigint'))).toEqual([]);
  expect(await findings(mapping('hs_{id}'), table('bigint'))).toHaveLength(1);
  expect(await findings(mapping('hs_{id}'), table('uuid'))).toHaveLength(1);
});

test('columns of the sync’s own need types that hold what it writes', async () => {
  const mapping =
    'hubspotIdColumn: hid, deletes: { inbound: mark, markColumn: gone }, properties: { p: a }';
  expect(await told('a text, hid bigint, gone timestamptz', mapping)).toEqual([]);
  expect(await told('a text, hid integer, gone text', mapping)).toEqual([
    expect.stringMatching(/^error gone .*can’t mark a deletion/),
    expect.stringMatching(/^error hid .*twelve digits/),
  ]);
});
