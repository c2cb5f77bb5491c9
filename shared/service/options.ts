/**
 * Every setting, declared once with its explanation: the loader (config.ts), `--help` and
 * docs/config.md are all made from this table.
 */
import { z } from 'zod';
import { cron, databaseUrl, listenHost, publicationName } from './setting-forms.ts';

export interface Option<T = unknown> {
  /** Name of the environment variable; the flag is made from it (`flagOf`). */
  readonly variable: string;
  /** Reads the text of the variable; its error message completes "<variable> …". */
  readonly schema: z.ZodType<T>;
  /** Text that stands when nothing is set; read through the schema as well. */
  readonly default?: string;
  /** Shown instead of a default where the default depends on something. */
  readonly defaultSays?: string;
  readonly says: string;
  readonly group: Group;
  /** Never shown: not in an error, not in a log. */
  readonly secret?: true;
  /** Checked and reserved, but nothing reads it yet: whoever sets it is told so. */
  readonly later?: true;
}

export type Group = 'Postgres' | 'HubSpot' | 'Sync' | 'Servers' | 'Emulator' | 'Logs';

/** `HUBSPOT_APP_ID` -> `--hubspot-app-id`. */
export function flagOf(option: Pick<Option, 'variable'>): string {
  return `--${option.variable.toLowerCase().replaceAll('_', '-')}`;
}

interface Spec {
  readonly default?: string;
  readonly defaultSays?: string;
  readonly says: string;
  readonly secret?: true;
  readonly later?: true;
}

type ValueOf<T, S extends Spec> = S extends { default: string } ? T : T | undefined;

function group(name: Group) {
  return <T, const S extends Spec>(
    variable: string,
    schema: z.ZodType<T>,
    spec: S,
  ): Option<ValueOf<T, S>> =>
    ({ variable, schema, group: name, ...spec }) as unknown as Option<ValueOf<T, S>>;
}

function whole(what: string, min: number, max = Number.MAX_SAFE_INTEGER): z.ZodType<number> {
  const message = `must be ${what}`;
  return z
    .string()
    .regex(/^\d+$/, message)
    .transform(Number)
    .refine((n) => n >= min && n <= max, message);
}

const port = whole('a port, 0 to 65535 (0: any free one)', 0, 65_535);
const id = whole('a whole number above 0', 1);
const text = z.string();

function url(...protocols: string[]): z.ZodType<string> {
  const message = `must be a URL that starts with ${protocols.map((p) => `${p}://`).join(' or ')}`;
  return z.string().refine((value) => {
    if (!URL.canParse(value)) return false;
    return protocols.includes(new URL(value).protocol.slice(0, -1));
  }, message);
}

const postgres = group('Postgres');
const hubspot = group('HubSpot');
const sync = group('Sync');
const servers = group('Servers');
const emulator = group('Emulator');
const logs = group('Logs');

