/**
 * What a killed run left behind: a Postgres that outlived its parent, a `postmaster.pid` whose
 * process is gone, and the note of who uses the data folder.
 */
import { spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EmbeddedPostgresError } from './postgres-binaries.ts';

/** True while a process runs; a zombie, killed and not reaped yet, counts as gone. */
export async function isRunning(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const state = (await statFields(pid))?.[0];
  return state !== 'Z' && state !== 'X';
}

/** `/proc/<pid>/stat` from the state on; undefined where there is no such file (not Linux, or gone). */
async function statFields(pid: number): Promise<string[] | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
}

async function commandOf(pid: number): Promise<string> {
  const proc = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined);
  return (
    proc ?? spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).stdout
  );
}

/**
 * Ends a server that a killed parent left running on this folder, and removes a `postmaster.pid`
 * whose process is gone (Postgres itself mistakes a zombie for a living server).
 * @param dataDir absolute, as it was given to the server
 */
export async function endLeftover(dataDir: string): Promise<void> {
  const file = join(dataDir, 'postmaster.pid');
  const pid = Number((await readFile(file, 'utf8').catch(() => '')).split('\n')[0]);
  if (!pid) return;
  // The number may belong to somebody else's process by now.
  if ((await isRunning(pid)) && (await commandOf(pid)).includes(dataDir)) {
    process.kill(pid, 'SIGINT');
    await waitUntilGone(pid);
  }
  // Backends outlive a killed postmaster by a moment. The file is what keeps a new server from
  // writing beside them, so it goes only after the last one.
  for (let waited = 0; ; waited += 50) {
    const backends = await findProcessesIn(dataDir);
    if (backends.length === 0) break;
    if (waited === 5000) for (const backend of backends) kill(backend, 'SIGQUIT');
    if (waited === 10_000) for (const backend of backends) kill(backend, 'SIGKILL');
    if (waited > 15_000) {
      throw new EmbeddedPostgresError(`an old Postgres still works in ${dataDir} (${backends})`);
    }
    await delay(50);
  }
  await rm(file, { force: true });
}

/** Every process of a server works in its data folder; empty where there is no /proc. */
async function findProcessesIn(folder: string): Promise<number[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  const found: number[] = [];
  for (const pid of pids) {
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    if (cwd === folder && (await commandOf(Number(pid))).includes('postgres')) {
      if (await isRunning(Number(pid))) found.push(Number(pid));
    }
  }
  return found;
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself.
  }
}

/** Waits for the end of a server that was told to shut down; is less patient with it as time passes. */
export async function waitUntilGone(pid: number): Promise<void> {
  for (let waited = 0; await isRunning(pid); waited += 50) {
    if (waited === 8000) kill(pid, 'SIGQUIT');
    if (waited > 20_000) throw new EmbeddedPostgresError(`Postgres (pid ${pid}) does not stop`);
    await delay(50);
  }
}

/**
 * Notes in `<folder>/start.pid` that this process uses the folder, so that a second one doesn't take
 * our running server for a leftover. The note of a killed process doesn't count: the start time of
 * its number is noted too, since numbers are used again.
 * @returns a function that takes the note away
 * @throws EmbeddedPostgresError while another process uses the folder
 */
export async function claimFolder(folder: string): Promise<() => Promise<void>> {
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'start.pid');
  const [pid, startTime] = (await readFile(file, 'utf8').catch(() => '')).split(' ');
  if (pid && Number(pid) !== process.pid && (await isRunning(Number(pid)))) {
    const now = (await statFields(Number(pid)))?.[19];
    if (now === undefined || now === startTime) {
      throw new EmbeddedPostgresError(
        `another \`pg-hubspot-sync start\` (pid ${pid}) already uses ${folder}`,
      );
    }
  }
  await writeFile(file, `${process.pid} ${(await statFields(process.pid))?.[19] ?? ''}`);
  return () => rm(file, { force: true });
}
