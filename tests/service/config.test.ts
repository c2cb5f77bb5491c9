import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ConfigError,
  type ConfigSources,
  loadConfig,
  refuseEqualPorts,
  requireAppCredentials,
} from '../../shared/service/config.ts';
import { toSyncError } from '../../shared/service/errors.ts';

function load(env: Record<string, string> = {}, others: Partial<ConfigSources> = {}) {
  return loadConfig({ env, ...others });
}

function mistakes(env: Record<string, string>): string {
  try {
    load(env);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).message;
  }
  throw new Error('no mistake was found');
}

test('with nothing set there is the embedded Postgres and the emulator', () => {
  const config = load();
  expect(config).toMatchObject({
    databaseUrl: 'postgres://postgres:postgres@127.0.0.1:54329/trs',
    embedded: true,
    schema: 'hubspot_sync',
    mappingFile: 'sync.yaml',
    mappingFileGiven: false,
    dataDir: '.pg-hubspot-sync',
  });
  expect(config.hubspot).toMatchObject({
    baseUrl: 'http://127.0.0.1:4010',
    emulated: true,
    accessToken: 'pat-emulator',
    apiVersion: 'v3',
    rateLimit: 190,
    reservePercent: 20,
    searchLimit: 4,
    clientSecrets: [],
    portalId: 12345678,
  });
  expect(config.webhook).toEqual({
    host: '127.0.0.1',
    port: 3000,
    publicUrl: 'http://127.0.0.1:3000/webhooks/hubspot',
  });
  expect(config.cdc).toMatchObject({
    port: 9464,
    slot: 'pg_hubspot_sync',
    publication: 'pg_hubspot_sync',
    plugin: 'pgoutput',
    debounceMs: 250,
    maxWaitMs: 2000,
  });
});

test('a flag stands before the environment, that before .env, that before the default', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'config-'));
  const envFile = join(folder, '.env');
  await writeFile(envFile, 'PORT=3001\nCDC_PORT=3002\nDEBOUNCE_MS="30"\n');
  const config = loadConfig({
    env: { PORT: '3003', CDC_PORT: '3004' },
    envFile,
    flags: { port: '3005' },
  });
  expect(config.webhook.port).toBe(3005);
  expect(config.cdc.port).toBe(3004);
  expect(config.cdc.debounceMs).toBe(30);
  expect(config.cdc.maxWaitMs).toBe(2000);
  await rm(folder, { recursive: true });
});

test('a .env that is not there is no mistake, an empty variable is not set', () => {
  const config = load({ PORT: '', HUBSPOT_ACCESS_TOKEN: '' }, { envFile: '/nowhere/.env' });
  expect(config.webhook.port).toBe(3000);
  expect(config.hubspot.emulated).toBe(true);
});

test('a token without a base URL means the real HubSpot', () => {
  const { hubspot } = load({ HUBSPOT_ACCESS_TOKEN: 'pat-real' });
  expect(hubspot).toMatchObject({
    baseUrl: 'https://api.hubapi.com',
    emulated: false,
    accessToken: 'pat-real',
    portalId: undefined,
  });
});

test('a base URL means a HubSpot that runs elsewhere, with the emulator’s token by default', () => {
  const { hubspot } = load({ HUBSPOT_BASE_URL: 'http://127.0.0.1:4010/' });
  expect(hubspot).toMatchObject({
    baseUrl: 'http://127.0.0.1:4010',
    emulated: false,
    accessToken: 'pat-emulator',
  });
});

test('PGHOST and its companions choose a server where DATABASE_URL does not', () => {
  const libpq = {
    PGHOST: 'db',
    PGUSER: 'me',
    PGPASSWORD: 'p/w',
    PGDATABASE: 'crm',
    PGPORT: '6000',
  };
  expect(load(libpq)).toMatchObject({
    databaseUrl: 'postgres://me:p%2Fw@db:6000/crm',
    embedded: false,
  });
  expect(load({ PGHOST: '/run/pg', PGUSER: 'me', PGSSLMODE: 'disable' }).databaseUrl).toBe(
    'postgres://me@localhost/me?sslmode=disable&host=%2Frun%2Fpg',
  );
  expect(load({ ...libpq, DATABASE_URL: 'postgres://a@b/c' }).databaseUrl).toBe('postgres://a@b/c');
});

