/** HubSpot's own client against the emulator: it accepts nothing but the exact status of each call. */
import { Client } from '@hubspot/api-client';
import { AssociationSpecAssociationCategoryEnum as Category } from '@hubspot/api-client/lib/codegen/crm/associations/v4/models/AssociationSpec.js';
import { FilterOperatorEnum } from '@hubspot/api-client/lib/codegen/crm/objects/models/Filter.js';
import {
  PropertyCreateFieldTypeEnum,
  PropertyCreateTypeEnum,
} from '@hubspot/api-client/lib/codegen/crm/properties/models/PropertyCreate.js';
import { runEmulator, TOKEN } from './running.ts';

const noAutomation = { companyFromEmailDomain: false };

async function startWithClient() {
  const emulator = await runEmulator({ rateLimit: 10_000, behaviour: noAutomation });
  return { emulator, client: new Client({ accessToken: TOKEN, basePath: emulator.url }) };
}

const deal = (dealname: string) => ({
  properties: { dealname, pipeline: 'default', dealstage: 'qualifiedtobuy', amount: '100.50' },
  associations: [],
});

test('batch create, read, update and archive resolve with the codes that the client demands', async () => {
  const { emulator, client } = await startWithClient();
  await using _ = emulator;
  const { batchApi } = client.crm.deals;

  const created = await batchApi.create({ inputs: [deal('One'), deal('Two')] });
  expect(created.results.map(({ properties }) => properties.dealname).sort()).toEqual([
    'One',
    'Two',
  ]);
  const [first, second] = created.results;
  if (!first || !second) throw new Error('two results were expected');

  const updated = await batchApi.update({
    inputs: [{ id: first.id, properties: { amount: '7' } }],
  });
  expect(updated.results[0]?.properties.amount).toBe('7');

  await batchApi.archive({ inputs: [{ id: second.id }] });
  const read = await batchApi.read({
    inputs: [{ id: first.id }, { id: second.id }],
    properties: ['amount'],
    propertiesWithHistory: ['amount'],
  });
  expect(read.results.map(({ id }) => id)).toEqual([first.id]);
  expect(
    read.results[0]?.propertiesWithHistory?.amount?.map(({ value, sourceType }) => ({
      value,
      sourceType,
    })),
  ).toEqual([
    { value: '7', sourceType: 'INTEGRATION' },
    { value: '100.50', sourceType: 'INTEGRATION' },
  ]);
  expect((read as { errors?: { context?: unknown }[] }).errors?.[0]?.context).toEqual({
    ids: [second.id],
  });
});

test('upsert by a unique property makes a record once and updates it afterwards', async () => {
  const { emulator, client } = await startWithClient();
  await using _ = emulator;
  await client.crm.properties.coreApi.create('deals', {
    name: 'trs_id',
    label: 'TRS id',
    type: PropertyCreateTypeEnum.String,
    fieldType: PropertyCreateFieldTypeEnum.Text,
    groupName: 'dealinformation',
    hasUniqueValue: true,
  });
  const input = { id: 'row-1', idProperty: 'trs_id', properties: { dealname: 'One' } };
  const first = await client.crm.deals.batchApi.upsert({ inputs: [input] });
  const second = await client.crm.deals.batchApi.upsert({
    inputs: [{ ...input, properties: { dealname: 'Renamed' } }],
  });
  expect(first.results[0]?._new).toBe(true);
  expect(second.results[0]?._new).toBe(false);
  expect(second.results[0]?.id).toBe(first.results[0]?.id);
});

test('single calls, list, search, merge and definitions resolve too', async () => {
  const { emulator, client } = await startWithClient();
  await using _ = emulator;
  const company = await client.crm.companies.basicApi.create({
    properties: { name: 'Acme', domain: 'acme.example' },
    associations: [],
  });
  await client.crm.companies.basicApi.update(company.id, { properties: { country: 'Peru' } });
  const page = await client.crm.companies.basicApi.getPage(10, undefined, ['name', 'country']);
  expect(page.results[0]?.properties).toMatchObject({ name: 'Acme', country: 'Peru' });

  const found = await client.crm.companies.searchApi.doSearch({
    filterGroups: [
      { filters: [{ propertyName: 'name', operator: FilterOperatorEnum.Eq, value: 'acme' }] },
    ],
    sorts: ['hs_object_id'],
    properties: ['name'],
    limit: 10,
    after: '0',
  });
  expect(found.total).toBe(1);

  const pipelines = await client.crm.pipelines.pipelinesApi.getAll('deals');
  expect(pipelines.results[0]?.stages.map(({ id }) => id)).toContain('closedwon');
  const owners = await client.crm.owners.ownersApi.getPage();
  expect(owners.results).toHaveLength(3);
  const properties = await client.crm.properties.coreApi.getAll('deals');
  expect(properties.results.map(({ name }) => name)).toContain('hs_next_step');

  const other = await client.crm.companies.basicApi.create({
    properties: { name: 'Acme again' },
    associations: [],
  });
  const merged = await client.crm.companies.basicApi.merge({
    primaryObjectId: company.id,
    objectIdToMerge: other.id,
  });
  expect([company.id, other.id]).not.toContain(merged.id);
  await client.crm.companies.basicApi.archive(merged.id);
  await expect(client.crm.companies.basicApi.getById(merged.id)).rejects.toMatchObject({
    code: 404,
  });
});

test('associations v4 in batches: create, read, archive', async () => {
  const { emulator, client } = await startWithClient();
  await using _ = emulator;
  const made = await client.crm.deals.batchApi.create({ inputs: [deal('One')] });
  const dealId = made.results[0]?.id ?? '';
  const company = await client.crm.companies.basicApi.create({
    properties: { name: 'Acme' },
    associations: [],
  });
  const { batchApi } = client.crm.associations.v4;
  await batchApi.create('deals', 'companies', {
    inputs: [
      {
        _from: { id: dealId },
        to: { id: company.id },
        types: [{ associationCategory: Category.HubspotDefined, associationTypeId: 5 }],
      },
    ],
  });
  const read = await batchApi.getPage('deals', 'companies', { inputs: [{ id: dealId }] });
  expect(read.results[0]?.to[0]?.associationTypes.map(({ typeId }) => typeId).sort()).toEqual([
    341, 5,
  ]);
  await batchApi.createDefault('deals', 'companies', {
    inputs: [{ _from: { id: dealId }, to: { id: company.id } }],
  });
  await batchApi.archive('deals', 'companies', {
    inputs: [{ _from: { id: dealId }, to: [{ id: company.id }] }],
  });
  const after = await batchApi.getPage('deals', 'companies', { inputs: [{ id: dealId }] });
  expect(after.results).toEqual([]);
});
