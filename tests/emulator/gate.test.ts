import { EmulatorPortInUseError } from '../../emulator/server.ts';
import { runEmulator } from './running.ts';

const DEALS = '/crm/v3/objects/deals';

describe('the token', () => {
  test.each([[undefined], ['Bearer wrong'], ['Basic pat-test'], ['bearer pat-test']])(
    '%s is refused with 401',
    async (authorization) => {
      await using emulator = await runEmulator();
      const response = await fetch(`${emulator.url}${DEALS}`, {
        headers: authorization === undefined ? {} : { authorization },
      });
      expect(response.status).toBe(401);
      expect(await response.json()).toEqual({
        status: 'error',
        message: expect.stringContaining('Authentication credentials not found'),
        correlationId: expect.any(String),
        category: 'INVALID_AUTHENTICATION',
      });
    },
  );

  test('lets calls through, and is not asked for by control paths', async () => {
    await using emulator = await runEmulator();
    expect((await emulator.call('GET', DEALS)).status).toBe(200);
    expect((await emulator.control('GET', '/stats')).status).toBe(200);
  });
});

test('a missing scope gives 403 with the scopes that would do, on each version of the path', async () => {
  await using emulator = await runEmulator({
    behaviour: { missingScopes: 'crm.objects.deals.write' },
  });
  const input = { properties: { dealname: 'x' } };
  for (const path of [DEALS, '/crm/v3/objects/0-3', '/crm/objects/2026-09/deals']) {
    const { status, body } = await emulator.call('POST', path, input);
    expect(status).toBe(403);
    expect(body).toMatchObject({
      category: 'MISSING_SCOPES',
      errors: [{ context: { requiredGranularScopes: ['crm.objects.deals.write'] } }],
    });
  }
  expect(
    (await emulator.call('POST', `${DEALS}/batch/read`, { inputs: [{ id: '1' }], properties: [] }))
      .status,
  ).toBe(207);
  expect((await emulator.call('GET', DEALS)).status).toBe(200);
});

describe('the limits over HTTP', () => {
  test('headers come with answers, not with searches; the call after the last is 429 and counted', async () => {
    await using emulator = await runEmulator({ rateLimit: 3 });
    const first = await emulator.call('GET', DEALS);
    expect(first.headers.get('x-hubspot-ratelimit-max')).toBe('3');
    expect(first.headers.get('x-hubspot-ratelimit-remaining')).toBe('2');
    const search = await emulator.call('POST', `${DEALS}/search`, {});
    expect(search.status).toBe(200);
    expect([...search.headers.keys()].filter((name) => name.startsWith('x-hubspot'))).toEqual([]);
    await emulator.call('GET', '/crm/v3/objects/0-3');

    const refused = await emulator.call('PATCH', `${DEALS}/1`, { properties: {} });
    expect(refused.status).toBe(429);
    expect(refused.body).toMatchObject({
      errorType: 'RATE_LIMIT',
      policyName: 'TEN_SECONDLY_ROLLING',
    });
    expect(refused.headers.get('x-hubspot-ratelimit-remaining')).toBe('0');
    const { body } = await emulator.control('GET', '/stats');
    expect(body.rateLimited).toBe(1);
    expect(body.calls).toEqual({
      'GET /crm/v3/objects/deals': { count: 2, inputs: expect.any(Number), status: { 200: 2 } },
      'POST /crm/v3/objects/deals/search': { count: 1, inputs: 0, status: { 200: 1 } },
      'PATCH /crm/v3/objects/deals/:id': { count: 1, inputs: 1, status: { 429: 1 } },
    });
  });

  test('a refused call changes nothing', async () => {
    await using emulator = await runEmulator({ rateLimit: 1 });
    await emulator.call('GET', DEALS);
    const { status } = await emulator.call('POST', DEALS, { properties: { dealname: 'x' } });
    expect(status).toBe(429);
    expect((await emulator.control('GET', '/stats')).body.objects.deals).toBe(0);
  });

  test('the sixth search of a second is refused with SECONDLY', async () => {
    await using emulator = await runEmulator();
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => emulator.call('POST', `${DEALS}/search`, {})),
    );
    expect(answers.map((answer) => answer.status).sort()).toEqual([200, 200, 200, 200, 200, 429]);
    expect(answers.find((answer) => answer.status === 429)?.body.policyName).toBe('SECONDLY');
  });

  test('the usage endpoint tells what the day has cost', async () => {
    await using emulator = await runEmulator();
    await emulator.call('GET', DEALS);
    const { body } = await emulator.call(
      'GET',
      '/account-info/2026-09/api-usage/daily/private-apps',
    );
    expect(body.results[0]).toMatchObject({ currentUsage: 2, usageLimit: 625000 });
  });
});

describe('the body', () => {
  test('that is not JSON is refused with 400 and no category, and with its place', async () => {
    await using emulator = await runEmulator();
    const { status, body } = await emulator.call('POST', DEALS, '{\n  "properties": [}');
    expect(status).toBe(400);
    expect(body).toEqual({
      status: 'error',
      message: expect.stringMatching(/^Invalid input JSON on line 2, column \d+/),
      correlationId: expect.any(String),
    });
  });

  test('that is not declared as JSON is refused with 415', async () => {
    await using emulator = await runEmulator();
    const { status } = await emulator.call('POST', DEALS, '{}', { 'content-type': 'text/plain' });
    expect(status).toBe(415);
  });

  test('of 33 MiB is refused', async () => {
    await using emulator = await runEmulator();
    const properties = { dealname: 'x'.repeat(33 * 2 ** 20) };
    const { status, body } = await emulator.call('POST', DEALS, { properties });
    expect(status).toBe(413);
    expect(body.status).toBe('error');
  });

  test('may be of 26 MiB, as a full batch of long texts is', async () => {
    await using emulator = await runEmulator();
    const dealname = 'é'.repeat(65_536);
    const inputs = Array.from({ length: 100 }, () => ({
      properties: { dealname, description: dealname, dealstage: 'closedwon', pipeline: 'default' },
    }));
    const { status } = await emulator.call('POST', `${DEALS}/batch/create`, { inputs });
    expect(status).toBe(201);
  });
});

test('a path that does not exist answers 404', async () => {
  await using emulator = await runEmulator();
  expect((await emulator.call('GET', '/crm/v3/nothing')).status).toBe(404);
});

test('a taken port gives an error that names it', async () => {
  await using emulator = await runEmulator();
  const second = runEmulator({ port: emulator.port });
  await expect(second).rejects.toThrow(EmulatorPortInUseError);
  await expect(second).rejects.toMatchObject({ port: emulator.port, code: 'EADDRINUSE' });
});
