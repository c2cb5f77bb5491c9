/** Single reads and lists: which properties, which page, which associations. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PORTAL_ID, runCrm } from '../running-crm.ts';

test('a read shows what is asked for, unset properties as null, unknown ones not at all', async () => {
  await using hubspot = await runCrm();
  const id = await hubspot.create('deals', { dealname: 'One', hs_next_step: 'call' });
  await hubspot.call('PATCH', `/crm/v3/objects/deals/${id}`, { properties: { hs_next_step: '' } });
  const { body } = await hubspot.read('deals', id, [
    'dealname',
    'amount',
    'hs_next_step',
    'nonsense',
  ]);
  expect(body.properties).toEqual({
    dealname: 'One',
    amount: null,
    hs_next_step: null,
    hs_object_id: id,
    createdate: expect.any(String),
    hs_lastmodifieddate: body.updatedAt,
  });
  expect(body.url).toBe(`https://app.hubspot.com/contacts/${PORTAL_ID}/record/0-3/${id}`);
  hubspot.behaviour.clearedReadsAs = 'empty';
  const empty = await hubspot.read('deals', id, ['hs_next_step', 'amount']);
  expect(empty.body.properties).toMatchObject({ hs_next_step: '', amount: null });
});

test('without a list of properties a read shows the few default ones', async () => {
  await using hubspot = await runCrm();
  const id = await hubspot.create('contacts', { firstname: 'Ann', phone: '1' });
  const { body } = await hubspot.call('GET', `/crm/v3/objects/contacts/${id}`);
  expect(Object.keys(body.properties).sort()).toEqual([
    'createdate',
    'email',
    'firstname',
    'hs_object_id',
    'lastmodifieddate',
    'lastname',
  ]);
});

test('contacts have their modified date in lastmodifieddate, and an empty hs_lastmodifieddate', async () => {
  await using hubspot = await runCrm();
  const id = await hubspot.create('contacts', {});
  const { body } = await hubspot.read('contacts', id, ['hs_lastmodifieddate']);
  expect(body.properties).toMatchObject({
    hs_lastmodifieddate: null,
    lastmodifieddate: body.updatedAt,
  });
});

test('a record tells who created it', async () => {
  await using hubspot = await runCrm();
  const id = await hubspot.create('deals', {});
  const { body } = await hubspot.read('deals', id, ['hs_object_source', 'hs_object_source_id']);
  expect(body.properties).toMatchObject({
    hs_object_source: 'INTEGRATION',
    hs_object_source_id: '39522895',
  });
});

test('a list takes repeated and comma-separated properties, and pages by id', async () => {
  await using hubspot = await runCrm();
  const ids = [];
  for (const dealname of ['a', 'b', 'c']) ids.push(await hubspot.create('deals', { dealname }));
  for (const query of ['properties=dealname&properties=amount', 'properties=dealname,amount']) {
    const { body } = await hubspot.call('GET', `/crm/v3/objects/deals?limit=2&${query}`);
    expect(body.results.map((each: { id: string }) => each.id)).toEqual(ids.slice(0, 2));
    expect(body.results[0].properties).toMatchObject({ dealname: 'a', amount: null });
    const next = body.paging.next.after;
    const second = await hubspot.call('GET', `/crm/v3/objects/deals?limit=2&after=${next}`);
    expect(second.body.results.map((each: { id: string }) => each.id)).toEqual(ids.slice(2));
    expect(second.body).not.toHaveProperty('paging');
  }
  expect((await hubspot.call('GET', '/crm/v3/objects/deals?limit=101')).status).toBe(400);
});

test('associations in a list repeat an id once per kind', async () => {
  await using hubspot = await runCrm();
  const company = await hubspot.create('companies', {});
  const contact = await hubspot.create('contacts', { associatedcompanyid: company });
  const { body } = await hubspot.call(
    'GET',
    `/crm/v3/objects/contacts/${contact}?associations=companies,deals`,
  );
  expect(Object.keys(body.associations)).toEqual(['companies']);
  expect(body.associations.companies.results).toHaveLength(2);
  expect(body.associations.companies.results).toEqual(
    expect.arrayContaining([
      { id: company, type: 'contact_to_company' },
      { id: company, type: 'contact_to_company_unlabeled' },
    ]),
  );
});

test('a record is read and changed by a unique property', async () => {
  await using hubspot = await runCrm();
  const id = await hubspot.create('contacts', { email: 'ann@x.example' });
  const path = '/crm/v3/objects/contacts/Ann@X.example?idProperty=email';
  expect((await hubspot.call('GET', path)).body.id).toBe(id);
  expect((await hubspot.call('PATCH', path, { properties: { firstname: 'Ann' } })).body.id).toBe(
    id,
  );
  const read = await hubspot.call('POST', '/crm/v3/objects/contacts/batch/read', {
    inputs: [{ id: 'ANN@x.example' }, { id: 'bob@x.example' }],
    idProperty: 'email',
    properties: [],
  });
  expect(read.body.results).toMatchObject([{ id }]);
  expect(read.body.errors[0].context).toEqual({ ids: ['bob@x.example'] });
});

test('everything is there again after the process was gone', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'emulator-'));
  let ids: string[];
  {
    await using hubspot = await runCrm({ dataDir });
    const company = await hubspot.create('companies', { domain: 'acme.example' });
    const contact = await hubspot.create('contacts', {
      email: 'ann@x.example',
      associatedcompanyid: company,
    });
    await hubspot.call('PATCH', `/crm/v3/objects/contacts/${contact}`, {
      properties: { email: 'bob@x.example' },
    });
    ids = [company, contact];
  }
  await using hubspot = await runCrm({ dataDir });
  rmSync(dataDir, { recursive: true });
  const [company, contact] = ids as [string, string];
  expect(
    (await hubspot.read('contacts', contact, ['email', 'associatedcompanyid'])).body.properties,
  ).toMatchObject({
    email: 'bob@x.example',
    associatedcompanyid: company,
  });
  expect(await hubspot.history('contacts', contact, 'email')).toHaveLength(2);
  expect(
    (
      await hubspot.call('POST', '/crm/v3/objects/contacts', {
        properties: { email: 'bob@x.example' },
      })
    ).status,
  ).toBe(409);
  expect(await hubspot.create('contacts', { email: 'ann@x.example' })).not.toBe(contact);
});
