import { parseMapping } from '../../shared/mapping/load.ts';
import { identityOf } from '../../webhook/inbox.ts';
import { readFields, understand } from '../../webhook/parse.ts';

const mapping = parseMapping(
  `
tables:
  - { table: companies, object: companies, key: id, idProperty: trs_id, properties: { name: name } }
  - { table: trainings, object: 2-143967026, key: id, idProperty: trs_id, properties: { title: title, starts: { column: starts, type: datetime } } }
  - table: deals
    object: deals
    key: id
    idProperty: trs_id
    properties: { dealname: name }
    associations:
      - { column: client_id, to: companies }
`,
  'test.yaml',
);

const base = {
  eventId: 3_400_564_480,
  subscriptionId: 3_329_277,
  portalId: 49_547_190,
  appId: 9_393_361,
  occurredAt: 1_742_077_073_905,
  attemptNumber: 0,
  changeSource: 'CRM_UI',
  sourceId: 'userId:1',
};

function understood(event: object) {
  const fields = readFields({ ...base, ...event });
  return fields && understand(fields, mapping, '9393361');
}

test.each([
  [
    'a legacy property change',
    {
      subscriptionType: 'deal.propertyChange',
      objectId: 5,
      propertyName: 'dealname',
      propertyValue: 'x',
    },
    { kind: 'property', ids: ['5'], property: 'dealname', value: 'x', withheld: false },
  ],
  [
    'a generic one of a custom object',
    {
      subscriptionType: 'object.propertyChange',
      objectTypeId: '2-143967026',
      objectId: 180_584_432_881,
      propertyName: 'starts',
      propertyValue: '1752559200000',
      isSensitive: false,
    },
    { kind: 'property', ids: ['180584432881'], value: '1752559200000', withheld: false },
  ],
  [
    'a cleared value as null',
    {
      subscriptionType: 'deal.propertyChange',
      objectId: 5,
      propertyName: 'dealname',
      propertyValue: null,
    },
    { value: '' },
  ],
  [
    'a cleared value that is missing',
    { subscriptionType: 'deal.propertyChange', objectId: 5, propertyName: 'dealname' },
    { value: '' },
  ],
  [
    'a sensitive value',
    {
      subscriptionType: 'object.propertyChange',
      objectTypeId: '0-3',
      objectId: 5,
      propertyName: 'dealname',
      propertyValue: 'REDACTED',
      isSensitive: true,
    },
    { withheld: true },
  ],
  [
    'the name of the type in the documentation',
    { eventType: 'deal.creation', objectId: 5 },
    { kind: 'creation', ids: ['5'] },
  ],
  [
    'a deletion',
    { subscriptionType: 'company.deletion', objectId: 5, changeFlag: 'DELETED' },
    { kind: 'deletion' },
  ],
  ['a restore', { subscriptionType: 'deal.restore', objectId: 5 }, { kind: 'restore' }],
  [
    'a merge, the survivor first',
    {
      subscriptionType: 'company.merge',
      objectId: 1,
      primaryObjectId: 1,
      mergedObjectIds: [2],
      newObjectId: 3,
    },
    { kind: 'merge', ids: ['3', '1', '2'] },
  ],
  [
    'a legacy association without an objectId',
    {
      subscriptionType: 'deal.associationChange',
      changeSource: 'USER',
      associationType: 'DEAL_TO_COMPANY',
      fromObjectId: 6,
      toObjectId: 7,
      associationRemoved: true,
    },
    { kind: 'association', ids: ['6'], toId: '7', removed: true },
  ],
  [
    'a generic association by type ids',
    {
      subscriptionType: 'object.associationChange',
      objectTypeId: '0-3',
      fromObjectTypeId: '0-3',
      toObjectTypeId: '0-2',
      associationTypeId: 5,
      fromObjectId: 6,
      toObjectId: 7,
    },
    { kind: 'association', toId: '7', removed: false },
  ],
])('%s is understood', (_, event, expected) => {
  expect(understood(event)).toMatchObject({
    time: base.occurredAt,
    eventId: '3400564480',
    ...expected,
  });
});

test.each([
  ['a type nobody mapped', { subscriptionType: 'ticket.creation', objectId: 5 }],
  [
    'a property nobody mapped',
    { subscriptionType: 'deal.propertyChange', objectId: 5, propertyName: 'closedate' },
  ],
  ['a kind nobody knows', { subscriptionType: 'deal.frobnication', objectId: 5 }],
  ['a name that every object has', { subscriptionType: 'deal.toString', objectId: 5 }],
  ['an event without an id', { subscriptionType: 'deal.creation' }],
  [
    'an association the other way round',
    {
      subscriptionType: 'company.associationChange',
      associationType: 'COMPANY_TO_DEAL',
      fromObjectId: 7,
      toObjectId: 6,
    },
  ],
  [
    'an association with nothing at its end',
    {
      subscriptionType: 'deal.associationChange',
      associationType: 'DEAL_TO_COMPANY',
      fromObjectId: 6,
    },
  ],
])('%s is about nothing that is mapped', (_, event) => {
  expect(readFields({ ...base, ...event })).toBeDefined();
  expect(understood(event)).toBeUndefined();
});

test('our app is told by source and id together', () => {
  const creation = { subscriptionType: 'deal.creation', objectId: 5 };
  const ours = (source: object) => understood({ ...creation, ...source })?.ours;
  expect(ours({ changeSource: 'INTEGRATION', sourceId: '9393361' })).toBe(true);
  expect(ours({ changeSource: 'INTEGRATION', sourceId: 9_393_361 })).toBe(true);
  expect(ours({ changeSource: 'INTEGRATION', sourceId: '9393362' })).toBe(false);
  expect(ours({ changeSource: 'AUTOMATION_PLATFORM', sourceId: '9393361' })).toBe(false);
});

test('an event is the same by what it says, not by the attempt that carries it', () => {
  const event = {
    ...base,
    subscriptionType: 'deal.propertyChange',
    objectId: 5,
    propertyName: 'dealname',
    propertyValue: 'x',
  };
  const identity = (change: object) => {
    const fields = readFields({ ...event, ...change });
    return fields && identityOf(fields).toString('hex');
  };
  for (const same of [{ attemptNumber: 7 }, { subscriptionId: 1 }, { unknown: true }]) {
    expect(identity(same)).toBe(identity({}));
  }
  for (const other of [
    { eventId: 1 },
    { portalId: 1 },
    { objectId: 6 },
    { propertyName: 'amount' },
    { propertyValue: 'y' },
    { propertyValue: null },
    { occurredAt: base.occurredAt + 1 },
    { subscriptionType: 'deal.creation' },
    { associationRemoved: true },
    { objectId: undefined, fromObjectId: 5 },
    { objectId: undefined, toObjectId: 5 },
  ]) {
    expect(identity(other)).not.toBe(identity({}));
  }
});
