import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import pg from 'pg';
import { isRunning } from '../../demo/leftover.ts';
import { type CliOptions, type RunningCli, runCli, startCli } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';

jest.setTimeout(120_000);

/** A demo of its own: an empty folder, and ports that nobody has. */
interface Demo {
  readonly folder: string;
  readonly options: CliOptions;
  readonly url: { readonly webhook: string; readonly emulator: string; readonly database: string };
  start(...args: string[]): RunningCli;
  query(sql: string, values?: unknown[]): Promise<Record<string, string>[]>;
  deal(id: string): Promise<Record<string, string>>;
  edit(id: string, properties: Record<string, string>): Promise<void>;
  postgresPid(): Promise<number>;
}

const demos: Demo[] = [];
const running: RunningCli[] = [];

async function createDemoFolder(): Promise<Demo> {
  const folder = await mkdtemp(join(tmpdir(), 'start-'));
  await chmod(folder, 0o755);
  const [port, cdc, emulator, database] = await Promise.all([
    freePort(),
    freePort(),
    freePort(),
    freePort(),
  ]);
  const env = {
    PORT: String(port),
    CDC_PORT: String(cdc),
    EMULATOR_PORT: String(emulator),
    EMBEDDED_POSTGRES_PORT: String(database),
  };
  const url = {
    webhook: `http://127.0.0.1:${port}`,
    emulator: `http://127.0.0.1:${emulator}`,
    database: `postgres://postgres:postgres@127.0.0.1:${database}/trs`,
  };
  const object = (id: string) => `${url.emulator}/_emulator/objects/deals/${id}`;
  const demo: Demo = {
    folder,
    options: { cwd: folder, env },
    url,
    start(...args) {
      const cli = startCli(['start', ...args], demo.options);
      running.push(cli);
      return cli;
    },
    async query(sql, values) {
      const client = new pg.Client({ connectionString: url.database });
      await client.connect();
      try {
        return (await client.query(sql, values)).rows;
      } finally {
        await client.end();
      }
    },
    async deal(id) {
      return ((await (await fetch(object(id))).json()) as { properties: Record<string, string> })
        .properties;
    },
    async edit(id, properties) {
      const response = await fetch(object(id), {
        method: 'PATCH',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ properties }),
      });
      expect(response.status).toBe(200);
    },
    postgresPid: async () =>
      Number(
        (await readFile(join(folder, '.pg-hubspot-sync', 'pg', 'postmaster.pid'), 'utf8')).split(
          '\n',
        )[0],
      ),
  };
  demos.push(demo);
  return demo;
}

afterEach(async () => {
  for (const cli of running.splice(0)) await cli[Symbol.asyncDispose]();
  for (const demo of demos.splice(0)) {
    const pid = await demo.postgresPid().catch(() => 0);
    if (pid && (await isRunning(pid))) process.kill(pid, 'SIGQUIT');
    await eventually(async () => !(pid && (await isRunning(pid))));
    await rm(demo.folder, { recursive: true, force: true });
  }
});

async function someDeals(demo: Demo, count: number): Promise<string[]> {
  const rows = await demo.query(`select id from opportunities order by id limit $1`, [count]);
  return rows.map(({ id }) => (id as string).slice('hs_'.length));
}

/** API writes that the emulator has seen, as one number. */
async function countWrites(demo: Demo): Promise<number> {
  const response = await fetch(`${demo.url.emulator}/_emulator/stats`);
  const { calls } = (await response.json()) as { calls: Record<string, { count: number }> };
  return Object.entries(calls)
    .filter(([call]) => /(create|update|upsert|archive)$|^(PATCH|PUT|DELETE)/.test(call))
    .reduce((sum, [, { count }]) => sum + count, 0);
}

/** Waits until the records that init linked are read and judged. */
async function settled(demo: Demo): Promise<void> {
  await eventually(
    async () => {
      const [row] = await demo.query(
        `select (select count(*) from hubspot_sync.record where doubt_since is not null)
           + (select count(*) from hubspot_sync.outbox) as n`,
      );
      expect(row?.n).toBe('0');
    },
    { timeoutMs: 20_000, what: 'the end of every doubt and of the outbox' },
  );
}

test('from nothing: ready within 20 s, changes travel both ways without an echo, a signal ends it', async () => {
  const demo = await createDemoFolder();
  const cli = demo.start();
  const begun = Date.now();
  await cli.ready(demo.url.webhook, 20_000);
  expect(Date.now() - begun).toBeLessThan(20_000);
  await cli.says(/Try:/);
  expect(cli.stdout()).toContain(demo.url.database);
  expect(cli.stdout()).toContain(`${demo.url.emulator}/_emulator/objects/deals/`);
  expect(cli.stdout()).toContain(`${demo.url.webhook}/api/hubspot/sync-status`);
  const [counted] = await demo.query('select count(*) as n from opportunities');
  expect(Number(counted?.n)).toBeGreaterThanOrEqual(250);
  await settled(demo);

  const [outward, inward] = (await someDeals(demo, 2)) as [string, string];
  await demo.query(`update opportunities set amount = 987654 where id = $1`, [`hs_${outward}`]);
  await eventually(async () => expect((await demo.deal(outward)).amount).toBe('987654'), {
    timeoutMs: 2000,
    what: 'the amount in HubSpot',
  });
  await demo.edit(inward, { hs_next_step: 'Shake hands' });
  await eventually(
    async () => {
      const [row] = await demo.query('select next_step from opportunities where id = $1', [
        `hs_${inward}`,
      ]);
      expect(row?.next_step).toBe('Shake hands');
    },
    { timeoutMs: 2000, what: 'the next step in Postgres' },
  );
  await cli.says(new RegExp(`→ deals hs_${outward}.* amount`));
  await cli.says(new RegExp(`← deals hs_${inward}.* hs_next_step`));

  const count = async () => ({
    writes: await countWrites(demo),
    rows: await demo.query('select id, xmin::text as version from opportunities order by id'),
  });
  const before = await count();
  await new Promise((done) => setTimeout(done, 3000)); // nothing to await: an echo would come now
  expect(await count()).toEqual(before);

  const status = await fetch(`${demo.url.webhook}/api/hubspot/sync-status`);
  expect(await status.json()).toMatchObject({
    success: true,
    stats: { opportunities_pending: 0, sync_errors_24h: 0 },
    recentLogs: expect.arrayContaining([expect.objectContaining({ object_type: 'deals' })]),
  });

  const postgres = await demo.postgresPid();
  const { code, stdout, stderr } = await cli.kill('SIGTERM');
  expect(code).toBe(0);
  expect(await isRunning(postgres)).toBe(false);
  for (const value of ['987654', 'Shake hands']) expect(stdout + stderr).not.toContain(value);
});

