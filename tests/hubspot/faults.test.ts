/** What the client makes of answers that are late, missing, cut off or changed on the way. */
import type { ServerResponse } from 'node:http';
import { ensureKeyProperties } from '../../shared/hubspot/facts.ts';
import type { EventMap } from '../../shared/service/events.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { connect, connectToEmulator, connectToScript, failureOf } from './connected.ts';

const input = { id: '1', properties: { amount: '1' }, traceId: 'x' };
const inputs = [input];
const everyWrite = 'POST /crm/v3/objects/deals/batch/upsert';

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

describe('against the emulator', () => {
  const upsert = { key: 'row-1', properties: { dealname: 'One' }, traceId: 'x' };

  async function connectWithKey(settings = {}) {
    const connected = await connectToEmulator(settings);
    await ensureKeyProperties(connected.hubspot, [{ object: 'deals', idProperty: 'trs_id' }]);
    const send = () => connected.hubspot.upsertBatch('deals', 'trs_id', [upsert]);
    const count = async () => (await connected.hubspot.list('deals')).results.length;
    return { connected, send, count };
  }

  test.each([
    ['before', 0],
    ['after', 1],
  ] as const)(
    'a connection that is cut %s the write leaves the outcome open',
    async (drop, made) => {
      const { connected, send, count } = await connectWithKey();
      await using _ = connected;
      await connected.control('POST', '/faults', { match: everyWrite, drop });
      expect(await failureOf(send())).toMatchObject({
        code: 'HUBSPOT_CONNECTION_LOST',
        disposition: 'doubt',
        outcome: 'unknown',
      });
      expect(await count()).toBe(made);
      const again = await send();
      expect(again.results[0]?.isNew).toBe(made === 0);
    },
  );

  test('a write that lands after its caller was cut off is unknown, not undone', async () => {
    const { connected, send, count } = await connectWithKey();
    await using _ = connected;
    await connected.control('POST', '/faults', { match: everyWrite, lateMs: 300 });
    expect((await failureOf(send())).outcome).toBe('unknown');
    expect(await count()).toBe(0);
    await eventually(async () => expect(await count()).toBe(1));
  });

  test('an answer that comes after the time limit is unknown, and may be carried out', async () => {
    const { connected, send, count } = await connectWithKey({ callTimeoutMs: 200 });
    await using _ = connected;
    await connected.control('POST', '/faults', { match: everyWrite, delayMs: 500 });
    expect(await failureOf(send())).toMatchObject({
      code: 'HUBSPOT_TIMEOUT',
      disposition: 'doubt',
      outcome: 'unknown',
    });
    await eventually(async () => expect(await count()).toBe(1));
  });

  test.each([
    [423, 'HUBSPOT_LOCKED', 'not-done'],
    [477, 'HUBSPOT_MIGRATING', 'not-done'],
    [500, 'HUBSPOT_SERVER_ERROR', 'unknown'],
    [502, 'HUBSPOT_SERVER_ERROR', 'unknown'],
    [504, 'HUBSPOT_SERVER_ERROR', 'unknown'],
    [521, 'HUBSPOT_UNAVAILABLE', 'not-done'],
    [524, 'HUBSPOT_SERVER_ERROR', 'unknown'],
  ] as const)('a %i is thrown at once as %s', async (status, code, outcome) => {
    const { connected, send } = await connectWithKey();
    await using _ = connected;
    await connected.control('POST', '/faults', { match: everyWrite, status, times: 1 });
    expect(await failureOf(send())).toMatchObject({ code, outcome, status });
    expect((await send()).results).toHaveLength(1);
  });

  test('a secondly refusal of a search is waited out', async () => {
    const { connected } = await connectWithKey();
    await using _ = connected;
    const { hubspot, events, control } = connected;
    const limited: EventMap['hubspot:limited'][] = [];
    events.on('hubspot:limited', (event) => limited.push(event));
    await control('POST', '/behaviour', { searchLimit: 1 });
    const search = () => hubspot.search('deals', { filters: [] });
    const answers = await Promise.all([search(), search()]);
    expect(answers.map((answer) => answer.total)).toEqual([0, 0]);
    expect(limited).toEqual([{ call: 'POST /crm/v3/objects/deals/search', policy: 'SECONDLY' }]);
  });

  test('a rolling refusal holds everything back and is waited out', async () => {
    const { connected, send } = await connectWithKey();
    await using _ = connected;
    const body = { policyName: 'TEN_SECONDLY_ROLLING', errorType: 'RATE_LIMIT' };
    const headers = { 'Retry-After': '1' };
    await connected.control('POST', '/faults', { match: everyWrite, status: 429, body, headers });
    const limited = connected.events.next('hubspot:limited');
    const sent = send();
    await limited;
    const { pausedBy, spare } = await eventually(() => {
      const budget = connected.hubspot.budget();
      return budget.pausedBy && budget;
    });
    expect([pausedBy, spare]).toEqual(['TEN_SECONDLY_ROLLING', false]);
    expect((await sent).results).toHaveLength(1);
  });

  test('the end of the day is thrown, and holds the next call back without asking', async () => {
    const { connected, send } = await connectWithKey();
    await using _ = connected;
    const { events, control, hubspot } = connected;
    await control('POST', '/behaviour', { dailyLimit: 1 });
    expect(await failureOf(send())).toMatchObject({
      code: 'HUBSPOT_DAILY_LIMIT',
      disposition: 'retry',
      outcome: 'not-done',
      status: 429,
    });
    let calls = 0;
    events.on('hubspot:call', () => {
      calls += 1;
    });
    const error = await failureOf(send());
    expect(error.code).toBe('HUBSPOT_DAILY_LIMIT');
    expect(error.retryAfterMs).toBeGreaterThan(0);
    expect([calls, hubspot.budget().pausedBy]).toEqual([0, 'DAILY']);
  });

  test('the budget follows HubSpot’s headers', async () => {
    const { connected, send } = await connectWithKey({ rateLimit: 10_000 });
    await using _ = connected;
    await connected.control('POST', '/behaviour', { dailyLimit: 1000 });
    await send();
    const { rate, daily } = connected.hubspot.budget();
    expect(rate.limit).toBe(10_000);
    expect(daily.limit).toBe(1000);
    expect(daily.remaining).toBeLessThan(1000);
    expect(daily.remaining).toBeGreaterThan(990);
  });

  test('at full speed the emulator’s rolling window never refuses', async () => {
    await using connected = await connectToEmulator({ rateLimit: 100 }, { rateLimit: 100 });
    const limited: unknown[] = [];
    connected.events.on('hubspot:limited', (event) => limited.push(event));
    const calls = Array.from({ length: 105 }, () => connected.hubspot.list('deals'));
    await Promise.all(calls);
    expect(limited).toEqual([]);
    const { rateLimited } = await connected.control('GET', '/stats');
    expect(rateLimited).toBe(0);
  });

  test('every call is told with its status, its lane and no id', async () => {
    const { connected, send } = await connectWithKey();
    await using _ = connected;
    const told = connected.events.next('hubspot:call');
    await send();
    expect(await told).toMatchObject({ call: everyWrite, status: 200, lane: 'live' });
  });
});

