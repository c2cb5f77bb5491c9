/**
 * What the demo stands on: the embedded Postgres, the application's tables with rows on both sides, the
 * emulator. Each part answers a handle, or does its work once.
 */
import { existsSync } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import pg from 'pg';
import { withDemoCredentials } from '../../demo/credentials.ts';
import type { EmbeddedPostgres } from '../../demo/embedded-postgres.ts';
import { type Config, embeddedDatabase } from '../../shared/service/config.ts';
import { serviceError } from '../../shared/service/errors.ts';
import type { Handle } from '../../shared/service/lifecycle.ts';
import type { Logger } from '../../shared/service/logger.ts';
import { sayPortInUse } from '../reach.ts';

/** A handle for something that only has an end. `fails` rejects the promise. */
export function handleFrom(end: () => Promise<void>, fails?: Promise<Error>): Handle {
  let resolve: () => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  promise.catch(() => undefined);
  void fails?.then((error) => reject(error));
  let ended: Promise<void> | undefined;
  const stop = () => {
    ended ??= end().then(resolve);
    return ended;
  };
  return { promise, ready: async () => true, stop, [Symbol.asyncDispose]: stop };
}

/** @throws SyncError ALREADY_RUNNING, DATA_DIR_UNUSABLE */
export async function claimDataDir(dataDir: string): Promise<Handle> {
  const { claimFolder } = await import('../../demo/leftover.ts');
  const unusable = (error: NodeJS.ErrnoException) => {
    const reasons: Readonly<Record<string, string>> = {
      EEXIST: 'it, or a part of its path, is a file',
      ENOTDIR: 'it, or a part of its path, is a file',
      EACCES: 'this user may not write there',
      EPERM: 'this user may not write there',
      EROFS: 'the file system is read-only',
      ENOSPC: 'the disk is full',
    };
    const reason = reasons[error.code ?? ''] ?? `it can’t be made (${error.code})`;
    const message = `Can’t use the data folder ${dataDir} (DATA_DIR): ${reason}.`;
    return serviceError('DATA_DIR_UNUSABLE', message, { dataDir }, error);
  };
  await makeFolder(resolve(dataDir)).catch((error) => {
    throw unusable(error);
  });
  const release = await claimFolder(dataDir).catch((error: NodeJS.ErrnoException) => {
    if (error.syscall !== undefined) throw unusable(error);
    throw serviceError('ALREADY_RUNNING', error.message, { dataDir }, error);
  });
  return handleFrom(release);
}

/** Level by level: node's recursive mkdir never ends where a folder can't hold any, as /proc. */
async function makeFolder(folder: string): Promise<void> {
  if (existsSync(folder)) {
    if (!(await stat(folder)).isDirectory()) {
      throw Object.assign(new Error('not a folder'), { code: 'ENOTDIR' });
    }
    return;
  }
  await makeFolder(dirname(folder));
  await mkdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
}

export async function startDatabase(config: Config, log: Logger, reset: boolean): Promise<Handle> {
  const { startEmbeddedPostgres } = await import('../../demo/embedded-postgres.ts');
  const { endLeftover } = await import('../../demo/leftover.ts');
  const dataDir = join(config.dataDir, 'pg');
  let server: EmbeddedPostgres;
  try {
    if (reset) {
      await endLeftover(dataDir);
      for (const name of ['pg', 'pg.new', 'pg.log', 'emulator']) {
        await rm(join(config.dataDir, name), { recursive: true, force: true });
      }
      log.info({ dataDir: config.dataDir }, 'the demo’s database and HubSpot were emptied');
    }
    server = await startEmbeddedPostgres({
      dataDir,
      port: config.embeddedPort,
      user: embeddedDatabase.user,
      password: embeddedDatabase.password,
    });
  } catch (error) {
    const message = (error as Error).message;
    if (/is in use$/.test(message)) {
      const variable = 'EMBEDDED_POSTGRES_PORT';
      const port = config.embeddedPort;
      throw serviceError('PORT_IN_USE', `Port ${port} on 127.0.0.1 is in use (${variable}).`, {
        port,
        variable,
      });
    }
    throw serviceError('EMBEDDED_POSTGRES', message, undefined, error);
  }
  const died = server.died.then((reason) => serviceError('EMBEDDED_POSTGRES', reason));
  return handleFrom(() => server.stop(), died);
}

/** The application's database with its tables, and with sample rows on both sides of the emulator. */
export async function createDemoOnce(
  config: Config,
  log: Logger,
  emulated: boolean,
): Promise<void> {
  const { createDemo, hasDemo } = await import('../../demo/sample.ts');
  await createDatabase(config.databaseUrl);
  if (await hasDemo(config.databaseUrl)) return;
  if (!emulated) {
    await createDemo(config.databaseUrl);
    return;
  }
  const { startEmulator } = await import('../../emulator/server.ts');
  // Records without rows are what a start left that was cut short: the two are made together.
  await rm(emulatorFolder(config), { recursive: true, force: true });
  await mkdir(emulatorFolder(config), { recursive: true });
  const emulator = await startEmulator({
    ...emulatorOptions(config),
    port: 0,
    // Nobody is told of records that are about to be rows.
    webhookUrl: null,
    behaviour: { derivedBumpChance: 0 },
  });
  try {
    const counts = await createDemo(config.databaseUrl, {
      baseUrl: emulator.url,
      accessToken: config.emulator.token,
    });
    log.info(counts, 'sample data was made on both sides');
  } finally {
    await emulator.stop();
  }
}

async function createDatabase(databaseUrl: string): Promise<void> {
  const url = new URL(databaseUrl);
  const name = decodeURIComponent(url.pathname.slice(1));
  url.pathname = '/postgres';
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    const { rows } = await client.query('select 1 from pg_database where datname = $1', [name]);
    if (rows.length === 0) await client.query(`create database ${pg.escapeIdentifier(name)}`);
  } finally {
    await client.end();
  }
}

function emulatorFolder(config: Config): string {
  return join(config.dataDir, 'emulator');
}

function emulatorOptions(config: Config) {
  const { hubspot, emulator } = withDemoCredentials(config);
  return {
    host: emulator.host,
    port: emulator.port,
    dataDir: emulatorFolder(config),
    token: emulator.token,
    rateLimit: emulator.rateLimit,
    clientSecret: hubspot.clientSecrets[0] as string,
    appId: hubspot.appId,
    portalId: hubspot.portalId,
  };
}

export async function startEmulatorOf(
  config: Config,
  log: Logger,
): Promise<{ readonly url: string; readonly handle: Handle }> {
  const { startEmulator } = await import('../../emulator/server.ts');
  const emulator = await startEmulator({
    ...emulatorOptions(config),
    webhookUrl: config.webhook.publicUrl,
    log: log.child({ room: 'emulator' }),
  }).catch(sayPortInUse({ ...config.emulator, variable: 'EMULATOR_PORT' }));
  return { url: emulator.url, handle: handleFrom(() => emulator.stop()) };
}

export async function findSampleDeal(
  databaseUrl: string,
): Promise<{ key: string; hubspotId: string } | undefined> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query(
      `select id from opportunities where id like 'hs\\_%' order by id limit 1`,
    );
    const key = rows[0]?.id as string | undefined;
    return key === undefined ? undefined : { key, hubspotId: key.slice(3) };
  } finally {
    await client.end();
  }
}
