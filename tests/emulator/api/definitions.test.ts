/** What a portal is made of and how it is changed: properties, groups, pipelines, custom objects. */
import { runCrm } from '../running-crm.ts';

const properties = '/crm/v3/properties/deals';
const color = {
  name: 'color',
  label: 'Color',
  type: 'enumeration',
  fieldType: 'select',
  groupName: 'dealinformation',
  options: [
    { label: 'Red', value: 'red' },
    { label: 'Green', value: 'green' },
  ],
};

test('a property is created once; a second one of its name is refused as recorded', async () => {
  await using hubspot = await runCrm();
  const made = await hubspot.call('POST', properties, color);
  expect(made.status).toBe(201);
  expect(made.body).toMatchObject({
    ...color,
    hasUniqueValue: false,
    hubspotDefined: false,
    modificationMetadata: { archivable: true, readOnlyDefinition: false, readOnlyValue: false },
  });
  const again = await hubspot.call('POST', properties, color);
  expect(again.status).toBe(409);
  expect(again.body).toMatchObject({
    category: 'OBJECT_ALREADY_EXISTS',
    subCategory: 'Properties.PROPERTY_WITH_NAME_EXISTS',
  });
});

test('a change of options replaces the whole list, and uniqueness is for ever', async () => {
  await using hubspot = await runCrm();
  await hubspot.call('POST', properties, color);
  const { body } = await hubspot.call('PATCH', `${properties}/color`, {
    options: [{ label: 'Blue', value: 'blue' }],
  });
  expect(body.options.map(({ value }: { value: string }) => value)).toEqual(['blue']);
  expect(
    (await hubspot.call('PATCH', `${properties}/color`, { hasUniqueValue: true })).status,
  ).toBe(400);
  const refused = await hubspot.call('POST', '/crm/v3/objects/deals', {
    properties: { color: 'red' },
  });
  expect(refused.body.message).toContain('red was not one of the allowed options: [Blue]');
});

test('an archived property is gone until it is created again', async () => {
  await using hubspot = await runCrm();
  await hubspot.call('POST', properties, color);
  for (const _ of [1, 2]) {
    expect((await hubspot.call('DELETE', `${properties}/color`)).status).toBe(204);
  }
  expect((await hubspot.call('GET', `${properties}/color`)).status).toBe(404);
  expect((await hubspot.call('GET', `${properties}?archived=true`)).body.results).toMatchObject([
    { name: 'color', archived: true },
  ]);
  const write = () =>
    hubspot.call('POST', '/crm/v3/objects/deals', { properties: { color: 'red' } });
  expect((await write()).body.errors[0].code).toBe('PROPERTY_DOESNT_EXIST');
  expect((await hubspot.call('POST', properties, color)).status).toBe(201);
  expect((await write()).status).toBe(201);
});

test.each([
  ['a name in capitals', { name: 'Color' }],
  ['a type with a foreign field', { fieldType: 'text' }],
  ['an unknown group', { groupName: 'nowhere' }],
  ['an enumeration without options', { options: [] }],
  ['an option with a semicolon', { options: [{ label: 'a', value: 'a;b' }] }],
])('%s is refused', async (_, wrong) => {
  await using hubspot = await runCrm();
  expect((await hubspot.call('POST', properties, { ...color, ...wrong })).status).toBe(400);
});

test("HubSpot's own properties keep their definition, but some take other options", async () => {
  await using hubspot = await runCrm();
  expect((await hubspot.call('PATCH', `${properties}/dealname`, { label: 'Name' })).status).toBe(
    400,
  );
  expect((await hubspot.call('DELETE', `${properties}/dealname`)).status).toBe(400);
  const industry = '/crm/v3/properties/companies/industry';
  const changed = await hubspot.call('PATCH', industry, {
    options: [{ label: 'Ships', value: 'SHIPS' }],
  });
  expect(changed.status).toBe(200);
  expect(await hubspot.create('companies', { industry: 'SHIPS' })).toMatch(/^\d+$/);
});

test('the stages of a deal are the options of its stage property', async () => {
  await using hubspot = await runCrm();
  const { body } = await hubspot.call('GET', `${properties}/dealstage`);
  expect(body).toMatchObject({ externalOptions: true });
  expect(body.options.map(({ value }: { value: string }) => value)).toContain('contractsent');
});

test('no more than ten properties of a type are unique', async () => {
  await using hubspot = await runCrm();
  const create = async (at: number) =>
    (
      await hubspot.call('POST', properties, {
        name: `key_${at}`,
        label: 'Key',
        type: 'string',
        fieldType: 'text',
        groupName: 'dealinformation',
        hasUniqueValue: true,
      })
    ).status;
  const statuses = [];
  for (let at = 0; at < 11; at += 1) statuses.push(await create(at));
  expect(statuses).toEqual([...Array(10).fill(201), 400]);
});

test('batches of properties answer what failed beside what did not', async () => {
  await using hubspot = await runCrm();
  const created = await hubspot.call('POST', `${properties}/batch/create`, {
    inputs: [color, { ...color, name: 'dealname' }],
  });
  expect(created).toMatchObject({
    status: 207,
    body: { numErrors: 1, results: [{ name: 'color' }] },
  });
  const read = await hubspot.call('POST', `${properties}/batch/read`, {
    inputs: [{ name: 'color' }, { name: 'nonsense' }],
    archived: false,
  });
  expect(read).toMatchObject({ status: 207, body: { numErrors: 1, results: [{ name: 'color' }] } });
});

