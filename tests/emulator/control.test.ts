import { eventually } from '../support/eventually.ts';
import { startReceiver } from './receiver.ts';
import { createDeal, runEmulator } from './running.ts';

const DEALS = '/crm/v3/objects/deals';
const DEAL = { dealname: 'A', amount: '10', dealstage: 'qualifiedtobuy', pipeline: 'default' };

describe('the stats', () => {
  test('count calls by type name and :id, inputs, statuses, objects and webhooks', async () => {
    await using receiver = await startReceiver();
    await using emulator = await runEmulator({ webhookUrl: receiver.url });
    const first = await createDeal(emulator, 'one');
    const second = await createDeal(emulator, 'two');
    await emulator.call('GET', `/crm/v3/objects/0-3/${first}?properties=dealname`);
    await emulator.call('GET', `${DEALS}/${second}`);
    await emulator.call('GET', `${DEALS}/1`);
    const inputs = [first, second].map((id) => ({ id, properties: { dealname: 'three' } }));
    await emulator.call('POST', '/crm/v3/objects/0-3/batch/update', { inputs });
    await emulator.call('POST', '/crm/objects/2026-09/0-3/batch/update', { inputs });
    await eventually(
      async () => (await emulator.control('GET', '/stats')).body.webhooks.pending === 0,
    );

    const { body } = await emulator.control('GET', '/stats');
    expect(body).toEqual({
      calls: {
        'GET /crm/v3/objects/deals/:id': { count: 3, inputs: 3, status: { 200: 2, 404: 1 } },
        'POST /crm/v3/objects/deals/batch/update': { count: 1, inputs: 2, status: { 200: 1 } },
        'POST /crm/objects/2026-09/deals/batch/update': { count: 1, inputs: 2, status: { 200: 1 } },
      },
      objects: expect.objectContaining({ deals: 2, companies: 0, contacts: 0 }),
      rateLimited: 0,
      webhooks: {
        sent: receiver.events().length,
        delivered: receiver.events().length,
        retried: 0,
        abandoned: 0,
        pending: 0,
      },
    });
  });

  test('normalise association and custom object paths', async () => {
    await using emulator = await runEmulator();
    await emulator.call('PUT', '/crm/v4/objects/0-3/12/associations/default/0-2/34');
    await emulator.call('GET', '/crm/v4/objects/deals/12/associations/0-2');
    await emulator.call('GET', '/crm/v3/objects/2-1/12');
    await emulator.call('GET', '/crm/v3/objects/contacts/a@b.com?idProperty=email');
    const { body } = await emulator.control('GET', '/stats');
    expect(Object.keys(body.calls)).toEqual([
      'PUT /crm/v4/objects/deals/:id/associations/default/companies/:id',
      'GET /crm/v4/objects/deals/:id/associations/companies',
      'GET /crm/v3/objects/2-1/:id',
      'GET /crm/v3/objects/contacts/:id',
    ]);
  });
});

describe('the requests', () => {
  test('are listed newest last, with time, bodies, status and duration', async () => {
    await using emulator = await runEmulator();
    const before = Date.now();
    await emulator.call('GET', `${DEALS}?limit=1`);
    await emulator.call('POST', DEALS, { properties: DEAL });
    const { body } = await emulator.control('GET', '/requests?limit=1');
    expect(body).toEqual([
      {
        time: expect.any(Number),
        method: 'POST',
        path: DEALS,
        status: 201,
        requestBody: { properties: DEAL },
        responseBody: expect.objectContaining({ id: expect.any(String) }),
        durationMs: expect.any(Number),
      },
    ]);
    expect(body[0].time).toBeGreaterThanOrEqual(before);
    const all = (await emulator.control('GET', '/requests')).body;
    expect(all.map((request: { path: string }) => request.path)).toEqual([
      `${DEALS}?limit=1`,
      DEALS,
    ]);
  });
});