test('killed with SIGKILL and started again at once: nothing is lost, in neither direction', async () => {
  const demo = await createDemoFolder();
  const first = demo.start();
  await first.ready(demo.url.webhook);
  await settled(demo);
  const ids = await someDeals(demo, 20);
  const [left, right] = [ids.slice(0, 10), ids.slice(10)];
  await demo.query(`update opportunities set name = name || ' (won)' where id = any ($1)`, [
    left.map((id) => `hs_${id}`),
  ]);
  for (const id of right) await demo.edit(id, { dealname: `Renamed ${id}` });
  await demo.query(`insert into opportunities (id, name) values ('born-here', 'A new one')`);
  await first.kill('SIGKILL');

  const second = demo.start();
  await second.ready(demo.url.webhook);
  await eventually(
    async () => {
      const rows = await demo.query('select id, name from opportunities where id = any ($1)', [
        ids.map((id) => `hs_${id}`),
      ]);
      for (const { id, name } of rows) {
        expect((await demo.deal((id as string).slice(3))).dealname).toBe(name);
      }
      for (const id of left) expect((await demo.deal(id)).dealname).toContain('(won)');
      for (const id of right) expect((await demo.deal(id)).dealname).toBe(`Renamed ${id}`);
      const [link] = await demo.query(
        `select hubspot_id from hubspot_sync.record where object_type = 'deals' and key = 'born-here'`,
      );
      expect((await demo.deal(link?.hubspot_id as string)).dealname).toBe('A new one');
    },
    { timeoutMs: 30_000, what: 'equality on both sides' },
  );
  const { objects } = (await (await fetch(`${demo.url.emulator}/_emulator/stats`)).json()) as {
    objects: Record<string, number>;
  };
  const [rows] = await demo.query('select count(*)::int as n from opportunities');
  expect(objects.deals).toBe(rows?.n);

  // A second start on the same folder is told so, and disturbs nothing.
  const other = await createDemoFolder();
  const refused = await runCli(['start', '--data-dir', join(demo.folder, '.pg-hubspot-sync')], {
    ...other.options,
  });
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(/another `pg-hubspot-sync start` \(pid \d+\) already uses/);
  expect((await fetch(`${demo.url.webhook}/readyz`)).status).toBe(200);

  // Ctrl-C under npm comes twice, from the terminal and passed on: that is one signal.
  process.kill(second.pid, 'SIGINT');
  expect((await second.kill('SIGINT')).code).toBe(0);
  const third = demo.start('--reset');
  await third.ready(demo.url.webhook);
  expect(await demo.query(`select 1 as n from opportunities where id = 'born-here'`)).toEqual([]);
  const [deal] = await someDeals(demo, 1);
  expect((await demo.deal(deal as string)).dealname).not.toMatch(/won|Renamed/);
});

test('a second signal ends it at once, the database with it', async () => {
  const demo = await createDemoFolder();
  const cli = demo.start();
  await cli.ready(demo.url.webhook);
  await cli.says(/Changes/);
  const postgres = await demo.postgresPid();
  process.kill(cli.pid, 'SIGINT');
  const { code } = await cli.kill('SIGTERM');
  expect(code).toBe(1);
  await eventually(async () => !(await isRunning(postgres)), { what: 'the end of Postgres' });
});

test('a port in use is one sentence, before anything is started', async () => {
  const demo = await createDemoFolder();
  const other = createServer();
  const port = Number(demo.options.env?.EMULATOR_PORT);
  await new Promise<void>((done) => other.listen(port, '127.0.0.1', done));
  const { code, stderr, stdout } = await demo.start().exited;
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr.trim().split('\n')).toEqual([
    expect.stringContaining(`Port ${port} on 127.0.0.1 is in use (EMULATOR_PORT).`),
  ]);
  await expect(demo.postgresPid()).rejects.toThrow('ENOENT');
  await new Promise((done) => other.close(done));
});

test('a server of the user’s that is away is one sentence, within 15 s', async () => {
  const demo = await createDemoFolder();
  const begun = Date.now();
  const { code, stderr } = await runCli(
    ['start', '--mapping-file', join(process.cwd(), 'sync.yaml')],
    {
      ...demo.options,
      env: { ...demo.options.env, PGHOST: '127.0.0.1', PGPORT: String(await freePort()) },
    },
  );
  expect(code).toBe(1);
  expect(stderr.trim().split('\n')).toEqual([
    expect.stringContaining('nobody listens there (ECONNREFUSED)'),
  ]);
  expect(Date.now() - begun).toBeLessThan(15_000);
});
