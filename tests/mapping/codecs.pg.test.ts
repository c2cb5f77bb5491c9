import { type CodecSpec, createCodec } from '../../shared/mapping/codecs.ts';
import { createPool, inTransaction, queryText } from '../../shared/postgres/pool.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;

beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => {
  await db.drop();
});

/** What the server prints for an expression, in the fixed way in which all of our sessions print. */
async function printed(expression: string): Promise<string | null> {
  const pool = createPool({ databaseUrl: db.url, applicationName: 'test', max: 1 });
  try {
    const [row] = await inTransaction(pool, (client) =>
      queryText(client, `select ${expression} as v`, []),
    );
    return row?.v ?? null;
  } finally {
    await pool.end();
  }
}

const day: CodecSpec = { type: 'date', as: 'date', zone: 'UTC' };

test.each<[string, CodecSpec, string]>([
  ['50000.005::numeric(12,2)', { type: 'number' }, '50000.01'],
  ['50000.00::numeric(12,2)', { type: 'number' }, '50000'],
  ['9007199254740993::bigint', { type: 'number' }, '9007199254740993'],
  ['16777217::float4', { type: 'number' }, '16777216'],
  ['0.1::float8 + 0.2::float8', { type: 'number' }, '0.30000000000000004'],
  ['1e20::float8', { type: 'number' }, '100000000000000000000'],
  ['true', { type: 'boolean' }, 'true'],
  ['false', { type: 'boolean' }, 'false'],
  ["timestamptz '2026-01-05 12:00:00.123999+02'", { type: 'datetime' }, '2026-01-05T10:00:00.123Z'],
  ["timestamptz(0) '2026-01-05 10:00:00.6+00'", { type: 'datetime' }, '2026-01-05T10:00:01.000Z'],
  ["timestamp '2026-01-05 10:00:00'", { type: 'datetime' }, '2026-01-05T10:00:00.000Z'],
  ["date '2026-01-05'", day, '2026-01-05'],
  [
    `array['b', 'a "q" \\', 'NULL', null, 'x,y']`,
    { type: 'multi-enumeration', column: 'array', separator: ';' },
    'NULL;a "q" \\;b;x,y',
  ],
  ["'{}'::text[]", { type: 'multi-enumeration', column: 'array', separator: ';' }, ''],
  ["'Bob@Example.com'::text", { type: 'email' }, 'bob@example.com'],
  ['null::text', { type: 'text' }, ''],
])('%s is the HubSpot value %j %s', async (expression, spec, value) => {
  expect(createCodec(spec).toHubspot(await printed(expression))).toBe(value);
});

test.each<[string, CodecSpec]>([
  ["'NaN'::numeric", { type: 'number' }],
  ["'Infinity'::float8", { type: 'number' }],
  ["'1234.50'::numeric::money", { type: 'number' }],
  ["date 'infinity'", day],
  ["timestamptz '-infinity'", { type: 'datetime' }],
  ["date '0044-03-15 BC'", day],
  ["timestamptz '20260-01-05 10:00:00+00'", { type: 'datetime' }],
])('%s has no place in HubSpot', async (expression, spec) => {
  const text = await printed(expression);
  expect(() => createCodec(spec).toHubspot(text)).toThrow(
    expect.objectContaining({ code: 'VALUE_UNCONVERTIBLE', disposition: 'bury' }),
  );
});

test.each<[CodecSpec, string, string]>([
  [{ type: 'number' }, '1.2000000000000002', 'numeric'],
  [{ type: 'number' }, '95.0', 'integer'],
  [{ type: 'boolean' }, 'false', 'boolean'],
  [{ type: 'datetime' }, '1767607200123', 'timestamptz'],
  [{ type: 'datetime' }, '2026-01-05T11:00:00+01:00', 'timestamp'],
  [{ type: 'date', as: 'datetime', zone: 'Europe/Berlin' }, '2026-01-04T23:30:00Z', 'date'],
  [{ type: 'multi-enumeration', column: 'array', separator: ';' }, 'b c;a', 'text[]'],
])('%j: %s, cast to %s and read again, is the same value', async (spec, raw, type) => {
  const codec = createCodec(spec);
  const value = codec.canonical(raw);
  const text = codec.toPostgres(value)?.replaceAll("'", "''");
  expect(codec.toHubspot(await printed(`'${text}'::${type}`))).toBe(value);
});