describe('a person in HubSpot', () => {
  test('creates, reads, edits, archives and restores a record', async () => {
    await using emulator = await runEmulator();
    const created = await emulator.control('POST', '/objects/deals', { properties: DEAL });
    expect(created.status).toBe(201);
    expect(Object.keys(created.body)).toEqual(['id', 'properties']);
    const { id } = created.body;
    const path = `/objects/deals/${id}`;

    const edited = await emulator.control('PATCH', path, { properties: { amount: '20' } });
    expect(edited.body.properties.amount).toBe('20');
    const read = (await emulator.control('GET', path)).body;
    expect(read).toMatchObject({ id, archived: false, associations: [] });
    expect(read.history.amount).toEqual([
      { value: '20', timestamp: expect.any(String), sourceType: 'CRM_UI', sourceId: 'userId:1001' },
      { value: '10', timestamp: expect.any(String), sourceType: 'CRM_UI', sourceId: 'userId:1001' },
    ]);

    expect((await emulator.control('DELETE', path)).status).toBe(204);
    expect((await emulator.control('GET', path)).body.archived).toBe(true);
    expect((await emulator.control('GET', '/objects/deals')).body).toEqual([]);
    expect((await emulator.control('GET', '/objects/deals?archived=true')).body).toHaveLength(1);
    expect((await emulator.control('POST', `${path}/restore`)).status).toBe(200);
    expect((await emulator.control('GET', '/objects/deals')).body).toMatchObject([{ id }]);
  });

  test('creates a record under an id of choice, and edits it there', async () => {
    await using emulator = await runEmulator();
    const path = '/objects/deals/874716779721';
    expect((await emulator.control('POST', path, { properties: DEAL })).status).toBe(201);
    const edited = await emulator.control('POST', path, { properties: { amount: '20' } });
    expect(edited).toMatchObject({
      status: 200,
      body: { id: '874716779721', properties: { dealname: 'A', amount: '20' } },
    });
  });

  test('changes a value at a history time of its own', async () => {
    await using emulator = await runEmulator();
    const id = await createDeal(emulator, 'now');
    const occurredAt = Date.now() + 3_600_000;
    for (const [name, at] of [
      ['later', occurredAt],
      ['latest', new Date(occurredAt + 1000).toISOString()],
    ]) {
      await emulator.control('PATCH', `/objects/deals/${id}`, {
        properties: { dealname: name },
        occurredAt: at,
      });
    }
    const { body } = await emulator.control('GET', `/objects/deals/${id}`);
    expect(body.history.dealname.slice(0, 2)).toMatchObject([
      { value: 'latest', timestamp: new Date(occurredAt + 1000).toISOString() },
      { value: 'later', timestamp: new Date(occurredAt).toISOString() },
    ]);
  });

  test('associates two records and takes that back', async () => {
    await using receiver = await startReceiver();
    await using emulator = await runEmulator({ webhookUrl: receiver.url });
    const deal = await createDeal(emulator, 'one');
    const { body } = await emulator.control('POST', '/objects/companies', {
      properties: { name: 'Ltd' },
    });
    const path = `/associations/deals/${deal}/companies/${body.id}`;
    expect((await emulator.control('PUT', path, { associationTypeId: 5 })).status).toBe(204);
    const associations = async () =>
      (await emulator.control('GET', `/objects/deals/${deal}`)).body.associations;
    expect(await associations()).toContainEqual({
      toType: 'companies',
      toId: body.id,
      category: 'HUBSPOT_DEFINED',
      typeId: 5,
    });
    expect((await emulator.control('DELETE', path)).status).toBe(204);
    expect(await associations()).toEqual([]);
    await eventually(() =>
      receiver
        .events()
        .some(
          (event) =>
            event.associationRemoved && event.subscriptionType === 'deal.associationChange',
        ),
    );
  });

  test('merges two records into one', async () => {
    await using emulator = await runEmulator();
    const primary = await createDeal(emulator, 'one');
    const other = await createDeal(emulator, 'two');
    const { status, body } = await emulator.control('POST', '/objects/deals/merge', {
      primary,
      other,
    });
    expect(status).toBe(200);
    expect([primary, other]).not.toContain(body.id);
    expect(body.properties.dealname).toBe('one');
  });

  test('is told what is wrong: an unknown record, a rule of the CRM, an input, a path', async () => {
    await using emulator = await runEmulator();
    const id = await createDeal(emulator, 'one');
    const answers = [
      await emulator.control('GET', '/objects/deals/1'),
      await emulator.control('PATCH', '/objects/deals/1', { properties: {} }),
      await emulator.control('PATCH', `/objects/deals/${id}`, { properties: { nothing: '1' } }),
      await emulator.control('PATCH', `/objects/deals/${id}`, { property: {} }),
      await emulator.control('PATCH', `/objects/deals/${id}`, '{"properties": '),
      await emulator.control('GET', '/nothing'),
    ];
    expect(answers.map((answer) => answer.status)).toEqual([404, 404, 400, 400, 400, 404]);
    for (const { body } of answers) {
      expect(body).toMatchObject({ status: 'error', message: expect.any(String) });
    }
    expect(answers[2]?.body.category).toBe('VALIDATION_ERROR');
  });
});

