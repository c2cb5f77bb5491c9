import { readFileSync } from 'node:fs';
import { join } from 'node:path';
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
  const written = JSON.parse(readFileSync(join(packageRoot, 'sync.schema.json'), 'utf8'));
  expect(written).toEqual(JSON.parse(JSON.stringify(mappingJsonSchema())));
});

test('a setting that is misspelt is named with its place and the likely one', () => {
  const yaml = text.replace('idProperty: trs_id', 'idPropertie: trs_id');
  const [first, ...rest] = mistakesOf(yaml);
  const all = [first, ...rest].join('\n');
  expect(all).toContain(`sync.yaml:${placeOf(yaml, 'idPropertie')} `);
  expect(all).toContain('Did you mean `idProperty`?');
});

test('a value that is not known is named with those that are', () => {
  const yaml = text.replace('direction: inbound', 'direction: inwards');
  expect(mistakesOf(yaml)).toEqual([
    expect.stringMatching(
      new RegExp(
        `^sync.yaml:${placeOf(yaml, 'inwards')} .*direction: .*Write one of: both, outbound, inbound`,
      ),
    ),
  ]);
});

test('several mistakes are told at once', () => {
  const yaml = text
    .replace('zone: UTC', 'zone: Mars/Olympus')
    .replace('to: companies', 'to: planets');
  const told = mistakesOf(yaml).join('\n');
  expect(told).toContain('there is no time zone Mars/Olympus');
  expect(told).toContain('planets is not mapped in this file');
});

test('what is no YAML is told with its line', () => {
  expect(mistakesOf('tables: [')[0]).toMatch(/^sync\.yaml:\d+:\d+ /);
});

test('a column or an option that stands twice is refused', () => {
  expect(mistakesOf(text.replace('jobtitle: role', 'jobtitle: first_name')).join()).toContain(
    'column first_name is mapped to two properties',
  );
  expect(
    mistakesOf(text.replace('Closed Lost: closedlost', 'Closed Lost: closedwon')).join(),
  ).toContain('option closedwon stands for two values');
});

test('keys that HubSpot could take for one another are folded, others refused', async () => {
  const table = (await loadMapping(shipped)).objectOf('deals');
  expect(table?.keyValue(' OPP-1 ')).toBe('opp-1');
  expect(() => table?.keyValue('größe')).toThrow('not plain ASCII');
  expect(() => table?.keyValue('')).toThrow();
});