describe('against a server of another kind', () => {
  test.each([
    ['no JSON', (response: ServerResponse) => response.end('<html>Welcome to the hotel</html>')],
    ['an empty body', (response: ServerResponse) => response.end()],
    [
      'half a body',
      (response: ServerResponse) => response.end('{"status":"COMPLETE","results":[{"id"'),
    ],
    ['JSON of another shape', (response: ServerResponse) => json(response, 200, { ok: true })],
    ['an unexpected success', (response: ServerResponse) => json(response, 202, { results: [] })],
  ])('%s is no answer: the outcome of a write is unknown', async (_what, answer) => {
    await using scripted = await connectToScript(answer);
    const write = await failureOf(scripted.hubspot.updateBatch('deals', inputs));
    expect(write).toMatchObject({
      code: 'HUBSPOT_UNREADABLE',
      disposition: 'doubt',
      outcome: 'unknown',
    });
    const read = { ids: ['1'], properties: [] };
    expect(await failureOf(scripted.hubspot.readBatch('deals', read))).toMatchObject({
      disposition: 'retry',
      outcome: 'not-done',
    });
  });

  test('an answer without a content type is read all the same', async () => {
    await using scripted = await connectToScript((response) =>
      response.end(JSON.stringify({ results: [{ id: '1', properties: { amount: '1' } }] })),
    );
    const answer = await scripted.hubspot.updateBatch('deals', inputs);
    expect(answer.results).toMatchObject([{ id: '1', traceId: 'x' }]);
    expect([answer.startedAt, answer.completedAt]).toEqual([answer.date.low, answer.date.high]);
  });

  test('a body that breaks off is a lost connection', async () => {
    await using scripted = await connectToScript((response) => {
      response.writeHead(200, { 'content-length': '1000' }).write('{"results":[');
      setTimeout(() => response.destroy(), 20);
    });
    expect(await failureOf(scripted.hubspot.updateBatch('deals', inputs))).toMatchObject({
      code: 'HUBSPOT_CONNECTION_LOST',
      outcome: 'unknown',
    });
  });

  test('a redirected write is no answer', async () => {
    await using scripted = await connectToScript((response, request) => {
      if (request.method === 'GET') return json(response, 200, { results: [] });
      response.writeHead(302, { location: '/login' }).end();
    });
    expect((await failureOf(scripted.hubspot.updateBatch('deals', inputs))).code).toBe(
      'HUBSPOT_UNREADABLE',
    );
  });

  test('what the answer leaves out is unanswered', async () => {
    await using scripted = await connectToScript((response) =>
      json(response, 200, { results: [{ id: '1', properties: {} }] }),
    );
    const answer = await scripted.hubspot.updateBatch('deals', [
      input,
      { id: '2', properties: {}, traceId: 'y' },
    ]);
    expect(answer.unanswered).toEqual(['y']);
  });

  test('an upsert is matched by trace id, by key in another case, or not at all', async () => {
    await using scripted = await connectToScript((response) =>
      json(response, 200, {
        results: [
          { id: '1', new: true, properties: {}, objectWriteTraceId: 'a' },
          { id: '2', new: false, properties: { email: 'b@x.example' } },
          { id: '3', new: false, properties: { email: 'other@x.example' } },
        ],
      }),
    );
    const answer = await scripted.hubspot.upsertBatch(
      'contacts',
      'email',
      ['a', 'b', 'c'].map((name) => ({
        key: `${name.toUpperCase()}@x.example`,
        properties: {},
        traceId: name,
      })),
    );
    expect(answer.results.map((result) => [result.id, result.key])).toEqual([
      ['1', 'A@x.example'],
      ['2', 'B@x.example'],
      ['3', undefined],
    ]);
    expect(answer.unanswered).toEqual(['c']);
  });

  test('a reading that failed for one record doesn’t say that it is missing', async () => {
    await using scripted = await connectToScript((response) =>
      json(response, 207, {
        results: [],
        numErrors: 1,
        errors: [
          { status: 'error', category: 'INTERNAL_ERROR', message: 'oops', context: { ids: ['1'] } },
        ],
      }),
    );
    const read = scripted.hubspot.readBatch('deals', { ids: ['1'], properties: [] });
    expect(await failureOf(read)).toMatchObject({
      code: 'HUBSPOT_SERVER_ERROR',
      disposition: 'retry',
    });
    const rows = scripted.hubspot.readAssociations('deals', 'companies', ['1']);
    expect((await failureOf(rows)).code).toBe('HUBSPOT_SERVER_ERROR');
  });

  test('more associations than one answer holds are fetched page by page, each once', async () => {
    const row = (toObjectId: number, after?: string) => ({
      from: { id: '1' },
      to: [
        {
          toObjectId,
          associationTypes: [{ category: 'HUBSPOT_DEFINED', typeId: 5, label: 'Primary' }],
        },
        {
          toObjectId: 7,
          associationTypes: [{ category: 'HUBSPOT_DEFINED', typeId: 341, label: null }],
        },
      ],
      ...(after === undefined ? {} : { paging: { next: { after } } }),
    });
    await using scripted = await connectToScript((response, _request, body) => {
      const second = body.includes('"after":"p2"');
      json(response, 200, { results: [second ? row(9) : row(8, 'p2')] });
    });
    const [only, ...rest] = await scripted.hubspot.readAssociations('deals', 'companies', ['1']);
    expect(rest).toEqual([]);
    expect(only?.to.map((to) => to.id).sort()).toEqual(['7', '8', '9']);
  });

  test('a server that isn’t there was sent nothing', async () => {
    const { hubspot } = connect(`http://127.0.0.1:${await freePort()}`);
    expect(await failureOf(hubspot.updateBatch('deals', inputs))).toMatchObject({
      code: 'HUBSPOT_NO_CONNECTION',
      disposition: 'retry',
      outcome: 'not-done',
    });
    hubspot.close();
  });

  test('a call that is aborted under way is unknown; before, it isn’t sent', async () => {
    const abort = new AbortController();
    await using scripted = await connectToScript(() => abort.abort());
    const { signal } = abort;
    expect(
      await failureOf(scripted.hubspot.updateBatch('deals', inputs, { signal })),
    ).toMatchObject({ code: 'HUBSPOT_ABORTED_UNDER_WAY', outcome: 'unknown' });
    expect(
      await failureOf(scripted.hubspot.updateBatch('deals', inputs, { signal })),
    ).toMatchObject({ code: 'HUBSPOT_ABORTED', outcome: 'not-done' });
    expect(scripted.requests).toHaveLength(1);
  });

  test('a slow call widens the bracket of when it was carried out', async () => {
    await using scripted = await connectToScript((response) => {
      setTimeout(() => json(response, 204, undefined), 300);
    });
    const before = Date.now();
    const { date } = await scripted.hubspot.archiveBatch('deals', ['1']);
    expect(date.low).toBeLessThanOrEqual(before);
    expect(date.high).toBeGreaterThanOrEqual(before);
    expect(date.high - date.low).toBeGreaterThanOrEqual(2300);
  });

  test('names of objects can’t reach another path', async () => {
    await using scripted = await connectToScript((response) =>
      json(response, 200, { results: [] }),
    );
    await scripted.hubspot.list('../../../account-info');
    expect(scripted.requests[0]?.url).toMatch(/^\/crm\/v3\/objects\/\.\.%2F/);
  });

  test.each([0, 101])('%i inputs are a mistake of the caller', async (size) => {
    const { hubspot } = connect('http://127.0.0.1:9');
    const many = Array.from({ length: size }, () => input);
    await expect(async () => hubspot.updateBatch('deals', many)).rejects.toThrow(RangeError);
    hubspot.close();
  });
});
