import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { mappingJsonSchema } from '../../shared/mapping/file.ts';
import { loadMapping, MappingError, parseMapping } from '../../shared/mapping/load.ts';
import { packageRoot } from '../../shared/service/package-root.ts';

const shipped = join(packageRoot, 'sync.yaml');
const text = readFileSync(shipped, 'utf8');

function mistakesOf(yaml: string): string[] {
  try {
    parseMapping(yaml, 'sync.yaml');
  } catch (error) {
    if (error instanceof MappingError) return error.message.split('\n');
    throw error;
  }
  return [];
}

/** The line and column (from 1) of a text in the shipped file after a change. */
function placeOf(yaml: string, needle: string): string {
  const before = yaml.slice(0, yaml.indexOf(needle)).split('\n');
  return `${before.length}:${(before.at(-1)?.length ?? 0) + 1}`;
}

test('the shipped mapping names the three tables with their objects, keys and associations', async () => {
  const mapping = await loadMapping(shipped);
  const deals = mapping.objectOf('0-3');
  expect(deals).toBe(mapping.tableOf('public', 'opportunities'));
  expect(deals?.sql).toBe('"public"."opportunities"');
  expect(deals?.associations).toEqual([
    { name: 'association:companies', column: 'client_id', toObject: 'companies', typeId: 5 },
  ]);
  expect(deals?.rowId?.format('77')).toBe('hs_77');
  expect(deals?.rowId?.parse('hs_77')).toBe('77');
  expect(deals?.rowId?.parse('opp_77')).toBeUndefined();
  expect(deals?.property('dealstage')?.codec.toHubspot('Negotiation')).toBe('contractsent');
  expect(deals?.property('dealstage')?.sendWith).toEqual({ pipeline: 'default' });
  expect(deals?.property('hs_deal_stage_probability')?.direction).toBe('inbound');
});

test('the schema for editors is the one that reads the file', () => {
  // After a change of it: npm run build && node scripts/write-schema.mjs
  const written = JSON.parse(readFileSync(join(packageRoot, 'sync.schema.json'), 'utf8'));
  expect(written).toEqual(JSON.parse(JSON.stringify(mappingJsonSchema())));
});

test('an editor finds nothing wrong with the shipped file, nor with ids without quotes', () => {
  const validate = new Ajv({ allowUnionTypes: true }).compile(mappingJsonSchema() as object);
  const told = (yaml: string) => (validate(parse(yaml)) ? [] : validate.errors);
  expect(told(text)).toEqual([]);
  expect(told(text.replace('Prospecting: appointmentscheduled', 'Prospecting: 66894120'))).toEqual(
    [],
  );
  expect(told(text.replace('idProperty', 'idPropertie'))).toEqual([
    expect.objectContaining({ keyword: 'required' }),
  ]);
});

/** One table of deals, with these lines in it (4 blanks deep from line 5 on). */
const table = (lines: string) =>
  `tables:\n  - table: t\n    object: deals\n    idProperty: k\n${lines}`;
const property = (entry: string) => table(`    properties:\n      a: ${entry}\n`);

