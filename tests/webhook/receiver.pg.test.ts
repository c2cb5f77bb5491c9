import express from 'express';
import request from 'supertest';
import { signatureHeaders } from '../../emulator/webhooks/signature.ts';
import { createMetrics } from '../../shared/service/metrics.ts';
import { startWebhook } from '../../webhook/main.ts';
import { event, openRoom, propertyChange, publicUrl, type Room, secret, tables } from './room.ts';

const inbox = async (room: Room) =>
  room.db.query(`select identity, state, payload from ${tables.inbox} order by id`);

const sign = (body: string, at = Date.now(), by = secret, url = publicUrl) =>
  signatureHeaders(by, url, body, at);

const minutes = 60_000;

test('what is not signed for this address now gets 401, and nothing of it is looked at', async () => {
  await using room = await openRoom();
  await room.link('deals', 'd1', '1');
  const body = JSON.stringify([propertyChange(1, 'dealname', 'by a stranger')]);
  const signed = sign(body);
  const without = (name: string) =>
    Object.fromEntries(Object.entries(signed).filter(([header]) => header !== name));
  const strangers: [string, Record<string, string>, string][] = [
    ['no signature at all', {}, body],
    ['only the old signature', without('X-HubSpot-Signature-v3'), body],
    ['no timestamp', without('X-HubSpot-Request-Timestamp'), body],
    ['another secret', sign(body, Date.now(), 'another'), body],
    ['another URL', sign(body, Date.now(), secret, 'https://other.example.com/'), body],
    [
      'the URL it listens on',
      sign(body, Date.now(), secret, `${room.handle.url}/webhooks/hubspot`),
      body,
    ],
    ['an old timestamp', sign(body, Date.now() - 5 * minutes - 1000), body],
    ['a future timestamp', sign(body, Date.now() + 5 * minutes), body],
    [
      'a changed timestamp',
      { ...signed, 'X-HubSpot-Request-Timestamp': `${Date.now() + 1}` },
      body,
    ],
    ['a changed body', signed, body.replace('stranger', 'Stranger')],
    ['a body that is not JSON', signed, '{'],
    ['no body', signed, ''],
  ];
  for (const [what, headers, sent] of strangers) {
    const response = await room.post(sent, headers);
    expect([what, response.status]).toEqual([what, 401]);
  }
  expect(await inbox(room)).toEqual([]);
  expect(room.told('webhook:received').every(({ status }) => status === 401)).toBe(true);
});

test('a proxy’s Host header does not matter', async () => {
  await using room = await openRoom();
  const body = JSON.stringify([propertyChange(1, 'dealname', 'x')]);
  const response = await request(room.handle.url)
    .post('/webhooks/hubspot?via=proxy')
    .set({
      host: 'internal:8080',
      'x-forwarded-host': 'evil.example.com',
      'x-forwarded-proto': 'http',
    })
    .set({ 'content-type': 'application/json', ...sign(body) })
    .send(body);
  expect(response.status).toBe(204);
  expect(await inbox(room)).toHaveLength(1);
});

test('while the secret is rotated both are taken', async () => {
  await using room = await openRoom({ secrets: ['old', 'new'] });
  for (const [by, status] of [
    ['old', 204],
    ['new', 204],
    [secret, 401],
  ] as const) {
    const body = JSON.stringify([propertyChange(1, 'dealname', by)]);
    expect((await room.post(body, sign(body, Date.now(), by))).status).toBe(status);
  }
  expect(await inbox(room)).toHaveLength(2);
});

test('a signed event of another account is answered 2xx and changes nothing', async () => {
  await using room = await openRoom();
  await room.link('deals', 'd1', '1');
  const foreign = { ...propertyChange(1, 'dealname', 'foreign'), portalId: 4712 };
  expect(await room.send(foreign, event('deal.deletion', 1, { portalId: 1 }))).toBe(204);
  expect(await inbox(room)).toEqual([]);
  expect(room.told('inbound:settled').map(({ outcome }) => outcome)).toEqual([
    'foreign',
    'foreign',
  ]);
  expect(await room.db.query('select name from deals')).toEqual([{ name: 'deal d1' }]);
});

test('without a known account every signed event is taken', async () => {
  await using room = await openRoom({ portalId: undefined });
  expect(await room.send({ ...propertyChange(1, 'dealname', 'x'), portalId: 5 })).toBe(204);
  expect(await inbox(room)).toHaveLength(1);
});

test('signed events of any shape are answered 2xx, and the good ones among them are stored', async () => {
  await using room = await openRoom();
  const good = propertyChange(1, 'dealname', 'good');
  const bodies = [
    '',
    'not JSON',
    '[',
    'null',
    '17',
    '"text"',
    '{}',
    '[]',
    '[null, 1, "x", [], {}]',
    JSON.stringify([
      { ...good, occurredAt: 'yesterday' },
      { ...good, objectId: -1 },
    ]),
    JSON.stringify([
      { ...good, objectId: { $gt: 0 } },
      { ...good, subscriptionType: 'a b\u0000' },
    ]),
    JSON.stringify([event('conversation.creation', 1), event('contact.propertyChange', 1)]),
    JSON.stringify([
      { ...good, propertyName: 'not_mapped' },
      { ...good, propertyName: '__proto__' },
    ]),
    `${'['.repeat(50_000)}${']'.repeat(50_000)}`,
  ];
  for (const body of bodies) {
    const response = await room.post(body, sign(body));
    expect([body.slice(0, 40), response.status]).toEqual([body.slice(0, 40), 204]);
  }
  expect(await inbox(room)).toEqual([]);
  expect(await room.send(null as never, { odd: true }, good, [] as never)).toBe(204);
  expect(await inbox(room)).toHaveLength(1);
  const alone = JSON.stringify(propertyChange(2, 'dealname', 'alone'));
  expect((await room.post(alone, sign(alone))).status).toBe(204);
  expect(await inbox(room)).toHaveLength(2);
});

