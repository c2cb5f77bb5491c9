import { spawn, spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../demo/embedded-postgres.ts';
import { claimFolder, isRunning } from '../../demo/leftover.ts';
import { chooseServerUser, findBinaries } from '../../demo/postgres-binaries.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';

let folder: string;
let dataDir: string;
let port: number;
const started: EmbeddedPostgres[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'embedded-'));
  await chmod(folder, 0o755);
  dataDir = join(folder, 'pg');
  port = await freePort();
});

afterEach(async () => {
  for (const server of started.splice(0)) await server.stop();
  await rm(folder, { recursive: true, force: true });
});

async function start(): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dataDir, port });
  started.push(server);
  return server;
}

async function query(server: EmbeddedPostgres, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: server.url('postgres') });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

test('a server that a killed parent left running is ended, and its data is there', async () => {
  const first = await start();
  await query(first, 'create table kept as select 1 as n');
  // The same as after a SIGKILL of the parent: nobody told the first one to stop.
  const second = await start();
  expect(second.pid).not.toBe(first.pid);
  expect(await isRunning(first.pid)).toBe(false);
  expect(await query(second, 'select n from kept')).toEqual([{ n: 1 }]);
});

test('a postmaster.pid of a killed and unreaped server does not keep a new one from starting', async () => {
  const first = await start();
  await query(first, 'create table kept as select 1 as n');
  await first.stop();
  const { postgres } = await findBinaries();
  const runAs = await chooseServerUser([folder]);
  // `sleep` takes the shell's place as the parent and never reaps: the killed server stays a zombie.
  const { file, args, ids } = runAs.command('sh', [
    '-c',
    '"$0" -D "$1" -p "$2" -c unix_socket_directories= >/dev/null 2>&1 & exec sleep 60',
    postgres,
    dataDir,
    String(port),
  ]);
  const parent = spawn(file, args, { ...ids, stdio: 'ignore' });
  const readPid = async () =>
    Number((await readFile(join(dataDir, 'postmaster.pid'), 'utf8')).split('\n')[0]);
  const pid = await eventually(async () => {
    expect(await readFile(join(dataDir, 'postmaster.pid'), 'utf8')).toContain('ready');
    return readPid();
  });
  process.kill(pid, 'SIGKILL');
  await eventually(async () => {
    expect(await readFile(`/proc/${pid}/stat`, 'utf8')).toContain(') Z ');
  });
  const second = await start();
  expect(await query(second, 'select n from kept')).toEqual([{ n: 1 }]);
  parent.kill('SIGKILL');
});

test('a foreign process with the number of a stale postmaster.pid is left alone', async () => {
  await (await start()).stop();
  const stranger = spawn('sleep', ['60'], { stdio: 'ignore' });
  await writeFile(join(dataDir, 'postmaster.pid'), `${stranger.pid}\n${dataDir}\n`);
  await start();
  expect(await isRunning(stranger.pid as number)).toBe(true);
  stranger.kill('SIGKILL');
});

test('a cluster whose making was cut short is made anew', async () => {
  await mkdir(`${dataDir}.new/base`, { recursive: true });
  await writeFile(`${dataDir}.new/PG_VERSION`, '18\n');
  expect(await query(await start(), 'select 1 as n')).toEqual([{ n: 1 }]);
});

test('a port in use is said in a sentence, before anything is started', async () => {
  const other: Server = createServer();
  await new Promise<void>((done) => other.listen(port, '127.0.0.1', done));
  await expect(start()).rejects.toThrow(`port ${port} on 127.0.0.1 is in use`);
  await new Promise((done) => other.close(done));
});

test('the end of the server that nobody asked for is told', async () => {
  const server = await start();
  process.kill(server.pid, 'SIGQUIT');
  await expect(server.died).resolves.toContain('Postgres ended by itself');
});

test('root runs the server in a folder that only root may enter', async () => {
  if (process.getuid?.() !== 0) return; // another user's folders are that user's to enter
  await chmod(folder, 0o700);
  // The server's programs may lie in there too, and they look for each other by access(2).
  const program = join(folder, 'program');
  await writeFile(program, '');
  await chmod(program, 0o755);
  const { file, args, ids } = (await chooseServerUser([folder])).command('test', ['-x', program]);
  expect(spawnSync(file, args, ids).status).toBe(0);
  expect(await query(await start(), 'select 1 as n')).toEqual([{ n: 1 }]);
});

test('a folder is claimed by one process; the note of a gone one does not count', async () => {
  const stranger = spawn('sleep', ['60'], { stdio: 'ignore' });
  const stat = await readFile(`/proc/${stranger.pid}/stat`, 'utf8').catch(() => '');
  const startTime = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  await writeFile(join(folder, 'start.pid'), `${stranger.pid} ${startTime}`);
  await expect(claimFolder(folder)).rejects.toThrow(`(pid ${stranger.pid}) already uses`);
  stranger.kill('SIGKILL');
  await eventually(async () => !(await isRunning(stranger.pid as number)));
  const release = await claimFolder(folder);
  expect(await readFile(join(folder, 'start.pid'), 'utf8')).toContain(`${process.pid} `);
  await release();
});

test('variables about the user’s own servers do not reach ours', async () => {
  const before = { ...process.env };
  Object.assign(process.env, { PGPORT: '9', PGDATA: '/nowhere' });
  let server: EmbeddedPostgres;
  try {
    server = await start();
  } finally {
    process.env = before;
  }
  const environment = await readFile(`/proc/${server.pid}/environ`, 'utf8').catch(() => '');
  // Postgres sets some for its own tools; those of ours that came from outside are not there.
  expect(environment).not.toMatch(/PGPORT=9|PGDATA=\/nowhere/);
  expect(await query(server, 'select 1 as n')).toEqual([{ n: 1 }]);
});