export const options = {
  databaseUrl: postgres('DATABASE_URL', databaseUrl, {
    defaultSays: 'PGHOST and its companions where set, else the embedded server of `start`',
    says: 'The database whose tables are kept equal with HubSpot.',
    secret: true,
  }),
  embeddedPort: postgres('EMBEDDED_POSTGRES_PORT', whole('a port, 1 to 65535', 1, 65_535), {
    default: '54329',
    says: 'Port of the embedded Postgres that `start` runs when no database is named.',
  }),
  schema: postgres(
    'SYNC_SCHEMA',
    z
      .string()
      .regex(
        /^(?!pg_)[a-z_][a-z0-9_]{0,62}$/,
        'must be a lower-case name of letters, digits and underscores, and not begin with pg_',
      ),
    {
      default: 'hubspot_sync',
      says: 'Schema of the tables of the sync itself; two portals can share a database with two schemas.',
    },
  ),
  slot: postgres(
    'CDC_SLOT',
    z
      .string()
      .regex(
        /^[a-z0-9_]{1,63}$/,
        'must be lower-case letters, digits and underscores, at most 63 of them',
      ),
    { default: 'pg_hubspot_sync', says: 'Name of the replication slot.' },
  ),
  publication: postgres('CDC_PUBLICATION', publicationName, {
    default: 'pg_hubspot_sync',
    says: 'Name of the publication that lists the mapped tables.',
  }),
  plugin: postgres(
    'CDC_PLUGIN',
    z
      .enum(['pgoutput', 'wal2json'], { error: 'must be pgoutput' })
      .refine((plugin) => plugin !== 'wal2json', {
        error: 'must be pgoutput, since wal2json is not carried out yet',
      }),
    {
      default: 'pgoutput',
      says: 'Output plugin that decodes the WAL; `wal2json` is not carried out yet.',
    },
  ),
  replayRetentionMb: postgres('REPLAY_RETENTION_MB', whole('a number of megabytes', 0), {
    default: '0',
    says: 'WAL kept for a later replay, in MB; 0 keeps none and makes no second slot.',
    later: true,
  }),

  accessToken: hubspot('HUBSPOT_ACCESS_TOKEN', text, {
    defaultSays: 'the emulator’s token while the emulator is used',
    says: 'Bearer token of the private or project app. Set without HUBSPOT_BASE_URL it means the real HubSpot.',
    secret: true,
  }),
  baseUrl: hubspot('HUBSPOT_BASE_URL', url('http', 'https'), {
    defaultSays: 'https://api.hubapi.com with a token, else the emulator',
    says: 'Where HubSpot’s API is. With a value `start` runs no emulator of its own.',
  }),
  apiVersion: hubspot(
    'HUBSPOT_API_VERSION',
    z.string().regex(/^(v3|20\d\d-\d\d)$/, 'must be v3 or a dated version such as 2026-09'),
    { default: 'v3', says: 'Version of the CRM paths: `v3`, or a dated one such as `2026-09`.' },
  ),
  clientSecrets: hubspot(
    'HUBSPOT_CLIENT_SECRET',
    z
      .string()
      .transform((value) =>
        value
          .split(',')
          .map((part) => part.trim())
          .filter(Boolean),
      )
      .refine((secrets) => secrets.length >= 1 && secrets.length <= 2, {
        error: 'must be one secret, or two separated by a comma while it is rotated',
      }),
    {
      defaultSays:
        'a demo secret in `emulator`, and in `start` with the emulator; else required by `start`, `cdc` and `webhook`',
      says: 'Client secret of the app, which signs the webhooks; two, separated by a comma, while it is rotated.',
      secret: true,
    },
  ),
  appId: hubspot('HUBSPOT_APP_ID', id, {
    defaultSays:
      'a demo id in `emulator`, and in `start` with the emulator; else required by `start`, `cdc` and `webhook`',
    says: 'Id of the app: tells our own writes from those of others in HubSpot’s history.',
  }),
  portalId: hubspot('HUBSPOT_PORTAL_ID', id, {
    defaultSays: 'asked from HubSpot; 12345678 with the emulator',
    says: 'Id of the HubSpot account. Events of another account are counted and dropped.',
  }),
  rateLimit: hubspot('HUBSPOT_RATE_LIMIT', whole('requests per 10 s, 4 or more', 4), {
    default: '190',
    says: 'Requests per 10 s that the app may make; HubSpot’s own headers correct it.',
  }),
  dailyLimit: hubspot('HUBSPOT_DAILY_LIMIT', whole('requests per day, 1 or more', 1), {
    defaultSays: 'read from HubSpot’s headers',
    says: 'Requests per day of the whole account.',
  }),
  reservePercent: hubspot('HUBSPOT_RESERVE_PERCENT', whole('a percentage, 0 to 99', 0, 99), {
    default: '20',
    says: 'Share of the daily budget, in percent, that is left to the account’s other apps.',
  }),
  searchLimit: hubspot('HUBSPOT_SEARCH_LIMIT', whole('searches per second, 1 or more', 1), {
    default: '4',
    says: 'Searches per second; the whole account shares 5.',
  }),
  callTimeoutMs: hubspot('HUBSPOT_CALL_TIMEOUT_MS', whole('milliseconds, 100 or more', 100), {
    default: '30000',
    says: 'Milliseconds after which a call’s outcome counts as unknown and is read back.',
  }),

  mappingFile: sync('MAPPING_FILE', text, {
    default: 'sync.yaml',
    says: 'The mapping of tables to objects and of columns to properties.',
  }),
  debounceMs: sync('DEBOUNCE_MS', whole('milliseconds', 0), {
    default: '250',
    says: 'Milliseconds without a further change of a record before it is sent.',
  }),
  maxWaitMs: sync('MAX_WAIT_MS', whole('milliseconds', 0), {
    default: '2000',
    says: 'Milliseconds after a record’s first change at which it is sent, quiet or not.',
  }),
  reconcileCron: sync('RECONCILE_CRON', cron, {
    default: '0 * * * *',
    says: 'When both sides are compared, as five cron fields; `off` for never.',
    later: true,
  }),
  syncLogRetentionDays: sync('SYNC_LOG_RETENTION_DAYS', whole('days, 1 or more', 1), {
    default: '30',
    says: 'Days for which rows of `sync_log` are kept.',
  }),

  port: servers('PORT', port, {
    default: '3000',
    says: 'Port of the webhook receiver and the status API.',
  }),
  cdcPort: servers('CDC_PORT', port, {
    default: '9464',
    says: 'Port of cdc’s own health and metrics.',
  }),
  listenHost: servers('LISTEN_HOST', listenHost, {
    default: '127.0.0.1',
    says: 'Address on which all servers listen; 0.0.0.0 in a container.',
  }),
  webhookPublicUrl: servers('WEBHOOK_PUBLIC_URL', url('http', 'https'), {
    defaultSays: 'http://127.0.0.1:<PORT>/webhooks/hubspot',
    says: 'The whole URL that HubSpot calls and signs; without a path, /webhooks/hubspot is added.',
  }),
  statusToken: servers('STATUS_TOKEN', text, {
    defaultSays: 'none: the status answers to loopback only',
    says: 'Bearer token, or password of HTTP Basic, for the status API from elsewhere than loopback.',
    secret: true,
  }),
  notifyUrl: servers('NOTIFY_URL', url('http', 'https'), {
    defaultSays: 'none',
    says: 'URL that is told of alarms by a POST of JSON.',
    secret: true,
    later: true,
  }),
  dataDir: servers('DATA_DIR', text, {
    default: '.pg-hubspot-sync',
    says: 'Folder of the embedded Postgres and of the emulator’s journal.',
  }),

  emulatorPort: emulator('EMULATOR_PORT', port, {
    default: '4010',
    says: 'Port of the HubSpot emulator.',
  }),
  emulatorRateLimit: emulator('EMULATOR_RATE_LIMIT', whole('requests per 10 s, 1 or more', 1), {
    default: '190',
    says: 'Requests per 10 s that the emulator allows.',
  }),
  emulatorToken: emulator(
    'EMULATOR_TOKEN',
    z.string().regex(/^\S+$/, 'must be a text without blanks'),
    {
      default: 'pat-emulator',
      says: 'The one bearer token that the emulator accepts.',
    },
  ),

  logLevel: logs(
    'LOG_LEVEL',
    z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], {
      error: 'must be one of trace, debug, info, warn, error, fatal, silent',
    }),
    {
      defaultSays: 'info; warn for `start` on a terminal',
      says: 'Least level that is logged. Logs go to stderr.',
    },
  ),
  logFormat: logs('LOG_FORMAT', z.enum(['json', 'pretty'], { error: 'must be json or pretty' }), {
    defaultSays: 'pretty on a terminal, else json',
    says: 'Form of the logs. `NO_COLOR` is respected.',
  }),
} as const;

export type OptionKey = keyof typeof options;
export type OptionValues = {
  [K in OptionKey]: (typeof options)[K] extends Option<infer T> ? T : never;
};

/** What a setting does, and whether it does it yet. */
export function explain({ says, later }: Pick<Option, 'says' | 'later'>): string {
  return later ? `${says} Not carried out yet.` : says;
}

/** The settings as `--help` shows them. */
export function describeSettings(): string {
  const all: readonly Option[] = Object.values(options);
  const groups = [...new Set(all.map((option) => option.group))];
  const lines = groups.flatMap((name) => [
    `\n  ${name}`,
    ...all
      .filter((option) => option.group === name)
      .map((option) => {
        const standard = option.default ?? option.defaultSays;
        return `    ${flagOf(option)} <value>, ${option.variable} (${standard})\n        ${explain(option)}`;
      }),
  ]);
  return `\nSettings, each a flag, an environment variable or a line of .env (default):\n${lines.join('\n')}\n`;
}