test.each([
  // What YAML itself refuses.
  ['tables:\n\t- a', '2:1 Tabs are not allowed as indentation. Correct the YAML.'],
  ['zone: UTC\nzone: UTC\n', '2:1 this name stands here twice. Correct the YAML.'],
  ['tables: []\n---\n', '2:1 the file holds several documents (`---`). Correct the YAML.'],
  // What is missing, misspelt or of the wrong kind.
  ['', '1:1 tables: `tables` is missing. Add it: a list.'],
  ['- a', '1:1 a group of settings is expected here. Write `name: value`, one on a line.'],
  [
    table(''),
    '2:5 tables.0.properties: `properties` is missing. Add it: a group of names and values.',
  ],
  [
    property('{ colum: b }'),
    '6:12 tables.0.properties.a.colum: there is no setting `colum` here. Did you mean `column`?',
  ],
  [
    property('{ column: b, direction: outbond }'),
    '6:34 tables.0.properties.a.direction: outbond is not known here. Did you mean outbound? Write one of: both, outbound, inbound.',
  ],
  [
    property('{ column: b, required: "yes" }'),
    '6:33 tables.0.properties.a.required: true or false is expected here. Write true or false, without quotes.',
  ],
  [
    property('5'),
    '6:10 tables.0.properties.a: a property needs its column. Write the column’s name, or `{ column: …, type: … }`.',
  ],
  [
    table('    properties: { a: b }\n    defaults: { n: ~ }'),
    '6:20 tables.0.defaults.n: a text is expected here. Put it in quotes.',
  ],
  // What contradicts itself.
  [
    'tables: [{ table: t, object: Deal, idProperty: k, properties: {} }]',
    '1:30 tables.0.object: Deal is no object type by HubSpot’s own name. Did you mean deals?',
  ],
  [
    table('    properties: { DealName: b }'),
    '5:19 tables.0.properties.DealName: HubSpot’s property names are lower case, and DealName is not. Write dealname.',
  ],
  [
    property('{ column: id }'),
    '6:20 tables.0.properties.a.column: id is the key, which HubSpot must not change. Write `direction: outbound`; k holds the key anyway.',
  ],
  [
    property('{ column: b, separator: "," }'),
    '6:23 tables.0.properties.a.separator: `separator` means nothing for the type text. Remove it, or write `type: multi-enumeration`.',
  ],
  [
    property('{ column: b, type: date, as: array }'),
    '6:39 tables.0.properties.a.as: a date can’t be read `as: array`. Write `as: date` or `as: datetime`.',
  ],
  [
    property('{ column: b, type: date, zone: Mars/Olympus }'),
    '6:41 tables.0.properties.a.zone: there is no time zone Mars/Olympus. Write a name such as UTC or Europe/Berlin.',
  ],
  [
    property('{ column: b, policy: latest }'),
    '6:31 tables.0.properties.a.policy: the policy latest is not carried out yet. Write `policy: hubspot` (the default), or `direction: outbound` for a column that only Postgres decides.',
  ],
  [
    property('{ column: b, type: enumeration, values: { X: x, Y: x } }'),
    '6:61 tables.0.properties.a.values.Y: option x stands for two values, X and Y. Give each option one value: it must be clear which one comes back.',
  ],
  [
    property('{ column: b, type: multi-enumeration, separator: ",", values: { "x,y": z } }'),
    '6:74 tables.0.properties.a.values.x,y: the value holds the separator ,. Write another `separator`, or make the column an array.',
  ],
  [
    property('{ column: b, sendWith: { c: x } }\n      c: d'),
    '6:35 tables.0.properties.a.sendWith.c: c is mapped to a column and can’t be a constant too. Remove one of the two.',
  ],
  [
    property('b\n      c: b'),
    '7:10 tables.0.properties.c: the column b is mapped to both a and c. Map each column once, so that it is clear which value counts.',
  ],
  [property('b\n    id: hs_'), '7:9 tables.0.id: must contain {id}, such as hs_{id}. Correct it.'],
  [
    property('b\n    key: [x, y]\n    id: hs_{id}'),
    '8:9 tables.0.id: an id template needs a key of one column. Remove `id`, or give the table a key of one column.',
  ],
  [
    property('b\n    deletes: { inbound: mark }'),
    '7:25 tables.0.deletes.inbound: `mark` needs the column that is marked. Add `markColumn: deleted_at`, a boolean or timestamp column.',
  ],
  [
    property('b\n    associations: [{ column: c, to: companies }]'),
    '7:37 tables.0.associations.0.to: companies is not mapped in this file. Map the table of companies too, or remove the association.',
  ],
  [
    property('b\n    defaults: { b: x }'),
    '7:17 tables.0.defaults.b: b gets its value from HubSpot. Remove the default, or the mapping of the column.',
  ],
])('%j is told with its place and the remedy', (yaml, told) => {
  expect(mistakesOf(yaml)).toEqual([`sync.yaml:${told}`]);
});

test('several mistakes are told at once, in the order of the file', () => {
  const yaml = text
    .replace('zone: UTC', 'zone: Mars/Olympus')
    .replace('id: hs_{id}', 'id: hs_{id}{id}')
    .replace('to: companies', 'to: planets');
  expect(mistakesOf(yaml)).toEqual([
    expect.stringContaining(
      `sync.yaml:${placeOf(yaml, 'Mars')} zone: there is no time zone Mars/Olympus`,
    ),
    expect.stringContaining(`sync.yaml:${placeOf(yaml, 'hs_{id}{id}')} tables.0.id: `),
    expect.stringContaining(`sync.yaml:${placeOf(yaml, 'planets')} tables.1.associations.0.to: `),
  ]);
});

