/** Writes that are answered with success and not carried out: the answer shows what is stored. */
import { runCrm, USER } from '../running-crm.ts';

test('a stage without a pipeline is answered with success and stored as nothing', async () => {
  await using hubspot = await runCrm();
  const { status, body } = await hubspot.call('POST', '/crm/v3/objects/deals/batch/create', {
    inputs: [{ properties: { dealname: 'One', dealstage: 'closedwon' } }],
  });
  expect(status).toBe(201);
  expect(body.results[0].properties).toMatchObject({ dealname: 'One', dealstage: null });
  expect(body.results[0].properties).not.toHaveProperty('closedate');
});

test('a lifecycle stage moves forward only; cleared it can go anywhere', async () => {
  await using hubspot = await runCrm();
  const id = await hubspot.create('companies', { lifecyclestage: 'customer' });
  const write = async (lifecyclestage: string) => {
    const { status, body } = await hubspot.call('POST', '/crm/v3/objects/companies/batch/update', {
      inputs: [{ id, properties: { lifecyclestage } }],
    });
    return [status, body.results[0].properties.lifecyclestage];
  };
  hubspot.changes.length = 0;
  expect(await write('lead')).toEqual([200, 'customer']);
  expect(hubspot.changes).toEqual([]);
  expect(await write('')).toEqual([200, null]);
  expect(await write('lead')).toEqual([200, 'lead']);
  expect(await write('evangelist')).toEqual([200, 'evangelist']);
  hubspot.crm.user.edit('companies', id, { lifecyclestage: 'lead' }, USER);
  expect(
    (await hubspot.read('companies', id, ['lifecyclestage'])).body.properties.lifecyclestage,
  ).toBe('lead');
});

test('the answer shows values as stored, not as sent', async () => {
  await using hubspot = await runCrm();
  const { body } = await hubspot.call('POST', '/crm/v3/objects/contacts', {
    properties: { email: '  Ann@X.EXAMPLE ', hs_additional_emails: 'B@x.example;b@x.example' },
  });
  expect(body.properties).toMatchObject({
    email: 'ann@x.example',
    hs_additional_emails: 'b@x.example',
  });
  const company = await hubspot.call('POST', '/crm/v3/objects/companies', {
    properties: { domain: 'https://www.Acme.example/about' },
  });
  expect(company.body.properties.domain).toBe('acme.example');
});

test('a stage of another pipeline is refused aloud', async () => {
  await using hubspot = await runCrm();
  await hubspot.call('POST', '/crm/v3/pipelines/deals', {
    label: 'Renewals',
    displayOrder: 1,
    pipelineId: 'renewals',
    stages: [
      {
        label: 'Closed Lost',
        stageId: '66894120',
        displayOrder: 0,
        metadata: { probability: '0.0' },
      },
    ],
  });
  const id = await hubspot.create('deals', { pipeline: 'default', dealstage: 'qualifiedtobuy' });
  const move = (properties: Record<string, string>) =>
    hubspot.call('PATCH', `/crm/v3/objects/deals/${id}`, { properties });
  expect((await move({ dealstage: '66894120' })).status).toBe(400);
  expect((await move({ pipeline: 'renewals' })).status).toBe(400);
  expect((await move({ pipeline: 'renewals', dealstage: '66894120' })).status).toBe(200);
});

test('a person who makes a deal in the pages always has a pipeline', async () => {
  await using hubspot = await runCrm();
  const { properties } = hubspot.crm.user.create('deals', { dealstage: 'closedwon' }, USER);
  expect(properties).toMatchObject({ pipeline: 'default', dealstage: 'closedwon' });
});