test('a sensitive property is listed only when asked for', async () => {
  await using hubspot = await runCrm();
  await hubspot.call('POST', properties, { ...color, dataSensitivity: 'sensitive' });
  const list = async (query: string) =>
    (await hubspot.call('GET', `${properties}${query}`)).body.results.map(
      ({ name }: { name: string }) => name,
    );
  expect(await list('')).not.toContain('color');
  expect(await list('?dataSensitivity=sensitive')).toEqual(['color']);
  expect(hubspot.crm.isSensitive('deals', 'color')).toBe(true);
  expect(hubspot.crm.isSensitive('deals', 'dealname')).toBe(false);
});

test('groups are listed, created, and deleted when empty', async () => {
  await using hubspot = await runCrm();
  const groups = `${properties}/groups`;
  expect((await hubspot.call('GET', groups)).body.results).toMatchObject([
    { name: 'dealinformation' },
  ]);
  const made = await hubspot.call('POST', groups, { name: 'sync', label: 'Sync' });
  expect(made.status).toBe(201);
  expect((await hubspot.call('POST', groups, { name: 'sync', label: 'Sync' })).status).toBe(409);
  await hubspot.call('POST', properties, { ...color, groupName: 'sync' });
  expect((await hubspot.call('DELETE', `${groups}/sync`)).status).toBe(400);
  await hubspot.call('DELETE', `${properties}/color`);
  expect((await hubspot.call('DELETE', `${groups}/sync`)).status).toBe(204);
});

test('a stage in use cannot be deleted, an unused one can', async () => {
  await using hubspot = await runCrm();
  await hubspot.create('deals', { pipeline: 'default', dealstage: 'contractsent' });
  const stages = '/crm/v3/pipelines/deals/default/stages';
  expect((await hubspot.call('DELETE', `${stages}/contractsent`)).status).toBe(400);
  expect((await hubspot.call('DELETE', `${stages}/qualifiedtobuy`)).status).toBe(204);
  const made = await hubspot.call('POST', stages, {
    label: 'Limbo',
    displayOrder: 9,
    metadata: { probability: '0.5' },
  });
  expect(made.body.id).toMatch(/^\d+$/);
  const renamed = await hubspot.call('PATCH', `${stages}/${made.body.id}`, { label: 'Purgatory' });
  expect(renamed.body).toMatchObject({
    label: 'Purgatory',
    metadata: { probability: '0.5', isClosed: 'false' },
  });
  expect((await hubspot.call('DELETE', '/crm/v3/pipelines/deals/default')).status).toBe(400);
});

test('a custom object type has records, unique keys and associations like any other', async () => {
  await using hubspot = await runCrm();
  const { status, body } = await hubspot.call('POST', '/crm-object-schemas/2026-09/schemas', {
    name: 'boat',
    labels: { singular: 'Boat', plural: 'Boats' },
    requiredProperties: ['hull'],
    primaryDisplayProperty: 'hull',
    associatedObjects: ['COMPANY'],
    properties: [
      { name: 'hull', label: 'Hull', type: 'string', fieldType: 'text', hasUniqueValue: true },
    ],
  });
  expect(status).toBe(201);
  expect(body.objectTypeId).toMatch(/^2-\d+$/);
  const type = body.objectTypeId;
  const upsert = await hubspot.call('POST', `/crm/v3/objects/${type}/batch/upsert`, {
    inputs: [{ id: 'H1', idProperty: 'hull', properties: { hull: 'H1' } }],
  });
  const boat = upsert.body.results[0].id;
  expect(hubspot.changes.at(-1)).toMatchObject({
    kind: 'creation',
    objectType: type,
    objectTypeId: type,
  });
  const company = await hubspot.create('companies', {});
  const made = await hubspot.call(
    'PUT',
    `/crm/v4/objects/${type}/${boat}/associations/default/companies/${company}`,
  );
  expect(made.status).toBe(200);
  for (const name of ['boat', `p12345678_boat`]) {
    expect((await hubspot.read(name, boat, ['hull'])).body.properties.hull).toBe('H1');
  }
  expect((await hubspot.call('GET', `/crm/v3/schemas/${type}`)).body.name).toBe('boat');
  expect((await hubspot.call('GET', '/crm/v3/schemas')).body.results).toHaveLength(1);
  expect((await hubspot.call('DELETE', `/crm/v3/schemas/${type}`)).status).toBe(400);
  await hubspot.call('DELETE', `/crm/v3/objects/${type}/${boat}`);
  expect((await hubspot.call('DELETE', `/crm/v3/schemas/${type}`)).status).toBe(204);
  expect((await hubspot.call('GET', `/crm/v3/objects/${type}`)).status).toBe(400);
});

test('everything the reference mapping needs is there from the start', async () => {
  await using hubspot = await runCrm();
  const wanted = {
    deals: [
      'dealname',
      'amount',
      'dealstage',
      'pipeline',
      'closedate',
      'hs_deal_stage_probability',
      'hubspot_owner_id',
      'hs_next_step',
      'createdate',
      'hs_createdate',
      'hs_lastmodifieddate',
      'hs_object_id',
      'hs_merged_object_ids',
    ],
    companies: [
      'name',
      'domain',
      'annualrevenue',
      'lifecyclestage',
      'industry',
      'country',
      'hubspot_owner_id',
      'phone',
      'hs_lastmodifieddate',
    ],
    contacts: [
      'firstname',
      'lastname',
      'email',
      'jobtitle',
      'phone',
      'hs_additional_emails',
      'associatedcompanyid',
      'lastmodifieddate',
      'hs_lastmodifieddate',
      'createdate',
    ],
  };
  for (const [type, names] of Object.entries(wanted)) {
    const { body } = await hubspot.call('GET', `/crm/v3/properties/${type}`);
    const present = body.results.map(({ name }: { name: string }) => name);
    expect(present).toEqual(expect.arrayContaining(names));
  }
});
