/** A real process that is killed with SIGKILL, and another one that goes on from its journal. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { cliPath } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';
import { startReceiver } from './receiver.ts';
import { callsOf, createDeal, type RunningEmulator, SECRET, TOKEN } from './running.ts';

const built = join(dirname(cliPath), 'emulator', 'server.js');
const program = `
  const { startEmulator } = await import(process.argv[1]);
  const emulator = await startEmulator(JSON.parse(process.argv[2]));
  console.log(emulator.url);
`;

type Child = Pick<RunningEmulator, 'call' | 'control'> & { kill(): Promise<void> };

async function startChild(dataDir: string, webhookUrl: string): Promise<Child> {
  if (!existsSync(built)) throw new Error(`${built} is missing: run \`npm run build\` first`);
  const options = {
    port: 0,
    dataDir,
    webhookUrl,
    token: TOKEN,
    clientSecret: SECRET,
    appId: 1,
    portalId: 2,
    behaviour: { derivedBumpChance: 0 },
  };
  const child: ChildProcess = spawn(
    process.execPath,
    ['--input-type=module', '-e', program, pathToFileURL(built).href, JSON.stringify(options)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  return {
    ...callsOf(line.toString().trim()),
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
  };
}

async function withFolder(work: (folder: string, track: (child: Child) => Child) => Promise<void>) {
  const folder = await mkdtemp(join(tmpdir(), 'emulator-'));
  const children: Child[] = [];
  const track = (child: Child) => {
    children.push(child);
    return child;
  };
  try {
    await work(folder, track);
  } finally {
    for (const child of children) await child.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

const DEALS = '/crm/v3/objects/deals';

test('a late write that is pending at SIGKILL is carried out after the restart, once', () =>
  withFolder(async (folder, track) => {
    await using receiver = await startReceiver();
    const first = track(await startChild(folder, receiver.url));
    await first.control('POST', '/faults', { match: `POST ${DEALS}`, lateMs: 1_500 });
    const create = first.call('POST', DEALS, { properties: { dealname: 'late' } });
    await expect(create).rejects.toThrow('fetch failed');
    const sent = Date.now();
    await first.kill();

    const second = track(await startChild(folder, receiver.url));
    expect((await second.control('GET', '/stats')).body.objects.deals).toBe(0);
    await eventually(async () => (await second.control('GET', '/stats')).body.objects.deals === 1);
    expect(Date.now() - sent).toBeGreaterThan(1_300);
    await eventually(() => receiver.events().some((event) => event.propertyValue === 'late'));
    await second.kill();

    const third = track(await startChild(folder, receiver.url));
    const { body } = await third.control('GET', '/objects/deals');
    expect(body.map((deal: { properties: object }) => deal.properties)).toMatchObject([
      { dealname: 'late' },
    ]);
  }));

test('a late write that fell due while nothing ran is carried out at once', () =>
  withFolder(async (folder, track) => {
    await using receiver = await startReceiver();
    const first = track(await startChild(folder, receiver.url));
    const id = await createDeal(first, 'before');
    await first.control('POST', '/faults', { match: `PATCH ${DEALS}/*`, lateMs: 400 });
    const edit = first.call('PATCH', `${DEALS}/${id}`, { properties: { dealname: 'late' } });
    await expect(edit).rejects.toThrow('fetch failed');
    const due = Date.now() + 400;
    await first.kill();
    await eventually(() => Date.now() > due);

    const second = track(await startChild(folder, receiver.url));
    await eventually(
      async () =>
        (await second.control('GET', `/objects/deals/${id}`)).body.properties.dealname === 'late',
    );
  }));

test('records, history, counts, faults, switches and the day come back as they were', () =>
  withFolder(async (folder, track) => {
    await using receiver = await startReceiver();
    const first = track(await startChild(folder, receiver.url));
    const id = await createDeal(first, 'one');
    await first.call('PATCH', `${DEALS}/${id}`, { properties: { dealname: 'two' } });
    await first.control('POST', '/faults', { match: `GET ${DEALS}`, status: 500, times: 2 });
    await first.call('GET', DEALS);
    await first.control('POST', '/behaviour', { retryAfter: 'seconds' });
    const look = async (child: Child) => ({
      deal: (await child.control('GET', `/objects/deals/${id}`)).body,
      faults: (await child.control('GET', '/faults')).body,
      switches: (await child.control('GET', '/behaviour')).body,
      calls: (await child.control('GET', '/stats')).body.calls,
    });
    const before = await look(first);
    expect(before.faults).toMatchObject([{ remaining: 1, hits: 1 }]);
    await first.kill();

    const second = track(await startChild(folder, receiver.url));
    expect(await look(second)).toEqual(before);
    const next = await second.call('PATCH', `${DEALS}/${id}`, { properties: { dealname: 'two' } });
    expect(next.headers.get('x-hubspot-ratelimit-daily-remaining')).toBe('624997');
  }));

test('of a stream of edits, none that was answered is lost, nor its webhook, over five kills', () =>
  withFolder(async (folder, track) => {
    await using receiver = await startReceiver();
    const answered: string[] = [];
    let child = track(await startChild(folder, receiver.url));
    const id = await createDeal(child, 'start');
    for (let round = 0; round < 5; round += 1) {
      const edits = (async () => {
        for (let n = 0; ; n += 1) {
          const dealname = `${round}-${n}`;
          await child.call('PATCH', `${DEALS}/${id}`, { properties: { dealname } });
          answered.push(dealname);
        }
      })().catch(() => undefined);
      const count = answered.length;
      await eventually(() => answered.length > count + 10);
      await child.kill();
      await edits;
      child = track(await startChild(folder, receiver.url));
    }
    await eventually(
      async () => (await child.control('GET', '/stats')).body.webhooks.pending === 0,
    );
    const told = new Set(receiver.events().map((event) => event.propertyValue));
    expect(answered.filter((name) => !told.has(name))).toEqual([]);
    // What was written without an answer is announced too, and the last word stands.
    const { history, properties } = (await child.control('GET', `/objects/deals/${id}`)).body;
    const kept = history.dealname.map((entry: { value: string }) => entry.value);
    expect(kept.filter((name: string) => !told.has(name))).toEqual([]);
    expect(properties.dealname).toBe(kept[0]);
  }));