describe('webhooks end to end', () => {
  test('an API write bears INTEGRATION and the app id, an edit here CRM_UI and the user', async () => {
    await using receiver = await startReceiver();
    await using emulator = await runEmulator({ webhookUrl: receiver.url });
    const id = await createDeal(emulator, 'one');
    await emulator.call('PATCH', `${DEALS}/${id}`, { properties: { dealname: 'two' } });
    await eventually(() => receiver.events().some((event) => event.propertyValue === 'two'));
    const sources = receiver
      .events()
      .filter((event) => event.propertyName === 'dealname')
      .map(({ propertyValue, changeSource, sourceId }) => [propertyValue, changeSource, sourceId]);
    expect(sources).toEqual([
      ['one', 'CRM_UI', 'userId:1001'],
      ['two', 'INTEGRATION', '39522895'],
    ]);
  });

  test('a creation comes with a property change per initial property, at the same time, not first', async () => {
    await using receiver = await startReceiver();
    await using emulator = await runEmulator({ webhookUrl: receiver.url });
    const { body } = await emulator.call('POST', DEALS, {
      properties: { ...DEAL, closedate: '2026-12-01T10:00:00Z' },
    });
    await eventually(() => receiver.events().some((event) => event.changeFlag === 'CREATED'));
    const events = receiver.events().filter((event) => event.objectId === Number(body.id));
    const creation = events.findIndex((event) => event.subscriptionType === 'deal.creation');
    expect(creation).toBeGreaterThan(0);
    expect(new Set(events.map((event) => event.occurredAt)).size).toBe(1);
    const values = Object.fromEntries(
      events.map((event) => [event.propertyName, event.propertyValue]),
    );
    expect(values).toMatchObject({
      ...DEAL,
      closedate: String(Date.parse('2026-12-01T10:00:00Z')),
    });
    expect(values).not.toHaveProperty('hs_lastmodifieddate');
  });

  test('an identical write is announced by nothing', async () => {
    await using receiver = await startReceiver();
    await using emulator = await runEmulator({ webhookUrl: receiver.url });
    const id = await createDeal(emulator, 'same');
    await emulator.call('PATCH', `${DEALS}/${id}`, { properties: { dealname: 'same' } });
    await emulator.call('PATCH', `${DEALS}/${id}`, { properties: { dealname: 'other' } });
    await eventually(() => receiver.events().some((event) => event.propertyValue === 'other'));
    expect(receiver.events().filter((event) => event.propertyValue === 'same')).toHaveLength(1);
  });

  test('settings are listed, changed one by one, and refused out of range', async () => {
    await using emulator = await runEmulator();
    expect((await emulator.control('GET', '/webhooks')).body).toMatchObject({
      delayMs: 0,
      duplicate: 0,
      reorder: 0,
      lose: 0,
      paused: false,
      targetUrl: null,
    });
    await emulator.control('POST', '/webhooks', { delayMs: 100 });
    const { body } = await emulator.control('POST', '/webhooks', { paused: true });
    expect(body).toMatchObject({ delayMs: 100, paused: true });
    const refused = await emulator.control('POST', '/webhooks', { lose: 2 });
    expect(refused).toMatchObject({
      status: 400,
      body: { message: expect.stringMatching(/^lose: /) },
    });
  });

  test('what is pending can be given up', async () => {
    await using emulator = await runEmulator();
    await createDeal(emulator, 'one');
    expect((await emulator.control('GET', '/stats')).body.webhooks.pending).toBeGreaterThan(0);
    await emulator.control('DELETE', '/webhooks');
    expect((await emulator.control('GET', '/stats')).body.webhooks.pending).toBe(0);
  });
});

describe('the behaviour', () => {
  test('is listed with explanations, changed at once, and refused where unknown', async () => {
    await using emulator = await runEmulator();
    const { body } = await emulator.control('POST', '/behaviour', { retryAfter: 'seconds' });
    expect(body).toContainEqual({
      name: 'retryAfter',
      value: 'seconds',
      default: 'none',
      oneOf: ['none', 'seconds', 'milliseconds'],
      explain: expect.any(String),
    });
    expect(await emulator.control('POST', '/behaviour', { nothing: true })).toMatchObject({
      status: 400,
      body: { status: 'error', message: expect.stringContaining('nothing') },
    });
    expect((await emulator.control('POST', '/behaviour', { dailyLimit: 'x' })).status).toBe(400);
  });
});

test('reset brings back the empty start', async () => {
  await using emulator = await runEmulator();
  await createDeal(emulator, 'one');
  await emulator.call('GET', DEALS);
  await emulator.control('POST', '/faults', { match: 'GET /**', status: 500, times: 0 });
  await emulator.control('POST', '/behaviour', { retryAfter: 'seconds' });
  await emulator.control('POST', '/webhooks', { paused: true, targetUrl: 'http://127.0.0.1:1/' });
  expect((await emulator.control('POST', '/reset')).status).toBe(204);

  expect((await emulator.control('GET', '/stats')).body).toEqual({
    calls: {},
    objects: expect.objectContaining({ deals: 0 }),
    rateLimited: 0,
    webhooks: { sent: 0, delivered: 0, retried: 0, abandoned: 0, pending: 0 },
  });
  expect((await emulator.control('GET', '/requests')).body).toEqual([]);
  expect((await emulator.control('GET', '/faults')).body).toEqual([]);
  expect((await emulator.control('GET', '/webhooks')).body).toMatchObject({
    paused: false,
    targetUrl: null,
  });
  expect((await emulator.call('GET', DEALS)).body).toMatchObject({ results: [] });
  expect((await emulator.call('POST', DEALS, { properties: DEAL })).status).toBe(201);
  expect((await emulator.call('GET', '/crm/v3/pipelines/deals')).body.results).toHaveLength(1);
});
