/** Where the dated versions answer with other codes and bodies than the numbered ones. */
import { PORTAL_ID, type RunningCrm, runCrm } from '../running-crm.ts';

async function makePair(hubspot: RunningCrm) {
  const deal = await hubspot.create('deals', {});
  const company = await hubspot.create('companies', {});
  await hubspot.create('companies', {});
  return {
    from: { id: deal },
    to: { id: company },
    types: [{ associationCategory: 'HUBSPOT_DEFINED', associationTypeId: 5 }],
  };
}

test('errors of a batch stand in a 200 or 201 on dated paths, which can be switched to 207', async () => {
  await using hubspot = await runCrm();
  const read = () =>
    hubspot.call('POST', '/crm/objects/2026-09/deals/batch/read', { inputs: [{ id: '1' }] });
  const create = () =>
    hubspot.call('POST', '/crm/objects/2026-09/deals/batch/create', {
      inputs: [{ properties: { nickname: '' }, objectWriteTraceId: 'a' }],
    });
  expect(await read()).toMatchObject({ status: 200, body: { numErrors: 1, results: [] } });
  expect(await create()).toMatchObject({ status: 201, body: { numErrors: 1, results: [] } });
  hubspot.behaviour.datedErrors = '207';
  expect([(await read()).status, (await create()).status]).toEqual([207, 207]);
});

test('associations: v4 creates with 201, archives with an empty 204, and writes ids as numbers', async () => {
  await using hubspot = await runCrm();
  const pair = await makePair(hubspot);
  const call = (name: string, inputs: unknown[]) =>
    hubspot.call('POST', `/crm/v4/associations/deals/companies/batch/${name}`, { inputs });
  expect((await call('create', [pair])).status).toBe(201);
  const read = await call('read', [{ id: pair.from.id }]);
  expect(read.body.results[0].to[0].toObjectId).toBe(Number(pair.to.id));
  expect(await call('labels/archive', [pair])).toEqual({ status: 204, body: undefined });
  expect(await call('archive', [{ from: pair.from, to: [pair.to] }])).toEqual({
    status: 204,
    body: undefined,
  });
  const one = `/crm/v4/objects/deals/${pair.from.id}/associations/companies`;
  expect((await hubspot.call('GET', one)).status).toBe(200);
});

test('associations: dated paths create and archive with a 200 and a body, write ids as text, and list nothing', async () => {
  await using hubspot = await runCrm();
  const pair = await makePair(hubspot);
  const call = (name: string, inputs: unknown[]) =>
    hubspot.call('POST', `/crm/associations/2026-09/deals/companies/batch/${name}`, { inputs });
  const created = await call('create', [pair]);
  expect(created.status).toBe(200);
  expect(created.body.results).toMatchObject([
    { fromObjectId: pair.from.id, toObjectId: pair.to.id, labels: ['Primary'] },
  ]);
  const read = await call('read', [{ id: pair.from.id }]);
  expect(read.body.results[0].to[0].toObjectId).toBe(pair.to.id);
  const empty = { status: 200, body: { status: 'COMPLETE', results: [] } };
  expect(await call('labels/archive', [pair])).toMatchObject(empty);
  expect(await call('archive', [{ from: pair.from, to: [pair.to] }])).toMatchObject(empty);
  const one = `/crm/objects/2026-09/deals/${pair.from.id}/associations/companies`;
  expect((await fetch(`${hubspot.url}${one}`)).status).toBe(404);
});

test('a failed association stands in a 207 on v4 and in a 200 on dated paths', async () => {
  await using hubspot = await runCrm();
  const pair = await makePair(hubspot);
  const inputs = [{ ...pair, to: { id: '1' } }];
  const numbered = await hubspot.call('POST', '/crm/v4/associations/deals/companies/batch/create', {
    inputs,
  });
  const dated = await hubspot.call(
    'POST',
    '/crm/associations/2026-09/deals/companies/batch/create',
    { inputs },
  );
  expect([numbered.status, dated.status]).toEqual([207, 200]);
  for (const { body } of [numbered, dated]) {
    expect(body).toMatchObject({
      numErrors: 1,
      results: [],
      errors: [
        {
          subCategory: 'crm.associations.INVALID_OBJECT_IDS',
          context: { INVALID_OBJECT_IDS: ['COMPANY=1 is not valid'] },
        },
      ],
    });
  }
});

test('properties are created in batches with 201, or 200 on dated paths', async () => {
  await using hubspot = await runCrm();
  const create = async (path: string, name: string) =>
    (
      await hubspot.call('POST', `${path}/batch/create`, {
        inputs: [
          { name, label: name, type: 'string', fieldType: 'text', groupName: 'dealinformation' },
        ],
      })
    ).status;
  expect(await create('/crm/v3/properties/deals', 'one')).toBe(201);
  expect(await create('/crm/properties/2026-09/deals', 'two')).toBe(200);
});

test.each(['v3', '2026-09'])('account, owners and pipelines answer under %s', async (version) => {
  await using hubspot = await runCrm({ behaviour: { portalTimeZone: 'Europe/Berlin' } });
  const of = (family: string) =>
    version === 'v3' ? `/crm/v3/${family}` : `/crm/${family}/${version}`;
  const details = await hubspot.call('GET', `/account-info/${version}/details`);
  expect(details.body).toMatchObject({
    portalId: PORTAL_ID,
    timeZone: 'Europe/Berlin',
    utcOffset: '+01:00',
    utcOffsetMilliseconds: 3_600_000,
  });
  const usage = await hubspot.call('GET', `/account-info/${version}/api-usage/daily/private-apps`);
  expect(usage.body.results).toMatchObject([{ currentUsage: 7, usageLimit: 1000 }]);
  const owners = await hubspot.call('GET', of('owners'));
  const [first] = owners.body.results;
  expect(first.id).not.toBe(String(first.userId));
  expect((await hubspot.call('GET', `${of('owners')}/${first.id}`)).body.email).toBe(first.email);
  const byUser = `${of('owners')}/${first.userId}?idProperty=userId`;
  expect((await hubspot.call('GET', byUser)).body.id).toBe(first.id);
  expect((await hubspot.call('GET', `${of('owners')}/1`)).status).toBe(404);
  const pipelines = await hubspot.call('GET', `${of('pipelines')}/deals`);
  expect(pipelines.body.results[0]).toMatchObject({ id: 'default', label: 'Sales Pipeline' });
  expect(pipelines.body.results[0].stages).toHaveLength(7);
});

test('objects answer on dated paths with the same records', async () => {
  await using hubspot = await runCrm();
  const dated = '/crm/objects/2026-09/0-3';
  const { status, body } = await hubspot.call('POST', dated, { properties: { dealname: 'One' } });
  expect(status).toBe(201);
  expect(
    (await hubspot.call('PATCH', `${dated}/${body.id}`, { properties: { dealname: 'Two' } }))
      .status,
  ).toBe(200);
  expect((await hubspot.read('deals', body.id, ['dealname'])).body.properties.dealname).toBe('Two');
  expect((await hubspot.call('POST', `${dated}/search`, { limit: 10 })).body.total).toBe(1);
  expect((await hubspot.call('DELETE', `${dated}/${body.id}`)).status).toBe(204);
});
