/** Inbound values in the rows: as text of the columns' types, marked, each refused row on its own. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseMapping } from '../../shared/mapping/load.ts';
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import { ensureMarkSecret, type Mark, readMark } from '../../shared/postgres/mark.ts';
import { migrate } from '../../shared/postgres/migrate.ts';
import { createPool, inTransaction, type Pool } from '../../shared/postgres/pool.ts';
import { lockRows, readColumnTypes } from '../../shared/postgres/rows.ts';
import { tablesOf } from '../../shared/postgres/schema.ts';
import {
  type InboundWrite,
  type RefusedRow,
  type WrittenRow,
  writeInbound,
} from '../../shared/postgres/write-inbound.ts';
import { packageRoot } from '../../shared/service/package-root.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

const tables = tablesOf('hubspot_sync');

interface Desk extends AsyncDisposable {
  readonly db: TestDatabase;
  readonly pool: Pool;
  readonly table: TableMapping;
  write(writes: readonly Given[]): Promise<{ written: WrittenRow[]; refused: RefusedRow[] }>;
  marks(): Promise<Mark[]>;
}

type Given = Omit<InboundWrite, 'row' | 'hubspotId' | 'values'> & {
  readonly values?: Readonly<Record<string, string | null>>;
};

async function createDesk(sql: string, yaml: string): Promise<Desk> {
  const db = await createTestDatabase(sql);
  await migrate({ databaseUrl: db.url, schema: 'hubspot_sync' });
  const pool = createPool({ databaseUrl: db.url, applicationName: 'test' });
  const secret = await ensureMarkSecret(pool, tables);
  const [table] = parseMapping(yaml, 'sync.yaml').tables;
  if (!table) throw new Error('no table');
  const types = await readColumnTypes(pool, table);
  await db.query("select pg_create_logical_replication_slot($1, 'test_decoding')", [db.name]);
  return {
    db,
    pool,
    table,
    write: (writes) =>
      inTransaction(pool, async (client) => {
        const keys = writes.map(({ key }) => key);
        const rows = await lockRows(client, table, types, keys);
        return writeInbound(
          { client, table, types, secret },
          writes.map(({ values = {}, ...write }) => ({
            ...write,
            hubspotId: '77',
            row: rows.get(write.key)?.columns ?? null,
            values: Object.fromEntries(
              Object.entries(values).map(([name, text]) => [
                name,
                { value: text ?? '', time: 5, text },
              ]),
            ),
          })),
        );
      }),
    async marks() {
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

const trs = await readFile(join(packageRoot, 'demo', 'trs.sql'), 'utf8');
const shipped = await readFile(join(packageRoot, 'sync.yaml'), 'utf8');

async function createTrs(sql = ''): Promise<Desk> {
  const desk = await createDesk(trs + sql, shipped);
  const table = parseMapping(shipped, 'sync.yaml').objectOf('companies') as TableMapping;
  expect(desk.table.object).toBe(table.object);
  return desk;
}

const rowsOf = (mark: Mark | undefined) => (mark?.kind === 'inbound' ? mark.rows : []);

test('values are written as their columns hold them, and the mark says the same', async () => {
  await using desk = await createTrs(
    "insert into clients (id, name, arr) values ('c-1', 'One', 1);",
  );
  const { written } = await desk.write([
    { key: 'c-1', kind: 'update', values: { name: 'Größe', annualrevenue: '50000.005' } },
  ]);
  expect(written[0]?.texts).toEqual({ name: 'Größe', annualrevenue: '50000.01' });
  expect(written[0]?.changed).toEqual(['name', 'arr']);
  expect(await desk.db.query('select name, arr::text from clients')).toEqual([
    { name: 'Größe', arr: '50000.01' },
  ]);
  const [mark, ...others] = await desk.marks();
  expect(others).toEqual([]);
  expect(rowsOf(mark)).toEqual([
    {
      object: 'companies',
      key: 'c-1',
      kind: 'update',
      hubspotId: '77',
      values: {
        name: { value: 'Größe', time: 5, text: 'Größe' },
        annualrevenue: { value: '50000.005', time: 5, text: '50000.01' },
      },
    },
  ]);
});

test('a row that holds the value already is not touched, and still marked', async () => {
  await using desk = await createTrs(
    "insert into clients (id, name, arr) values ('c-1', 'One', 1);",
  );
  const [before] = await desk.db.query('select xmin::text from clients');
  const { written } = await desk.write([
    { key: 'c-1', kind: 'update', values: { annualrevenue: '1.000' } },
  ]);
  expect(written[0]?.changed).toEqual([]);
  expect(await desk.db.query('select xmin::text from clients')).toEqual([before]);
  expect(rowsOf((await desk.marks())[0])).toHaveLength(1);
});

test('what Postgres refuses goes alone: its neighbours are written, and it has no mark', async () => {
  await using desk = await createTrs(
    `alter table clients add constraint rich check (arr >= 0);
     insert into clients (id, name) select 'c-' || i, 'x' from generate_series(1, 9) i;`,
  );
  const { written, refused } = await desk.write(
    Array.from({ length: 9 }, (_, i) => ({
      key: `c-${i + 1}`,
      kind: 'update' as const,
      values: { annualrevenue: i === 4 ? '-1' : i === 6 ? 'no number' : String(i) },
    })),
  );
  expect(written.map(({ write }) => write.key)).toHaveLength(7);
  expect(refused.map(({ write, code, detail }) => [write.key, code, detail])).toEqual([
    ['c-5', '23514', 'constraint rich of clients'],
    ['c-7', '22P02', 'a value that does not fit its column'],
  ]);
  const marked = (await desk.marks()).flatMap(rowsOf).map(({ key }) => key);
  expect(marked.sort()).toEqual(['c-1', 'c-2', 'c-3', 'c-4', 'c-6', 'c-8', 'c-9']);
});

test('of a refused update each property that is accepted alone is written', async () => {
  await using desk = await createTrs(
    `alter table clients add constraint rich check (arr >= 0);
     insert into clients (id, name, region) values ('c-1', 'One', 'North');`,
  );
  const { written, refused } = await desk.write([
    { key: 'c-1', kind: 'update', values: { name: 'Two', annualrevenue: '-1', country: 'South' } },
  ]);
  expect(written.flatMap(({ changed }) => changed).sort()).toEqual(['name', 'region']);
  expect(refused.map(({ write }) => Object.keys(write.values))).toEqual([['annualrevenue']]);
  expect(await desk.db.query('select name, arr, region from clients')).toEqual([
    { name: 'Two', arr: null, region: 'South' },
  ]);
});

test('a constraint that is checked at the commit is checked before it, and refuses its row alone', async () => {
  await using desk = await createTrs(
    `create table regions (name text primary key);
     insert into regions values ('North');
     alter table clients add foreign key (region) references regions deferrable initially deferred;
     insert into clients (id, name) values ('c-1', 'One'), ('c-2', 'Two');`,
  );
  const { refused } = await desk.write([
    { key: 'c-1', kind: 'update', values: { country: 'Nowhere' } },
    { key: 'c-2', kind: 'update', values: { country: 'North' } },
  ]);
  expect(refused.map(({ write, code }) => [write.key, code])).toEqual([['c-1', '23503']]);
  expect(await desk.db.query('select id, region from clients order by id')).toEqual([
    { id: 'c-1', region: null },
    { id: 'c-2', region: 'North' },
  ]);
});

test('a text that is too long for its column is refused, not cut', async () => {
  await using desk = await createTrs(
    `alter table clients alter region type varchar(5), alter industry type char(3);
     insert into clients (id, name) values ('c-1', 'One'), ('c-2', 'Two');`,
  );
  const { refused, written } = await desk.write([
    { key: 'c-1', kind: 'update', values: { country: 'too long' } },
    { key: 'c-2', kind: 'update', values: { industry: 'ab' } },
  ]);
  expect(refused.map(({ code }) => code)).toEqual(['22001']);
  expect(written[0]?.texts).toEqual({ industry: 'ab ' });
});

test('a new row names every mapped column; a NOT NULL column with a default keeps the default', async () => {
  await using desk = await createTrs(
    `alter table clients alter region set default 'Everywhere', alter region set not null,
       alter industry set default 'Any';`,
  );
  await desk.write([{ key: 'hs_77', kind: 'insert', values: { name: 'One' } }]);
  expect(await desk.db.query('select id, name, region, industry, arr from clients')).toEqual([
    { id: 'hs_77', name: 'One', region: 'Everywhere', industry: null, arr: null },
  ]);
});

test('a new row gets the mapping’s defaults, and the HubSpot id where a column is named for it', async () => {
  await using desk = await createDesk(
    'create table t (id text primary key, name text, note text not null, hubspot bigint)',
    `tables:
  - table: t
    object: companies
    key: id
    idProperty: k
    hubspotIdColumn: hubspot
    properties: { name: name }
    defaults: { note: from HubSpot }
`,
  );
  await desk.write([{ key: 'hs_77', kind: 'insert', values: { name: 'One' } }]);
  expect(await desk.db.query('select id, name, note, hubspot::text from t')).toEqual([
    { id: 'hs_77', name: 'One', note: 'from HubSpot', hubspot: '77' },
  ]);
});

const composite = `tables:
  - table: t
    object: companies
    key: [a, b]
    idProperty: k
    properties: { name: name, about_us: { column: flag, type: boolean } }
    deletes: { outbound: archive, inbound: DELETE }
`;

test('rows with keys of several columns and of other types than text are found', async () => {
  await using desk = await createDesk(
    `create table t (a int, b uuid, name text, flag boolean, primary key (a, b));
     insert into t select i, ('00000000-0000-0000-0000-00000000000' || i)::uuid, 'x' from generate_series(1, 3) i;`,
    composite.replace('DELETE', 'delete'),
  );
  const key = (i: number) => JSON.stringify([String(i), `00000000-0000-0000-0000-00000000000${i}`]);
  const { written } = await desk.write([
    { key: key(1), kind: 'update', values: { name: 'One', about_us: 'true' } },
    { key: key(2), kind: 'delete' },
    { key: key(4), kind: 'insert', values: { name: 'Four' } },
  ]);
  expect(written).toHaveLength(3);
  expect(written[0]?.texts).toEqual({ name: 'One', about_us: 't' });
  expect(await desk.db.query('select a, name, flag from t order by a')).toEqual([
    { a: 1, name: 'One', flag: true },
    { a: 3, name: 'x', flag: null },
    { a: 4, name: 'Four', flag: null },
  ]);
});

test.each([
  ['boolean', true, false],
  ['timestamptz', expect.any(Date), null],
])(
  'a deletion sets the mark column of type %s, and a record that lives again clears it',
  async (type, set, cleared) => {
    await using desk = await createDesk(
      `create table t (a int, b int, name text, flag boolean, gone ${type}, primary key (a, b));
     insert into t values (1, 1, 'x');`,
      composite.replace('DELETE', 'mark, markColumn: gone'),
    );
    await desk.write([{ key: '["1","1"]', kind: 'delete' }]);
    expect(await desk.db.query('select gone from t')).toEqual([{ gone: set }]);
    await desk.write([{ key: '["1","1"]', kind: 'update', unmark: true, values: { name: 'y' } }]);
    expect(await desk.db.query('select name, gone from t')).toEqual([{ name: 'y', gone: cleared }]);
  },
);

test('what no single row is to blame for is thrown, and nothing is written', async () => {
  await using desk = await createTrs(
    `insert into clients (id, name) values ('c-1', 'One'), ('c-2', 'Two');
     create function fail() returns trigger language plpgsql as
       $$ begin raise exception 'later' using errcode = '40001'; end $$;
     create trigger fail before update on clients for each row when (new.name = 'bad') execute function fail();`,
  );
  const written = desk.write([
    { key: 'c-1', kind: 'update', values: { name: 'good' } },
    { key: 'c-2', kind: 'update', values: { name: 'bad' } },
  ]);
  await expect(written).rejects.toMatchObject({ code: '40001' });
  expect(await desk.db.query('select name from clients order by id')).toEqual([
    { name: 'One' },
    { name: 'Two' },
  ]);
  expect(await desk.marks()).toEqual([]);
});

test('many large values travel in several marks, none of them too large', async () => {
  await using desk = await createTrs(
    "insert into clients (id, name) select 'c-' || i, 'x' from generate_series(1, 12) i;",
  );
  await desk.write(
    Array.from({ length: 12 }, (_, i) => ({
      key: `c-${i + 1}`,
      kind: 'update' as const,
      values: { name: 'ü'.repeat(40_000) },
    })),
  );
  const marks = await desk.marks();
  expect(marks.map((mark) => rowsOf(mark).length)).toEqual([3, 3, 3, 3]);
});
