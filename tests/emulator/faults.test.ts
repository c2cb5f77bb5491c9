import { eventually } from '../support/eventually.ts';
import { createDeal, type RunningEmulator, runEmulator } from './running.ts';

const DEALS = '/crm/v3/objects/deals';

async function nameOf(emulator: RunningEmulator, id: string): Promise<string> {
  return (await emulator.control('GET', `/objects/deals/${id}`)).body.properties.dealname;
}

/** An emulator with one deal `before` and one fault for the edit that `rename` makes. */
async function withFault(
  fault: Record<string, unknown>,
  work: (parts: {
    emulator: RunningEmulator;
    id: string;
    rename: (name: string) => ReturnType<RunningEmulator['call']>;
    name: () => Promise<string>;
  }) => Promise<void>,
): Promise<void> {
  await using emulator = await runEmulator();
  const id = await createDeal(emulator, 'before');
  const added = await emulator.control('POST', '/faults', {
    match: `PATCH ${DEALS}/*`,
    ...fault,
  });
  expect(added.status).toBe(201);
  await work({
    emulator,
    id,
    rename: (dealname) => emulator.call('PATCH', `${DEALS}/${id}`, { properties: { dealname } }),
    name: () => nameOf(emulator, id),
  });
}

describe('a fault', () => {
  test('drop before: the connection is cut and nothing is written', () =>
    withFault({ drop: 'before' }, async ({ emulator, rename, name }) => {
      await expect(rename('after')).rejects.toThrow('fetch failed');
      expect(await name()).toBe('before');
      expect((await rename('after')).status).toBe(200);
      const { body } = await emulator.control('GET', '/stats');
      expect(body.calls[`PATCH ${DEALS}/:id`]).toEqual({
        count: 2,
        inputs: 2,
        status: { cut: 1, 200: 1 },
      });
    }));

  test('drop after: it is written, then the connection is cut', () =>
    withFault({ drop: 'after' }, async ({ rename, name }) => {
      await expect(rename('after')).rejects.toThrow('fetch failed');
      expect(await name()).toBe('after');
    }));

  test('lateMs: the connection is cut at once and the write comes that much later', () =>
    withFault({ lateMs: 300 }, async ({ emulator, rename, name }) => {
      const sent = Date.now();
      await expect(rename('late')).rejects.toThrow('fetch failed');
      expect(await name()).toBe('before');
      await eventually(async () => (await name()) === 'late');
      expect(Date.now() - sent).toBeGreaterThanOrEqual(300);
      const { body } = await emulator.control('GET', '/requests');
      expect(body.map((request: { note?: string }) => request.note)).toEqual(['cut', 'late']);
      expect(body[1]).toMatchObject({ method: 'PATCH', status: 200 });
    }));

  test('lateMs: a newer write in between is overwritten, as by HubSpot', () =>
    withFault({ lateMs: 200 }, async ({ rename, name }) => {
      await expect(rename('late')).rejects.toThrow('fetch failed');
      expect((await rename('newer')).status).toBe(200);
      await eventually(async () => (await name()) === 'late');
    }));

  test('status: it is answered with body and headers, and nothing is written', () =>
    withFault(
      { status: 503, body: { message: 'later' }, headers: { 'Retry-After': '2' } },
      async ({ rename, name }) => {
        const { status, body, headers } = await rename('after');
        expect({ status, body }).toEqual({ status: 503, body: { message: 'later' } });
        expect(headers.get('retry-after')).toBe('2');
        expect(await name()).toBe('before');
      },
    ));

  test('status with a page instead of JSON is answered as HTML', () =>
    withFault({ status: 524, body: '<html>timeout</html>' }, async ({ rename }) => {
      const { body, headers } = await rename('after');
      expect(headers.get('content-type')).toContain('text/html');
      expect(body).toBe('<html>timeout</html>');
    }));

  test('status with drop after, or with lateMs: answered in place of the cut', () =>
    withFault({ status: 504, drop: 'after' }, async ({ emulator, id, rename, name }) => {
      expect((await rename('after')).status).toBe(504);
      expect(await name()).toBe('after');
      await emulator.control('POST', '/faults', {
        match: `PATCH ${DEALS}/${id}`,
        status: 524,
        lateMs: 50,
      });
      expect((await rename('late')).status).toBe(524);
      expect(await name()).toBe('after');
      await eventually(async () => (await name()) === 'late');
    }));

  test('delayMs: the answer takes that much longer', () =>
    withFault({ delayMs: 250 }, async ({ rename, name }) => {
      const sent = Date.now();
      expect((await rename('after')).status).toBe(200);
      expect(Date.now() - sent).toBeGreaterThanOrEqual(250);
      expect(await name()).toBe('after');
    }));

  test('delayMs: a caller who gave up is not told, and the write is done', () =>
    withFault({ delayMs: 300 }, async ({ emulator, id, name }) => {
      const response = fetch(`${emulator.url}${DEALS}/${id}`, {
        method: 'PATCH',
        headers: { authorization: 'Bearer pat-test', 'content-type': 'application/json' },
        body: JSON.stringify({ properties: { dealname: 'after' } }),
        signal: AbortSignal.timeout(50),
      });
      await expect(response).rejects.toThrow();
      expect(await name()).toBe('before');
      await eventually(async () => (await name()) === 'after');
    }));

  test('delayMs: a reset in between takes the write away with all the rest', () =>
    withFault({ delayMs: 60_000 }, async ({ emulator, rename }) => {
      const waiting = rename('after');
      await eventually(async () => (await emulator.control('GET', '/faults')).body.length === 0);
      await emulator.control('POST', '/reset');
      await expect(waiting).rejects.toThrow('fetch failed');
      expect((await emulator.control('GET', '/objects/deals')).body).toEqual([]);
      expect((await emulator.control('GET', '/stats')).body.calls).toEqual({});
    }));

  test('headers or body alone change a true answer', () =>
    withFault({ headers: { 'X-HubSpot-RateLimit-Remaining': '0' } }, async ({ rename, name }) => {
      const { status, headers } = await rename('after');
      expect(status).toBe(200);
      expect(headers.get('x-hubspot-ratelimit-remaining')).toBe('0');
      expect(await name()).toBe('after');
    }));
});

