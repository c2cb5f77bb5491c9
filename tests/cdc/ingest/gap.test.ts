import { pauseAfter } from '../../../cdc/ingest/ingest.ts';
import { checkPreconditions } from '../../../cdc/ingest/preflight.ts';
import { parseMapping } from '../../../shared/mapping/load.ts';
import type { PublicationFacts, SlotFacts, TableFacts } from '../../../shared/postgres/catalog.ts';
import { comparePublication, findGap, UNKNOWN_CLUSTER } from '../../../shared/postgres/gap.ts';
import { yaml } from './room.ts';

const publication: PublicationFacts = {
  oid: '1',
  xmin: '10',
  viaRoot: true,
  allTables: false,
  actions: ['insert', 'update', 'delete', 'truncate'],
  tables: { 'public.deals': { oid: '2', xmin: '10' }, 'public.clients': { oid: '3', xmin: '10' } },
};
const slot: SlotFacts = {
  plugin: 'pgoutput',
  database: 'd',
  activePid: null,
  walStatus: 'reserved',
  invalidated: null,
  confirmed: 100n,
  lagBytes: 0,
  retainedBytes: 0,
  isThisDatabase: true,
};
const remembered = { systemIdentifier: '7', confirmed: 100n, publication };
const found = { server: { systemIdentifier: '7' }, slot, publication };
const names = { slot: 's', publication: 'p' };

test('a slot that stands where it was confirmed, or before, is no gap', () => {
  expect(findGap(names, remembered, found)).toBeUndefined();
  expect(
    findGap(names, remembered, { ...found, slot: { ...slot, confirmed: 90n } }),
  ).toBeUndefined();
});

test.each([
  ['SLOT_MISSING', { ...found, slot: undefined }],
  ['SLOT_LOST', { ...found, slot: { ...slot, walStatus: 'lost', confirmed: null } }],
  ['SLOT_MOVED', { ...found, slot: { ...slot, confirmed: 101n } }],
  ['SLOT_ELSEWHERE', { ...found, slot: { ...slot, isThisDatabase: false } }],
  ['SLOT_ELSEWHERE', { ...found, slot: { ...slot, plugin: 'test_decoding' } }],
  ['OTHER_CLUSTER', { ...found, server: { systemIdentifier: '8' } }],
  ['PUBLICATION_CHANGED', { ...found, publication: undefined }],
])('a gap is named: %s', (code, facts) => {
  expect(findGap(names, remembered, facts)).toMatchObject({ code, disposition: 'stop' });
});

test('a cluster that doesn’t tell its identifier is not compared', () => {
  const silent = { ...found, server: { systemIdentifier: null } };
  expect(findGap(names, remembered, silent)).toBeUndefined();
  const before = { ...remembered, systemIdentifier: UNKNOWN_CLUSTER };
  expect(findGap(names, before, found)).toBeUndefined();
});

test('a publication that was made anew, or a table taken out and added again, is told apart by identity', () => {
  expect(comparePublication(publication, publication)).toBeUndefined();
  expect(comparePublication(publication, { ...publication, oid: '9' })).toContain('made anew');
  const { 'public.deals': deals, ...rest } = publication.tables;
  expect(comparePublication(publication, { ...publication, tables: rest })).toContain(
    'public.deals is no longer in it',
  );
  const again = { ...publication.tables, 'public.deals': { oid: deals?.oid ?? '', xmin: '11' } };
  expect(comparePublication(publication, { ...publication, tables: again })).toContain(
    'public.deals was taken out and added again',
  );
  const more = { ...publication.tables, 'public.x': { oid: '5', xmin: '11' } };
  expect(comparePublication(publication, { ...publication, tables: more })).toContain('public.x');
});

const mapping = parseMapping(yaml, 'sync.yaml');
function factsOf(name: string, change: Partial<TableFacts> = {}): [string, TableFacts] {
  const table = mapping.tableOf('public', name);
  const columns = ['id', ...(table?.properties ?? []).map(({ column }) => column), 'client_id'];
  return [
    `public.${name}`,
    {
      schema: 'public',
      name,
      kind: 'table',
      unlogged: false,
      owned: true,
      owner: 'o',
      columns: columns.map((column) => ({
        name: column,
        type: 'text',
        notNull: false,
        hasDefault: false,
        generated: false,
      })),
      primaryKey: ['id'],
      uniqueKeys: [['id']],
      replicaIdentity: 'default',
      identityColumns: ['id'],
      ...change,
    },
  ];
}

test('what the stream can’t do without is named before it is opened', () => {
  const check = (walLevel: string, ...facts: [string, TableFacts][]) =>
    checkPreconditions({ walLevel }, mapping.tables, new Map(facts));
  const whole = [factsOf('clients'), factsOf('deals')] as const;
  expect(() => check('logical', ...whole)).not.toThrow();
  expect(() => check('replica', ...whole)).toThrow(expect.objectContaining({ code: 'WAL_LEVEL' }));
  expect(() => check('logical', whole[0])).toThrow(
    expect.objectContaining({ code: 'TABLE_MISSING' }),
  );
  expect(() => check('logical', whole[0], factsOf('deals', { columns: [] }))).toThrow(
    expect.objectContaining({ code: 'COLUMN_DROPPED' }),
  );
  expect(() => check('logical', whole[0], factsOf('deals', { identityColumns: ['name'] }))).toThrow(
    expect.objectContaining({ code: 'KEY_OUTSIDE_IDENTITY' }),
  );
});

test('the pause between connections grows to a bound, and differs from one to the next', () => {
  expect(pauseAfter(1, () => 0)).toBe(50);
  expect(pauseAfter(1, () => 1)).toBe(100);
  expect(pauseAfter(30, () => 0)).toBe(7_500);
  expect(pauseAfter(30, () => 1)).toBe(15_000);
});
