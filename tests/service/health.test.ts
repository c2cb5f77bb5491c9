import { createServer } from 'node:http';
import { createEvents } from '../../shared/service/events.ts';
import { startHealthServer } from '../../shared/service/health.ts';
import { type Handle, type Readiness, readinessOf } from '../../shared/service/lifecycle.ts';
import { createMetrics } from '../../shared/service/metrics.ts';

const anyPort = { host: '127.0.0.1', port: 0 };

test('alive does not ask anybody, ready does, and says which check fails', async () => {
  let answer: Readiness = { ready: false, checks: { slot: { ok: false, detail: 'reconnecting' } } };
  let asked = 0;
  const server = await startHealthServer({
    ...anyPort,
    ready: async () => {
      asked += 1;
      return answer;
    },
  });
  for (const path of ['/livez', '/healthz']) {
    expect((await fetch(server.url + path)).status).toBe(200);
  }
  expect(asked).toBe(0);
  const notYet = await fetch(`${server.url}/readyz`);
  expect([notYet.status, await notYet.json()]).toEqual([503, answer]);
  answer = { ready: true, checks: { slot: { ok: true } } };
  expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  await server.close();
});

test('a readiness that throws is not ready', async () => {
  const server = await startHealthServer({
    ...anyPort,
    ready: () => Promise.reject(new Error('database away')),
  });
  const response = await fetch(`${server.url}/readyz`);
  expect([response.status, await response.text()]).toEqual([503, '{"ready":false,"checks":{}}']);
  await server.close();
});

test('metrics are served in the exposition format', async () => {
  const { registry } = createMetrics(createEvents());
  const server = await startHealthServer({ ...anyPort, ready: async () => true, registry });
  const response = await fetch(`${server.url}/metrics`);
  expect(response.headers.get('content-type')).toContain('text/plain');
  expect(await response.text()).toContain('# TYPE pg_hubspot_sync_outbound_changes_total counter');
  await server.close();
});

test('a port in use is an error with the port and the variable that names it', async () => {
  const other = createServer();
  await new Promise<void>((done) => other.listen(0, '127.0.0.1', done));
  const { port } = other.address() as { port: number };
  await expect(
    startHealthServer({ host: '127.0.0.1', port, ready: async () => true }),
  ).rejects.toMatchObject({
    code: 'PORT_IN_USE',
    message: `Port ${port} on 127.0.0.1 is in use (CDC_PORT).`,
  });
  other.close();
});

test('the rooms’ readiness is one: all must be ready, and their checks keep their names', async () => {
  const room = (ready: Handle['ready']) => ({ ready });
  expect(
    await readinessOf({
      webhook: room(async () => true),
      cdc: room(async () => ({
        ready: false,
        checks: { slot: { ok: true }, hubspot: { ok: false, detail: 'no answer' } },
      })),
    }),
  ).toEqual({
    ready: false,
    checks: {
      webhook: { ok: true },
      'cdc.slot': { ok: true },
      'cdc.hubspot': { ok: false, detail: 'no answer' },
    },
  });
  const failing = room(() => Promise.reject(new Error('x')));
  expect((await readinessOf({ cdc: failing })).ready).toBe(false);
});
