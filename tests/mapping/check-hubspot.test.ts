import { join } from 'node:path';
import { type Emulator, startEmulator } from '../../emulator/server.ts';
import { createHubSpot } from '../../shared/hubspot/client.ts';
import {
  ensureKeyProperties,
  fetchHubspotFacts,
  type HubSpotFacts,
  type ObjectFacts,
} from '../../shared/hubspot/facts.ts';
import type { HubSpot, PropertyDefinition } from '../../shared/hubspot/hubspot.ts';
import { checkMappingAgainstHubspot } from '../../shared/mapping/check-hubspot.ts';
import { loadMapping, parseMapping } from '../../shared/mapping/load.ts';
import { loadConfig } from '../../shared/service/config.ts';
import { createEvents } from '../../shared/service/events.ts';
import { packageRoot } from '../../shared/service/package-root.ts';

const objects = ['deals', 'companies', 'contacts'];
let emulator: Emulator;
let hubspot: HubSpot;
/** As HubSpot defines its standard objects. */
let standard: HubSpotFacts;

beforeAll(async () => {
  emulator = await startEmulator({
    port: 0,
    clientSecret: 's',
    appId: 1,
    portalId: 2,
    webhookUrl: null,
  });
  const env = { HUBSPOT_BASE_URL: emulator.url, HUBSPOT_ACCESS_TOKEN: 'pat-emulator' };
  hubspot = createHubSpot({ settings: loadConfig({ env }).hubspot, events: createEvents() });
  const keys = objects.map((object) => ({ object, idProperty: 'trs_id' }));
  await ensureKeyProperties(hubspot, keys);
  standard = await fetchHubspotFacts(hubspot, objects);
});
afterAll(async () => {
  hubspot.close();
  await emulator.stop();
});

/** A mapping of deals with these properties, in YAML. */
const deals = (properties: string) =>
  parseMapping(
    `tables: [{ table: t, object: deals, idProperty: trs_id, properties: ${properties} }]`,
    'sync.yaml',
  );

/** The standard deals, with some definitions replaced or added. */
function dealsWith(
  changed: Partial<PropertyDefinition> & { name: string },
  facts: Partial<ObjectFacts> = {},
): HubSpotFacts {
  const there = standard.objects.deals as ObjectFacts;
  const before = there.properties.find(({ name }) => name === changed.name);
  const definition: PropertyDefinition = {
    label: changed.name,
    type: 'string',
    fieldType: 'text',
    groupName: 'dealinformation',
    options: [],
    calculated: false,
    hasUniqueValue: false,
    readOnlyValue: false,
    archived: false,
    ...before,
    ...changed,
  };
  const others = there.properties.filter(({ name }) => name !== changed.name);
  return {
    ...standard,
    objects: {
      ...standard.objects,
      deals: { ...there, properties: [...others, definition], ...facts },
    },
  };
}

function told(properties: string, facts: HubSpotFacts = standard): string[] {
  return checkMappingAgainstHubspot(deals(properties), facts).map(
    ({ severity, property, message, remedy }) => `${severity} ${property}: ${message} ${remedy}`,
  );
}

const option = (value: string, label = value, hidden = false) => ({ value, label, hidden });

test('the shipped mapping fits HubSpot’s standard objects', async () => {
  const shipped = await loadMapping(join(packageRoot, 'sync.yaml'));
  expect(checkMappingAgainstHubspot(shipped, standard)).toEqual([]);
});

test('a missing key property is an error that the program can mend itself', () => {
  const facts = dealsWith({ name: 'trs_id', archived: true });
  expect(checkMappingAgainstHubspot(deals('{ dealname: a }'), facts)).toEqual([
    {
      table: 'public.t',
      object: 'deals',
      property: 'trs_id',
      severity: 'error',
      message: 'deals has no property trs_id: new rows wait until it exists.',
      remedy: 'Run `pg-hubspot-sync doctor --fix`.',
      fix: 'create-property',
    },
  ]);
});

