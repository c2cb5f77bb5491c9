import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmulator } from '../../emulator/server.ts';
import { packageRoot } from '../../shared/service/package-root.ts';
import { runCli, startCli } from '../support/cli.ts';
import { createTestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';

const app = { clientSecret: 'own-secret', appId: 4242, portalId: 987 };

async function prepare() {
  const sql = await readFile(join(packageRoot, 'demo', 'trs.sql'), 'utf8');
  const db = await createTestDatabase(sql);
  const [port, cdc, hubspot] = await Promise.all([freePort(), freePort(), freePort()]);
  const url = `http://127.0.0.1:${port}`;
  const env = {
    DATABASE_URL: db.url,
    CDC_SLOT: db.name,
    CDC_PUBLICATION: db.name,
    PORT: String(port),
    CDC_PORT: String(cdc),
    HUBSPOT_BASE_URL: `http://127.0.0.1:${hubspot}`,
    HUBSPOT_CLIENT_SECRET: app.clientSecret,
    HUBSPOT_APP_ID: String(app.appId),
  };
  const folder = await mkdtemp(join(tmpdir(), 'own-'));
  const emulate = () =>
    startEmulator({
      port: hubspot,
      ...app,
      dataDir: folder,
      webhookUrl: `${url}/webhooks/hubspot`,
    });
  const end = async () => {
    await db.drop();
    await rm(folder, { recursive: true, force: true });
  };
  return { db, env, url, emulate, [Symbol.asyncDispose]: end };
}

test('with a database and a HubSpot of the user’s nothing of the demo appears, and both stay equal', async () => {
  await using prepared = await prepare();
  const { db, env, url, emulate } = prepared;
  await db.query(`insert into clients (id, name) values ('before', 'Was here')`);
  const hubspot = await emulate();
  const cli = startCli(['start'], { env });
  try {
    await cli.ready(url);
    expect(await db.query('select id from clients')).toEqual([{ id: 'before' }]);
    expect(cli.stdout()).not.toContain('Try:');
    await db.query(`insert into clients (id, name) values ('after', 'Is new')`);
    const link = await eventually(async () => {
      const [row] = await db.query(
        `select hubspot_id from hubspot_sync.record where key = 'after' and hubspot_id is not null`,
      );
      return row?.hubspot_id ?? false;
    });
    const object = `${hubspot.url}/_emulator/objects/companies/${link}`;
    await fetch(object, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ properties: { country: 'Kenya' } }),
    });
    await eventually(async () => {
      // The account's id wasn't set: it was asked from HubSpot, else the event were another's.
      expect(await db.query(`select region from clients where id = 'after'`)).toEqual([
        { region: 'Kenya' },
      ]);
    });

    const ask = async (...args: string[]) => {
      const { code, stdout } = await runCli([...args, '--json'], { env });
      return { code, ...JSON.parse(stdout) };
    };
    expect(await ask('doctor')).toMatchObject({ code: 0, ok: true });
    expect(await ask('status')).toMatchObject({
      code: 0,
      result: {
        slot: { active: true, walStatus: 'reserved' },
        objects: [{ id: 'companies', linked: 1, outbound: 0 }],
      },
    });
    expect(await ask('reconcile')).toMatchObject({ code: 0, result: { doubted: 1, judged: 1 } });

    expect((await cli.kill('SIGTERM')).code).toBe(0);
    // Nobody reads them now: neither run may look as if everything were equal.
    for (const _ of [1, 2]) {
      expect(await ask('reconcile')).toMatchObject({
        code: 1,
        result: { doubted: 1, judged: 0 },
        error: { code: 'CDC_NOT_RUNNING' },
      });
    }
  } finally {
    await cli[Symbol.asyncDispose]();
    await hubspot.stop();
  }
});

test('HubSpot away: an error at the first set-up, and no reason to stop reading the WAL later', async () => {
  await using prepared = await prepare();
  const { db, env, url, emulate } = prepared;
  const refused = await runCli(['start'], { env });
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(/^error: Can’t reach HubSpot at http:.*nobody listens there/m);

  const hubspot = await emulate();
  const first = startCli(['start'], { env });
  try {
    await first.ready(url);
  } finally {
    await first.kill('SIGTERM');
    await hubspot.stop();
  }
  const second = startCli(['start'], { env });
  try {
    await second.ready(url);
    await db.query(`insert into clients (id, name) values ('waits', 'For HubSpot')`);
    await eventually(async () => {
      expect(
        await db.query(`select key from hubspot_sync.outbox where object_type = 'companies'`),
      ).toEqual([{ key: 'waits' }]);
    });
    const back = await emulate();
    try {
      const options = { timeoutMs: 40_000, what: 'the delivery once HubSpot is back' };
      await eventually(async () => {
        const { objects } = (await (await fetch(`${back.url}/_emulator/stats`)).json()) as {
          objects: Record<string, number>;
        };
        return objects.companies === 1;
      }, options);
    } finally {
      await back.stop();
    }
  } finally {
    await second[Symbol.asyncDispose]();
  }
});