test.each([
  ['PORT', 'abc', 'PORT must be a port, 0 to 65535 (0: any free one), not `abc`.'],
  ['PORT', '70000', 'PORT must be a port, 0 to 65535 (0: any free one), not `70000`.'],
  ['DEBOUNCE_MS', '-1', 'DEBOUNCE_MS must be milliseconds, not `-1`.'],
  ['CDC_PLUGIN', 'test', 'CDC_PLUGIN must be pgoutput, not `test`.'],
  [
    'HUBSPOT_API_VERSION',
    'v9',
    'HUBSPOT_API_VERSION must be v3 or a dated version such as 2026-09, not `v9`.',
  ],
  [
    'CDC_PLUGIN',
    'wal2json',
    'CDC_PLUGIN must be pgoutput, since wal2json is not carried out yet, not `wal2json`.',
  ],
  [
    'CDC_PUBLICATION',
    'a b',
    'CDC_PUBLICATION must be a name without blanks, quotes and commas, not `a b`.',
  ],
  ['EMULATOR_TOKEN', 'a b', 'EMULATOR_TOKEN must be a text without blanks, not `a b`.'],
  ['EMBEDDED_POSTGRES_PORT', '0', 'EMBEDDED_POSTGRES_PORT must be a port, 1 to 65535, not `0`.'],
  ['LISTEN_HOST', 'x y', 'LISTEN_HOST must be an IP address or a host’s name, not `x y`.'],
  [
    'DATABASE_URL',
    'postgres://a@b:99999/c',
    'DATABASE_URL must name a port from 1 to 65535, or none.',
  ],
  [
    'RECONCILE_CRON',
    '60 * * * *',
    'RECONCILE_CRON must be five cron fields, or off, not `60 * * * *`.',
  ],
  ['RECONCILE_CRON', 'hourly', 'RECONCILE_CRON must be five cron fields, or off, not `hourly`.'],
])('%s=%s is told in one sentence', (variable, value, sentence) => {
  expect(mistakes({ [variable]: value })).toBe(sentence);
});

test('every wrong variable gets its sentence, and a secret’s value is never repeated', () => {
  const message = mistakes({ PORT: 'x', DATABASE_URL: 'mysql://root:hunter2@db/x' });
  expect(message.split('\n')).toHaveLength(2);
  expect(message).toContain('DATABASE_URL must be a URL that starts with postgres://');
  expect(message).not.toContain('hunter2');
});

test('a wrong line of .env is told with the file’s name', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'config-'));
  const envFile = join(folder, '.env');
  await writeFile(envFile, 'PORT=x\n');
  expect(() => loadConfig({ env: {}, envFile })).toThrow(`PORT (${envFile}) must be a port`);
  await rm(folder, { recursive: true });
});

test('two client secrets stand while one is rotated, three are a mistake', () => {
  expect(load({ HUBSPOT_CLIENT_SECRET: 'a, b' }).hubspot.clientSecrets).toEqual(['a', 'b']);
  expect(mistakes({ HUBSPOT_CLIENT_SECRET: 'a,b,c' })).toContain('HUBSPOT_CLIENT_SECRET must be');
});

test('the public URL gets the webhook’s path where it has none, and is left alone otherwise', () => {
  const publicUrl = (url: string) => load({ WEBHOOK_PUBLIC_URL: url }).webhook.publicUrl;
  expect(publicUrl('https://crm.example.com')).toBe('https://crm.example.com/webhooks/hubspot');
  expect(publicUrl('https://crm.example.com/in?a=1')).toBe('https://crm.example.com/in?a=1');
});

test('a room on its own requires the app’s secret and id, each missing one in a sentence', () => {
  expect(() => requireAppCredentials(load())).toThrow(
    /^HUBSPOT_CLIENT_SECRET is missing; .*\nHUBSPOT_APP_ID is missing; /,
  );
  requireAppCredentials(load({ HUBSPOT_CLIENT_SECRET: 's', HUBSPOT_APP_ID: '7' }));
});

test('what is not carried out yet is named when it is set to something', () => {
  const set = (env: Record<string, string>) => load(env).notCarriedOut;
  expect(set({})).toEqual([]);
  expect(set({ RECONCILE_CRON: 'off', REPLAY_RETENTION_MB: '0' })).toEqual([]);
  expect(
    set({
      RECONCILE_CRON: '*/15 0-6,22 * * 1-5',
      REPLAY_RETENTION_MB: '5',
      NOTIFY_URL: 'https://example.com',
    }),
  ).toEqual(['REPLAY_RETENTION_MB', 'RECONCILE_CRON', 'NOTIFY_URL']);
});

test('start refuses two equal ports, unless any free one is meant or one of them is not used', () => {
  expect(() => refuseEqualPorts(load({ PORT: '5000', EMULATOR_PORT: '5000' }))).toThrow(
    'PORT and EMULATOR_PORT are both 5000.',
  );
  refuseEqualPorts(load({ PORT: '0', CDC_PORT: '0' }));
  refuseEqualPorts(load({ PORT: '5000', EMULATOR_PORT: '5000', HUBSPOT_ACCESS_TOKEN: 'x' }));
});

test.each([
  [
    'permission denied for table deals',
    'GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE deals TO me',
  ],
  ['permission denied for database crm', 'GRANT CREATE ON DATABASE crm TO me'],
  ['permission denied for schema hubspot_sync', 'GRANT USAGE, CREATE ON SCHEMA hubspot_sync TO me'],
  ['must be owner of table deals', 'ALTER … deals OWNER TO me'],
  ['permission denied to use replication slots', 'ALTER ROLE me REPLICATION'],
])('a missing right is no bug: %s', (message, advice) => {
  const thrown = Object.assign(new Error(message), { code: '42501' });
  const { code, advice: given } = toSyncError(thrown, 'me');
  expect(code).toBe('PERMISSION_DENIED');
  expect(given).toContain(advice);
});