test('a key property without unique values can’t be mended, only replaced', () => {
  const [finding] = checkMappingAgainstHubspot(
    deals('{ dealname: a }'),
    dealsWith({ name: 'trs_id', hasUniqueValue: false }),
  );
  expect(finding).toMatchObject({ severity: 'error', property: 'trs_id' });
  expect(finding?.fix).toBeUndefined();
});

test('a contact’s email may be the key, though its definition doesn’t say that it is unique', () => {
  const mapping = parseMapping(
    'tables: [{ table: t, object: contacts, idProperty: email, properties: { firstname: a } }]',
    'sync.yaml',
  );
  expect(checkMappingAgainstHubspot(mapping, standard)).toEqual([]);
});

test('an object that the account hasn’t got is one finding, not one per property', () => {
  const mapping = parseMapping(
    'tables: [{ table: t, object: 2-77, idProperty: k, properties: { a: a, b: b } }]',
    'sync.yaml',
  );
  expect(checkMappingAgainstHubspot(mapping, standard)).toEqual([
    expect.objectContaining({ severity: 'error', object: '2-77' }),
  ]);
});

test('a misspelt property is told with the likely one', () => {
  expect(told('{ dealnam: a }')).toEqual([
    'error dealnam: deals has no property dealnam. Did you mean dealname?',
  ]);
});

test.each([
  ['{ amount: a }', 'amount has the type number in HubSpot', 'type: number'],
  [
    '{ dealname: { column: a, type: number } }',
    'dealname has the type string in HubSpot',
    'type: text',
  ],
  [
    '{ closedate: { column: a, type: date } }',
    'closedate has the type datetime in HubSpot',
    'as: datetime',
  ],
  ['{ dealtype: { column: a, type: multi-enumeration } }', 'holds one option', 'type: enumeration'],
])('%s doesn’t fit', (properties, message, remedy) => {
  const [finding, ...more] = told(properties);
  expect(more).toEqual([]);
  expect(finding).toContain(message);
  expect(finding).toContain(remedy);
});

test('several options at once need their own type', () => {
  const facts = dealsWith({ name: 'tags', type: 'enumeration', fieldType: 'checkbox' });
  expect(told('{ tags: a }', facts).join()).toContain('Write `type: multi-enumeration`');
  expect(told('{ tags: { column: a, type: multi-enumeration } }', facts)).toEqual([]);
});

test('a boolean fits the check box that HubSpot calls an enumeration', () => {
  const facts = dealsWith({
    name: 'flag',
    type: 'enumeration',
    fieldType: 'booleancheckbox',
    options: [option('true', 'Yes'), option('false', 'No')],
  });
  expect(told('{ flag: { column: a, type: boolean } }', facts)).toEqual([]);
});

test('what can’t be written may only come in', () => {
  const calculated = 'hs_projected_amount: { column: a, type: number';
  expect(told(`{ ${calculated}, direction: outbound } }`)).toEqual([
    expect.stringContaining('can’t be written in HubSpot. Write `direction: inbound`'),
  ]);
  // HubSpot sends no webhook for calculated properties.
  expect(told(`{ ${calculated}, direction: inbound } }`)).toEqual([
    expect.stringMatching(/^warning hs_projected_amount: HubSpot sends no webhook/),
  ]);
});

test('rich text is warned of where it would be sent', () => {
  const facts = dealsWith({ name: 'note', fieldType: 'html' });
  expect(told('{ note: a }', facts)).toEqual([expect.stringMatching(/^warning note: .*rich text/)]);
  expect(told('{ note: { column: a, direction: inbound } }', facts)).toEqual([]);
});

test('options are told that HubSpot hasn’t got, that have no value, and that were mixed up', () => {
  const values = (map: string) => `{ dealtype: { column: a, type: enumeration, values: ${map} } }`;
  expect(told(values('{ New Business: newbusines, Existing Business: existingbusiness }'))).toEqual(
    [
      'error dealtype: dealtype has no option newbusines (value New Business). Did you mean newbusiness?',
      expect.stringMatching(/^warning dealtype: .*without a value in the mapping: newbusiness\./),
    ],
  );
  expect(
    told(values('{ New Business: existingbusiness, Existing Business: newbusiness }')),
  ).toEqual([
    expect.stringContaining('HubSpot shows that label for newbusiness'),
    expect.stringContaining('HubSpot shows that label for existingbusiness'),
  ]);
});

