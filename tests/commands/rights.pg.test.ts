import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDemo } from '../../demo/sample.ts';
import { packageRoot } from '../../shared/service/package-root.ts';
import { runCli } from '../support/cli.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { freePort } from '../support/free-port.ts';

let cwd: string;

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'rights-'));
  await copyFile(join(packageRoot, 'sync.yaml'), join(cwd, 'sync.yaml'));
});
afterAll(() => rm(cwd, { recursive: true, force: true }));

/** A database with the application's tables, and the settings of a role that owns none of them. */
async function createStranger(db: TestDatabase, rights: (role: string) => string[]) {
  await createDemo(db.url);
  const role = `r_${db.name}`;
  await db.query(`create role ${role} login password 'p' replication`);
  for (const statement of rights(role)) await db.query(statement);
  const url = new URL(db.url);
  url.username = role;
  url.password = 'p';
  const port = await freePort();
  const env = {
    DATABASE_URL: url.href,
    CDC_SLOT: db.name,
    CDC_PUBLICATION: db.name,
    HUBSPOT_BASE_URL: `http://127.0.0.1:${port}`,
    HUBSPOT_CLIENT_SECRET: 's',
    HUBSPOT_APP_ID: '1',
    HUBSPOT_PORTAL_ID: '2',
    PORT: '0',
    CDC_PORT: '0',
  };
  const dropRole = async () => {
    await db.query(`drop owned by ${role}`);
    await db.query(`drop role ${role}`);
  };
  return { role, env, dropRole };
}

test('a role that may make nothing is told each right before anything is made', async () => {
  await using db = await createTestDatabase();
  const { role, env, dropRole } = await createStranger(db, (name) => [
    `grant select, insert, update on clients, contacts, opportunities to ${name}`,
  ]);
  const { code, stderr } = await runCli(['init'], { cwd, env });
  expect(code).toBe(1);
  expect(stderr).toContain(`may not create the schema hubspot_sync and the publication ${db.name}`);
  expect(stderr).toContain(`GRANT CREATE ON DATABASE ${db.name} TO ${role}`);
  expect(stderr).toContain(`${role} is not the owner of public.contacts`);
  expect(stderr).toContain('The mapping is sync.yaml. [PRECONDITIONS]');
  await dropRole();
});

test('a missing right of a role in use is PERMISSION_DENIED with what to grant, and no bug', async () => {
  await using db = await createTestDatabase();
  const { role, env, dropRole } = await createStranger(db, () => []);
  const init = await runCli(['init'], { cwd, env: { ...env, DATABASE_URL: db.url } });
  expect(init).toMatchObject({ code: 0 });
  expect(init.stdout).toMatch(
    /links: none\. No rows were linked: Can’t reach HubSpot.*init again\./,
  );
  expect(init.stderr).not.toContain('"stack"');
  for (const command of ['status', 'reconcile', 'cdc', 'webhook']) {
    const { code, stderr } = await runCli([command], { cwd, env });
    expect({ command, code }).toEqual({ command, code: 1 });
    expect(stderr).toContain(
      `GRANT USAGE, CREATE ON SCHEMA hubspot_sync TO ${role}\` as its owner.`,
    );
    expect(stderr).toContain('[PERMISSION_DENIED]');
  }
  await dropRole();
});

test('webhook does not run without knowing whose events it may take', async () => {
  await using db = await createTestDatabase();
  const { env, dropRole } = await createStranger(db, () => []);
  const hubspot = createServer((_request, response) => {
    response.writeHead(401).end('{}');
  });
  await new Promise<void>((done) => hubspot.listen(0, '127.0.0.1', done));
  const { port } = hubspot.address() as AddressInfo;
  const unknown = { ...env, DATABASE_URL: db.url, HUBSPOT_PORTAL_ID: undefined };
  const refused = await runCli(['webhook'], {
    cwd,
    env: { ...unknown, HUBSPOT_BASE_URL: `http://127.0.0.1:${port}` },
  });
  expect(refused).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/or set HUBSPOT_PORTAL_ID.*\[HUBSPOT_TOKEN_REFUSED\]/),
  });
  hubspot.close();
  const away = await runCli(['webhook'], { cwd, env: unknown });
  expect(away).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/or set HUBSPOT_PORTAL_ID.*\[HUBSPOT_UNREACHABLE\]/),
  });
  await dropRole();
});
