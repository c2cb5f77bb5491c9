import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningCli, runCli, startCli } from '../support/cli.ts';
import { freePort } from '../support/free-port.ts';

let cwd: string;

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'cli-'));
});
afterAll(() => rm(cwd, { recursive: true, force: true }));

async function emulator(): Promise<{ cli: RunningCli; port: string; url: string }> {
  const port = String(await freePort());
  const cli = startCli(['emulator'], { cwd, env: { EMULATOR_PORT: port } });
  await cli.says(/emulator: http/);
  return { cli, port, url: `http://127.0.0.1:${port}` };
}

describe('wrong usage exits with 64 and a sentence', () => {
  test.each([
    [['frobnicate'], /^error: unknown command 'frobnicate'/],
    [['status', '--frobnicate'], /^error: unknown option '--frobnicate'/],
    [['start', 'extra'], /^error: too many arguments for 'start'/],
    [['status', '--port'], /^error: option '--port <value>' argument missing/],
    [[], /^Usage: pg-hubspot-sync/],
  ])('%j', async (args, sentence) => {
    const { code, stdout, stderr } = await runCli(args, { cwd });
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
    expect(stderr).toMatch(sentence);
  });

  test('as JSON where it was asked for', async () => {
    const { code, stdout } = await runCli(['status', '--bad', '--json'], { cwd });
    expect(code).toBe(64);
    expect(JSON.parse(stdout)).toEqual({
      command: 'status',
      ok: false,
      result: null,
      error: {
        code: 'USAGE',
        message: "unknown option '--bad'",
        advice: 'See pg-hubspot-sync --help.',
      },
    });
  });

  test('emptying a database that is the user’s', async () => {
    const { code, stderr } = await runCli(['start', '--reset'], {
      cwd,
      env: { DATABASE_URL: 'postgres://127.0.0.1:1/x' },
    });
    expect(code).toBe(64);
    expect(stderr).toContain('--reset empties the embedded database');
  });
});

test('help names every command and setting, and is success', async () => {
  const { code, stdout } = await runCli(['--help'], { cwd });
  expect(code).toBe(0);
  for (const word of ['start', 'doctor', 'reconcile', 'HUBSPOT_CLIENT_SECRET', '--cdc-port']) {
    expect(stdout).toContain(word);
  }
});

describe('a failure exits with 1 and one sentence without a stack trace', () => {
  const oneSentence = (stderr: string) => {
    expect(stderr).not.toMatch(/^\s+at /m);
    return stderr.trim();
  };

  test('a wrong variable', async () => {
    const { code, stderr } = await runCli(['start'], { cwd, env: { PORT: 'http' } });
    expect(code).toBe(1);
    expect(oneSentence(stderr)).toBe(
      'error: PORT must be a port, 0 to 65535 (0: any free one), not `http`. Correct the variable; docs/config.md explains each one. [CONFIG_INVALID]',
    );
  });

  test('a server that nobody runs', async () => {
    const port = await freePort();
    const env = { DATABASE_URL: `postgres://me:hunter2@127.0.0.1:${port}/crm` };
    const { code, stderr } = await runCli(['status'], { cwd, env });
    expect(code).toBe(1);
    expect(oneSentence(stderr)).toMatch(
      new RegExp(`^error: Can’t reach Postgres at 127.0.0.1:${port}/crm: nobody listens there`),
    );
    expect(stderr).not.toContain('hunter2');
  });

  test('a server that never answers, within 15 s', async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((done) => silent.listen(0, '127.0.0.1', done));
    const { port } = silent.address() as AddressInfo;
    const begun = Date.now();
    const env = { DATABASE_URL: `postgres://me@127.0.0.1:${port}/crm` };
    const { code, stderr } = await runCli(['status', '--json'], { cwd, env });
    expect(code).toBe(1);
    expect(oneSentence(stderr)).toContain('no answer');
    expect(Date.now() - begun).toBeLessThan(15_000);
    silent.close();
  });

  test('a port in use', async () => {
    const first = await emulator();
    const { code, stderr } = await runCli(['emulator'], {
      cwd,
      env: { EMULATOR_PORT: first.port },
    });
    expect(code).toBe(1);
    expect(oneSentence(stderr)).toContain(
      `Port ${first.port} on 127.0.0.1 is in use (EMULATOR_PORT).`,
    );
    await first.cli.kill('SIGKILL');
  });

  test('as JSON, on stdout, with the code and the advice', async () => {
    const { code, stdout } = await runCli(['status', '--json'], { cwd, env: { PORT: '-1' } });
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      command: 'status',
      ok: false,
      error: { code: 'CONFIG_INVALID', advice: expect.stringContaining('docs/config.md') },
    });
  });
});

test.each(['SIGTERM', 'SIGINT'] as const)('%s ends a running command cleanly', async (signal) => {
  const { cli, url } = await emulator();
  expect((await fetch(`${url}/_emulator/stats`)).status).toBe(200);
  const { code, stderr } = await cli.kill(signal);
  expect(code).toBe(0);
  expect(stderr).toContain('draining');
});