test('the error carries each mistake apart', () => {
  let thrown: unknown;
  try {
    parseMapping(property('{ colum: b }'), 'x/sync.yaml');
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toMatchObject({
    code: 'MAPPING_INVALID',
    disposition: 'stop',
    issues: [
      {
        file: 'x/sync.yaml',
        line: 6,
        col: 12,
        path: 'tables.0.properties.a.colum',
        message: 'there is no setting `colum` here',
        remedy: 'Did you mean `column`?',
      },
    ],
  });
});

test('a file that can’t be read is one mistake that names the variable', async () => {
  await expect(loadMapping('/nowhere/sync.yaml')).rejects.toThrow(
    /^\/nowhere\/sync\.yaml:1:1 the file can't be read \(ENOENT\)\. .*MAPPING_FILE/,
  );
});

test('ids and constants are taken as they are written, quoted or not', () => {
  const mapping = parseMapping(
    property(
      '{ column: b, type: enumeration, values: { A: 66894120, B: 007, Yes: true, 5: five, Big: 874716779721000000000 }, sendWith: { pipeline: 12 } }\n    defaults: { n: 1.50 }',
    ),
    'sync.yaml',
  );
  const [deals] = mapping.tables;
  expect(deals?.properties[0]?.codec.values).toEqual({
    A: '66894120',
    B: '007',
    Yes: 'true',
    5: 'five',
    Big: '874716779721000000000',
  });
  expect(deals?.properties[0]?.sendWith).toEqual({ pipeline: '12' });
  expect(deals?.defaults).toEqual({ n: '1.50' });
});

test('a property may be called like a setting', () => {
  const [deals] = parseMapping(
    table('    properties: { values: { column: b, required: true }, defaults: c }'),
    'sync.yaml',
  ).tables;
  expect(deals?.property('values')?.required).toBe(true);
  expect(deals?.property('defaults')?.column).toBe('c');
});

test('anchors and merges save repetition', () => {
  const [deals] = parseMapping(
    property('&money { column: x, type: number }\n      b: { <<: *money, column: y }'),
    'sync.yaml',
  ).tables;
  expect(deals?.properties.map(({ column, codec }) => [column, codec.kind])).toEqual([
    ['x', 'number'],
    ['y', 'number'],
  ]);
});

test('a table outside of public is named with its schema, and every name is quoted', () => {
  const [deals] = parseMapping(property('b').replace('table: t', 'table: sales."t'), 'f').tables;
  expect([deals?.schema, deals?.name, deals?.sql]).toEqual(['sales', '"t', '"sales"."""t"']);
});

test('a custom object is mapped by its type id, its association by its type', () => {
  const mapping = parseMapping(
    `tables:
      - { table: cars, object: 2-123, idProperty: k, properties: { a: b },
          associations: [{ column: owner, to: contacts, type: 17 }] }
      - { table: people, object: contacts, idProperty: k, properties: { email: email } }`,
    'sync.yaml',
  );
  expect(mapping.objectOf('2-123')).toMatchObject({
    objectTypeId: '2-123',
    associations: [{ name: 'association:contacts:17', toObject: 'contacts', typeId: 17 }],
  });
});

test('addresses and phone numbers are personal without being told', () => {
  const [deals] = parseMapping(
    table('    properties: { a: { column: x, type: email }, b: { column: y, type: phone }, c: z }'),
    'sync.yaml',
  ).tables;
  expect(deals?.properties.map(({ personal }) => personal)).toEqual([true, true, false]);
});

test('keys that HubSpot could take for one another are folded, others refused', async () => {
  const table = (await loadMapping(shipped)).objectOf('deals');
  expect(table?.keyValue(' OPP-1 ')).toBe('opp-1');
  expect(() => table?.keyValue('größe')).toThrow('not plain ASCII');
  expect(() => table?.keyValue('')).toThrow();
});

test('an alias without its anchor is told at its place', () => {
  const yaml = text.replace('key: id', 'key: *nowhere');
  expect(mistakesOf(yaml)).toEqual([
    expect.stringContaining(`sync.yaml:${placeOf(yaml, '*nowhere')} there is no anchor &nowhere`),
  ]);
});

test('an empty key, and a label instead of a property’s name, are told in words of their own', () => {
  expect(mistakesOf(text.replace('key: id', 'key: []'))).toEqual([
    expect.stringContaining('the key names no column. Write `key: id`.'),
  ]);
  expect(mistakesOf(text.replace('      hs_next_step:', '      Next Step:'))).toEqual([
    expect.stringContaining('looks like a label. Write the internal name'),
  ]);
});
