/**
 * The product as it runs: the real command line in processes of its own (emulator, cdc, webhook)
 * against a real database, each test with its own ports, slot and folders.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../shared/service/package-root.ts';
import { type RunningCli, runCli, startCli } from '../support/cli.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';

export const secret = 'a-secret-of-the-test';
export const portalId = 12_345_678;
export const appId = 1_234_567;

export type Room = 'cdc' | 'webhook';

export interface EmulatedRecord {
  readonly id: string;
  readonly archived: boolean;
  readonly properties: Readonly<Record<string, string | null>>;
}

export interface Stats {
  readonly calls: Readonly<
    Record<string, { count: number; inputs: number; status: Record<string, number> }>
  >;
  readonly objects: Readonly<Record<string, number>>;
  readonly rateLimited: number;
  readonly webhooks: { readonly pending: number; readonly delivered: number };
}

export interface Stack extends AsyncDisposable {
  readonly db: TestDatabase;
  readonly env: Readonly<Record<string, string>>;
  readonly webhookUrl: string;
  readonly emulatorUrl: string;
  start(...rooms: Room[]): Promise<void>;
  kill(room: Room, signal?: NodeJS.Signals): Promise<void>;
  run(...args: string[]): ReturnType<typeof runCli>;
  /** What the rooms said on stderr so far. */
  logs(): string;
  /** A control path of the emulator; throws on anything but 2xx. */
  control<T>(method: string, path: string, body?: unknown): Promise<T>;
  records(object: string): Promise<EmulatedRecord[]>;
  record(object: string, id: string): Promise<EmulatedRecord>;
  stats(): Promise<Stats>;
  /** Writes of the API so far: batch calls that can change something, and associations. */
  writes(): Promise<number>;
  /** Waits until nothing waits, is under way, in doubt or to be compared, on either side. */
  quiet(timeoutMs?: number): Promise<void>;
}

export interface StackOptions {
  /** SQL that is run after the application's tables are made and before `init`. */
  readonly sql?: string;
  /** Further variables for the rooms. */
  readonly env?: Readonly<Record<string, string>>;
  /** Called with the emulator's URL before `init`, to make records that rows stand for. */
  readonly seed?: (stack: Pick<Stack, 'control' | 'db'>) => Promise<void>;
}

export async function createStack(options: StackOptions = {}): Promise<Stack> {
  const trs = await readFile(join(packageRoot, 'demo', 'trs.sql'), 'utf8');
  const db = await createTestDatabase(trs + (options.sql ?? ''));
  const cwd = await mkdtemp(join(tmpdir(), 'stack-'));
  const [port, cdcPort, emulatorPort] = await Promise.all([freePort(), freePort(), freePort()]);
  const webhookUrl = `http://127.0.0.1:${port}/webhooks/hubspot`;
  const emulatorUrl = `http://127.0.0.1:${emulatorPort}`;
  const env: Record<string, string> = {
    DATABASE_URL: db.url,
    HUBSPOT_BASE_URL: emulatorUrl,
    HUBSPOT_ACCESS_TOKEN: 'pat-emulator',
    HUBSPOT_CLIENT_SECRET: secret,
    HUBSPOT_APP_ID: String(appId),
    HUBSPOT_PORTAL_ID: String(portalId),
    WEBHOOK_PUBLIC_URL: webhookUrl,
    MAPPING_FILE: join(packageRoot, 'sync.yaml'),
    CDC_SLOT: db.name,
    PORT: String(port),
    CDC_PORT: String(cdcPort),
    EMULATOR_PORT: String(emulatorPort),
    DATA_DIR: join(cwd, 'data'),
    LOG_FORMAT: 'json',
    LOG_LEVEL: 'debug',
    ...options.env,
  };
  const emulator = startCli(['emulator'], { cwd, env });
  await emulator.says(/emulator: http/);
  const rooms = new Map<Room, RunningCli>();
  const said: string[] = [];

  const run = (...args: string[]) => runCli(args, { cwd, env });
  const control = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const response = await fetch(`${emulatorUrl}/_emulator${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  };
  const stats = () => control<Stats>('GET', '/stats');
  const must = async (...args: string[]) => {
    const { code, stderr } = await run(...args);
    if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${stderr}`);
  };
  const stop = async () => {
    await Promise.all([...rooms.values()].map((room) => room.kill('SIGKILL')));
    await emulator.kill('SIGKILL');
    await db.drop();
    await rm(cwd, { recursive: true, force: true });
  };
  try {
    await options.seed?.({ control, db });
    await must('init');
    await must('doctor', '--fix');
  } catch (error) {
    await stop();
    throw error;
  }
  const stack: Stack = {
    db,
    env,
    webhookUrl,
    emulatorUrl,
    async start(...names) {
      await Promise.all(
        names.map(async (name) => {
          const room = startCli([name], { cwd, env });
          rooms.set(name, room);
          await room.ready(`http://127.0.0.1:${name === 'cdc' ? cdcPort : port}`);
        }),
      );
    },
    async kill(name, signal = 'SIGKILL') {
      const room = rooms.get(name);
      if (!room) throw new Error(`${name} doesn't run`);
      const { stderr } = await room.kill(signal);
      said.push(stderr);
      rooms.delete(name);
    },
    run,
    logs: () => [...said, ...[...rooms.values()].map((room) => room.stderr())].join('\n'),
    control,
    records: (object) => control('GET', `/objects/${object}`),
    record: (object, id) => control('GET', `/objects/${object}/${id}`),
    stats,
    async writes() {
      const { calls } = await stats();
      return Object.entries(calls)
        .filter(([call]) => /batch\/(create|update|upsert|archive)$|^(PATCH|DELETE|PUT)/.test(call))
        .reduce((sum, [, { count }]) => sum + count, 0);
    },
    async quiet(timeoutMs = 30_000) {
      let still = 0;
      await eventually(
        async () => {
          const [busy] = await db.query(
            `select (select count(*) from hubspot_sync.outbox)::int as outbox,
                    (select count(*) from hubspot_sync.inbox where state = 'new')::int as inbox,
                    (select count(*) from hubspot_sync.hubspot_id where wanted_at is not null)::int as wanted,
                    (select count(*) from hubspot_sync.record
                      where doubt_since is not null or call_since is not null or compare_since is not null)::int as busy,
                    (select pg_current_wal_insert_lsn() - confirmed_flush_lsn from pg_replication_slots
                      where slot_name = $1)::int as behind`,
            [db.name],
          );
          const { webhooks } = await stats();
          const { behind, ...counts } = busy ?? {};
          const waiting = { ...counts, webhooks: webhooks.pending };
          const idle = Object.values(waiting).every((count) => count === 0);
          still = idle ? still + 1 : 0;
          // Something may be between two tables at one look; not at three in a row.
          if (still < 3) throw new Error(`waiting: ${JSON.stringify({ ...waiting, behind })}`);
        },
        { timeoutMs, what: 'quiet on both sides', everyMs: 150 },
      );
    },
    [Symbol.asyncDispose]: stop,
  };
  return stack;
}