test('hidden options, and options that HubSpot keeps elsewhere, need no value', () => {
  const values = '{ kind: { column: a, type: enumeration, values: { A: a } } }';
  const kind = { name: 'kind', type: 'enumeration', fieldType: 'select' };
  expect(
    told(values, dealsWith({ ...kind, options: [option('a'), option('b', 'b', true)] })),
  ).toEqual([]);
  expect(told(values, dealsWith({ ...kind, options: [] }))).toEqual([]);
});

const stages = (values: string, rest = 'sendWith: { pipeline: default }') =>
  `{ dealstage: { column: a, type: enumeration, direction: outbound, values: ${values}, ${rest} } }`;

test('a stage is sent with its pipeline, and must belong to it', () => {
  expect(told(stages('{ Won: closedwon }'))).toEqual([]);
  expect(told(stages('{ Won: closedwon }', 'sendWith: {}'))).toEqual([
    expect.stringMatching(
      /^error dealstage: .*without its pipeline.*sendWith: \{ pipeline: default }/,
    ),
  ]);
  expect(told(stages('{ Won: won }'))).toEqual([
    expect.stringMatching(/^error dealstage: .*has no stage won.*closedwon \(Closed Won\)/),
  ]);
  expect(told(stages('{ Won: closedwon }', 'sendWith: { pipeline: other }'))).toEqual([
    expect.stringMatching(
      /^error dealstage: deals has no pipeline other\..*default \(Sales Pipeline\)/,
    ),
  ]);
});

test('stages of another pipeline are named with it', () => {
  const stage = (id: string, label: string) => ({ id, label, archived: false, metadata: {} });
  const pipelines = [
    ...(standard.objects.deals?.pipelines ?? []),
    { id: '7', label: 'Partners', archived: false, stages: [stage('66894120', 'Closed Lost')] },
  ];
  const facts = dealsWith({ name: 'dealname' }, { pipelines });
  expect(told(stages('{ Lost: 66894120 }').replace('66894120', '"66894120"'), facts)).toEqual([
    expect.stringContaining(
      'belongs to the pipeline 7 (Partners), and dealstage is sent with default',
    ),
  ]);
  const inward = stages('{ Won: closedwon }').replace('direction: outbound, ', '');
  expect(told(inward, facts)).toEqual([
    expect.stringMatching(/^warning .*stages without a value in the mapping: appointmentscheduled/),
    expect.stringMatching(/^warning .*other pipelines \(7 \(Partners\)\)/),
  ]);
});

test('a label that two stages share is refused, one that stands for another stage is warned of', () => {
  const stage = (id: string, label: string) => ({ id, label, archived: false, metadata: {} });
  const facts = dealsWith(
    { name: 'dealname' },
    {
      pipelines: [
        {
          id: 'default',
          label: 'Sales',
          archived: false,
          stages: [stage('a', 'Open'), stage('b', 'Open'), stage('c', 'Closed')],
        },
      ],
    },
  );
  expect(told(stages('{ Open: a }'), facts)).toEqual([
    expect.stringMatching(/^error .*several stages labelled Open: a, b/),
  ]);
  expect(told(stages('{ Closed: a }'), facts)).toEqual([
    expect.stringMatching(/^warning .*HubSpot shows that label for c/),
  ]);
});

test('what is sent along must exist, be writable and be an option', () => {
  const along = (sendWith: string) => `{ dealname: { column: a, sendWith: ${sendWith} } }`;
  expect(told(along('{ nothing: x }')).join()).toContain('nothing, which doesn’t exist');
  expect(told(along('{ hs_is_closed: "true" }')).join()).toContain('which can’t be written');
  expect(told(along('{ dealtype: other }')).join()).toContain('none of its options');
  expect(told(along('{ dealtype: newbusiness }'))).toEqual([]);
});