test('an event told twice is stored once, whatever the attempt and the order of its fields', async () => {
  await using room = await openRoom();
  const change = propertyChange(1, 'dealname', 'once');
  const again = Object.fromEntries(Object.entries({ ...change, attemptNumber: 3 }).reverse());
  await room.send(change, change);
  await room.send(again);
  await Promise.all([room.send(change, again), room.send(again, change)]);
  expect(await inbox(room)).toHaveLength(1);
});

test('two events that share an id are both kept', async () => {
  await using room = await openRoom();
  await room.link('deals', 'd1', '1');
  await room.link('deals', 'd2', '2');
  const eventId = 4_101_286_121;
  const first = propertyChange(1, 'dealname', 'one', { eventId });
  const other = { ...first, objectId: 2 };
  const value = { ...first, propertyValue: 'two', occurredAt: (first.occurredAt as number) + 5000 };
  await room.send(first, other, value);
  expect(await inbox(room)).toHaveLength(3);
  await room.settled();
  expect(await room.db.query('select name from deals order by id')).toEqual([
    { name: 'two' },
    { name: 'one' },
  ]);
});

test('an event is durable before it is answered', async () => {
  await using room = await openRoom();
  await room.db.query(`alter database ${room.db.name} set synchronous_commit = off`);
  await room.db.query(
    `create function hubspot_sync.note() returns trigger language plpgsql as $$
     begin new.error := current_setting('synchronous_commit'); return new; end $$;
     create trigger note before insert on ${tables.inbox} for each row execute function hubspot_sync.note()`,
  );
  // Sessions from before the setting don't know it: the room's own are opened anew.
  await room.db.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name = 'pg-hubspot-sync inbox'`,
  );
  expect(await room.send(propertyChange(1, 'dealname', 'x'))).toBe(204);
  expect(await room.db.query(`select error from ${tables.inbox}`)).toEqual([{ error: 'on' }]);
});

test('a hundred values of the greatest length are taken', async () => {
  await using room = await openRoom();
  await room.link('deals', 'd1', '1');
  const long = 'ä\u0001'.repeat(32_768);
  const all = Array.from({ length: 100 }, (_, i) =>
    propertyChange(i + 1, 'hs_next_step', long.slice(i)),
  );
  expect(await room.send(...all)).toBe(204);
  await room.settled();
  expect((await room.db.query('select note from deals'))[0]?.note).toBe(long);
});

test('a body beyond the limit is refused as its sender’s fault', async () => {
  await using room = await openRoom();
  const body = `["${'x'.repeat(32 * 1024 * 1024)}"]`;
  expect((await room.post(body, sign(body))).status).toBe(413);
  expect((await room.post('[]', { ...sign('[]'), 'content-encoding': 'gzip' })).status).toBe(415);
  expect(await room.send(propertyChange(1, 'dealname', 'goes on'))).toBe(204);
});

test('many large bodies at once are all answered', async () => {
  await using room = await openRoom();
  const long = 'x'.repeat(60_000);
  const statuses = await Promise.all(
    Array.from({ length: 8 }, (_, k) =>
      room.send(
        ...Array.from({ length: 30 }, (_, i) => propertyChange(k * 100 + i, 'note', long), 0),
      ),
    ),
  );
  expect(statuses).toEqual(Array(8).fill(204));
});

test('the other paths of the server answer, each by its method', async () => {
  await using room = await openRoom();
  const get = async (path: string) => (await fetch(room.handle.url + path)).status;
  expect(await get('/livez')).toBe(200);
  expect(await get('/healthz')).toBe(200);
  expect(await get('/readyz')).toBe(200);
  expect(await get('/webhooks/hubspot')).toBe(405);
  expect(await get('/elsewhere')).toBe(404);
  expect((await fetch(room.handle.url)).headers.get('x-powered-by')).toBeNull();
});

test('what the command hands over is served beside the receiver', async () => {
  await using room = await openRoom();
  const router = express.Router();
  router.get('/api/hubspot/sync-status', (_request, response) => {
    response.json({ success: true });
  });
  const { registry, close } = createMetrics(room.options.events, { processMetrics: false });
  const ready = async () => ({ ready: false, checks: { 'cdc.slot': { ok: false } } });
  await using other = await startWebhook({ ...room.options, registry, ready, routes: [router] });
  const get = async (path: string) => (await fetch(other.url + path)).text();
  expect(await get('/api/hubspot/sync-status')).toBe('{"success":true}');
  expect(await get('/readyz')).toContain('cdc.slot');
  expect(await other.ready()).toMatchObject({ ready: true });
  expect((await request(other.url).post('/webhooks/hubspot')).status).toBe(401);
  expect(await get('/metrics')).toContain('pg_hubspot_sync_webhook_requests_total{status="401"} 1');
  close();
});

test('a database without the sync’s tables is said so at the start', async () => {
  await using room = await openRoom();
  const config = { ...room.options.config, schema: 'elsewhere' };
  await expect(startWebhook({ ...room.options, config })).rejects.toMatchObject({
    code: 'NOT_INITIALISED',
  });
});