/** Makes `count` deals in the emulator as a HubSpot user, and their rows. */
export async function seedDeals(
  { control, db }: Pick<Stack, 'control' | 'db'>,
  count: number,
): Promise<string[]> {
  await control('POST', '/webhooks', { lose: 1 });
  const ids: string[] = [];
  for (let i = 0; i < count; i += 1) {
    const { id } = await control<{ id: string }>('POST', '/objects/deals', {
      properties: {
        dealname: `Deal ${i}`,
        amount: String(1000 + i),
        pipeline: 'default',
        dealstage: 'contractsent',
      },
    });
    ids.push(id);
    await db.query(
      `insert into opportunities (id, name, amount, stage, probability)
       select $1, $2, $3, 'Negotiation', 0.9`,
      [`hs_${id}`, `Deal ${i}`, 1000 + i],
    );
  }
  await control('POST', '/webhooks', { lose: 0 });
  return ids;
}

/** Every mapped value of deals and their rows, by HubSpot id, in one form for both sides. */
export async function bothSides(
  stack: Stack,
): Promise<{ hubspot: Record<string, unknown>; postgres: Record<string, unknown> }> {
  const stages: Record<string, string> = {
    appointmentscheduled: 'Prospecting',
    qualifiedtobuy: 'Qualification',
    presentationscheduled: 'Proposal',
    decisionmakerboughtin: 'Decision',
    contractsent: 'Negotiation',
    closedwon: 'Closed Won',
    closedlost: 'Closed Lost',
  };
  const number = (value: unknown) => (value === null || value === undefined ? null : Number(value));
  const text = (value: unknown) => (value === '' || value === undefined ? null : value);
  const records = (await stack.records('deals')).filter(({ archived }) => !archived);
  const hubspot = Object.fromEntries(
    records.map(({ id, properties: p }) => [
      id,
      {
        name: text(p.dealname),
        amount: number(p.amount),
        stage: p.dealstage ? stages[p.dealstage] : null,
        close_date: p.closedate ? p.closedate.slice(0, 10) : null,
        next_step: text(p.hs_next_step),
      },
    ]),
  );
  const rows = await stack.db.query(
    `select coalesce(r.hubspot_id, 'unlinked ' || o.id) as hubspot_id, o.name, o.amount, o.stage,
            to_char(o.close_date, 'YYYY-MM-DD') as close_date, o.next_step
       from opportunities o
       left join hubspot_sync.record r on r.object_type = 'deals' and r.key = o.id`,
  );
  const postgres = Object.fromEntries(
    rows.map(({ hubspot_id, name, amount, stage, close_date, next_step }) => [
      hubspot_id,
      { name, amount: number(amount), stage, close_date, next_step },
    ]),
  );
  return { hubspot, postgres };
}