describe('which requests a fault hits', () => {
  const hits = async (match: string, method: string, path: string): Promise<boolean> => {
    await using emulator = await runEmulator();
    await emulator.control('POST', '/faults', { match, status: 599 });
    return (await emulator.call(method, path, method === 'GET' ? undefined : {})).status === 599;
  };

  test.each([
    ['POST /crm/v3/objects/deals/batch/update', 'POST', '/crm/v3/objects/deals/batch/update'],
    ['POST /crm/v3/objects/deals/batch/update', 'POST', '/crm/v3/objects/0-3/batch/update'],
    ['POST /crm/v3/objects/0-3/batch/update', 'POST', '/crm/v3/objects/deals/batch/update'],
    ['POST /crm/v3/objects/0-3/batch/update', 'POST', '/crm/v3/objects/0-3/batch/update'],
    ['POST /crm/v3/objects/*/batch/*', 'POST', '/crm/v3/objects/deals/batch/upsert'],
    ['* /crm/v3/objects/deals', 'GET', '/crm/v3/objects/deals?limit=1'],
    ['post /crm/**', 'POST', '/crm/v3/objects/deals/batch/update'],
    ['* /**', 'GET', '/crm/v3/owners'],
    ['GET /crm/**/deals', 'GET', '/crm/objects/2026-09/deals'],
    ['GET /crm/v3/objects/deals/:id', 'GET', '/crm/v3/objects/deals/77'],
    [
      'POST /crm/v4/associations/deals/companies/batch/read',
      'POST',
      '/crm/v4/associations/0-3/0-2/batch/read',
    ],
  ])('%s hits %s %s', async (match, method, path) => {
    expect(await hits(match, method, path)).toBe(true);
  });

  test.each([
    ['POST /crm/v3/objects/deals/batch/update', 'POST', '/crm/objects/2026-09/deals/batch/update'],
    ['POST /crm/v3/objects/deals/*', 'POST', '/crm/v3/objects/deals/batch/update'],
    ['GET /crm/v3/objects/deals', 'POST', '/crm/v3/objects/deals'],
    ['* /crm/v3/objects/deals', 'GET', '/crm/v3/objects/companies'],
  ])('%s spares %s %s', async (match, method, path) => {
    expect(await hits(match, method, path)).toBe(false);
  });

  test('several faults are counted each for itself, the oldest first', async () => {
    await using emulator = await runEmulator();
    const add = (fault: object) => emulator.control('POST', '/faults', fault);
    await add({ match: `GET ${DEALS}`, status: 502, times: 2 });
    await add({ match: 'GET /crm/v3/owners', status: 500 });
    await add({ match: 'GET /**', status: 503 });
    const get = async (path: string) => (await emulator.call('GET', path)).status;
    expect(await get(DEALS)).toBe(502);
    expect((await emulator.control('GET', '/faults')).body).toMatchObject([
      { match: `GET ${DEALS}`, times: 2, remaining: 1, hits: 1 },
      { match: 'GET /crm/v3/owners', remaining: 1 },
      { match: 'GET /**', remaining: 1 },
    ]);
    expect(await get('/crm/v3/owners')).toBe(500);
    expect(await get(DEALS)).toBe(502);
    expect(await get(DEALS)).toBe(503);
    expect(await get(DEALS)).toBe(200);
    expect((await emulator.control('GET', '/faults')).body).toEqual([]);
  });

  test('times 0 stays until cleared', async () => {
    await using emulator = await runEmulator();
    await emulator.control('POST', '/faults', { match: `GET ${DEALS}`, status: 500, times: 0 });
    for (let n = 0; n < 3; n += 1) expect((await emulator.call('GET', DEALS)).status).toBe(500);
    expect((await emulator.control('GET', '/faults')).body).toMatchObject([
      { remaining: null, hits: 3 },
    ]);
    expect((await emulator.control('DELETE', '/faults')).status).toBe(204);
    expect((await emulator.call('GET', DEALS)).status).toBe(200);
  });

  test.each([
    [{}, /match/],
    [{ match: 'deals' }, /match: must be/],
    [{ match: 'GET /x', drop: 'during' }, /drop/],
    [{ match: 'GET /x', times: -1 }, /times/],
    [{ match: 'GET /x', chance: 1 }, /chance/],
  ])('%j is refused with a sentence', async (input, message) => {
    await using emulator = await runEmulator();
    const { status, body } = await emulator.control('POST', '/faults', input);
    expect({ status, body }).toEqual({
      status: 400,
      body: { status: 'error', message: expect.stringMatching(message) },
    });
  });
});
