/**
 * Reads the settings, once, at the start of every command: flag before environment before `.env`
 * before default. What leaves here is a plain object that the rest of the program trusts.
 */
import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { SyncError, serviceError } from './errors.ts';
import { flagOf, type Option, type OptionKey, type OptionValues, options } from './options.ts';

export interface Config {
  /** Connection string; that of the embedded server while `embedded`. */
  readonly databaseUrl: string;
  /** True when no database was named: `start` runs a server of its own. */
  readonly embedded: boolean;
  readonly embeddedPort: number;
  /** Schema of the sync's own tables. */
  readonly schema: string;
  readonly mappingFile: string;
  /** True when MAPPING_FILE was set by the user rather than left at its default. */
  readonly mappingFileGiven: boolean;
  readonly dataDir: string;
  readonly hubspot: {
    readonly baseUrl: string;
    /** True when neither a base URL nor a token was given: HubSpot is the emulator of `start`. */
    readonly emulated: boolean;
    readonly accessToken: string;
    readonly apiVersion: string;
    /** Requests per 10 s. */
    readonly rateLimit: number;
    /** Requests per day; undefined: as HubSpot's headers say. */
    readonly dailyLimit: number | undefined;
    readonly reservePercent: number;
    /** Searches per second. */
    readonly searchLimit: number;
    /** Empty only for commands that verify no webhook. */
    readonly clientSecrets: readonly string[];
    readonly appId: number | undefined;
    readonly portalId: number | undefined;
    readonly callTimeoutMs: number;
  };
  readonly webhook: {
    readonly host: string;
    readonly port: number;
    /** The whole URL that HubSpot calls and signs. */
    readonly publicUrl: string;
  };
  readonly cdc: {
    readonly host: string;
    /** Port of health and metrics. */
    readonly port: number;
    readonly slot: string;
    readonly publication: string;
    readonly plugin: 'pgoutput' | 'wal2json';
    readonly debounceMs: number;
    readonly maxWaitMs: number;
    readonly replayRetentionMb: number;
  };
  /** Five cron fields, or `off`. */
  readonly reconcileCron: string;
  readonly syncLogRetentionDays: number;
  readonly statusToken: string | undefined;
  readonly notifyUrl: string | undefined;
  readonly emulator: {
    readonly host: string;
    readonly port: number;
    /** Requests per 10 s that it allows. */
    readonly rateLimit: number;
    readonly token: string;
  };
  /** Variables that were set although nothing reads them yet; `RECONCILE_CRON`. */
  readonly notCarriedOut: readonly string[];
  readonly log: {
    /** Undefined when not said: `info`, or `warn` for `start` on a terminal. */
    readonly level: OptionValues['logLevel'];
    /** Undefined when not said: `pretty` on a terminal, else `json`. */
    readonly format: OptionValues['logFormat'];
  };
}

/** Wrong settings; the message has one sentence per wrong variable. */
export class ConfigError extends SyncError {
  override name = 'ConfigError';

  constructor(sentences: readonly string[], variables: readonly string[]) {
    super('CONFIG_INVALID', sentences.join('\n'), {
      ...serviceError.kinds.CONFIG_INVALID,
      facts: { variables: variables.join(', ') },
    });
  }
}

export interface ConfigSources {
  /** By the option's key, `{ port: '3001' }`, as commander collects them. */
  readonly flags?: Readonly<Partial<Record<string, unknown>>>;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Path of the `.env` file; one that isn't there is no mistake. Undefined: none is read. */
  readonly envFile?: string | undefined;
}

/** Database of the embedded server. */
export const embeddedDatabase = { name: 'trs', user: 'postgres', password: 'postgres' } as const;

const emulatorPortalId = 12_345_678;

/** @throws ConfigError naming every wrong variable. */
export function loadConfig({ flags = {}, env = process.env, envFile }: ConfigSources): Config {
  const fileValues = envFile === undefined ? {} : readEnvFile(envFile);
  const sentences: string[] = [];
  const wrong: string[] = [];
  const lookUp = (variable: string, flag?: unknown): [string, string] | undefined => {
    if (typeof flag === 'string') return [flag, 'flag'];
    // Compose files hand over unset variables as empty texts: empty is not set.
    if (env[variable]) return [env[variable], 'environment'];
    if (fileValues[variable]) return [fileValues[variable], envFile as string];
    return undefined;
  };
  const read = (key: OptionKey): unknown => {
    const option: Option = options[key];
    const found = lookUp(option.variable, flags[key]);
    const given = found?.[0] ?? option.default;
    if (given === undefined) return undefined;
    const result = option.schema.safeParse(given);
    if (result.success) return result.data;
    const name = found?.[1] === 'flag' ? flagOf(option) : option.variable;
    const where =
      found && found[1] !== 'flag' && found[1] !== 'environment' ? ` (${found[1]})` : '';
    const value = option.secret ? '' : `, not \`${given}\``;
    sentences.push(`${name}${where} ${result.error.issues[0]?.message ?? 'is wrong'}${value}.`);
    wrong.push(option.variable);
    return undefined;
  };
  const values = Object.fromEntries(
    (Object.keys(options) as OptionKey[]).map((key) => [key, read(key)]),
  ) as unknown as OptionValues;
  if (wrong.length > 0) throw new ConfigError(sentences, wrong);

  const named = values.databaseUrl ?? urlFromLibpqVariables((name) => lookUp(name)?.[0]);
  const emulated = values.baseUrl === undefined && values.accessToken === undefined;
  const emulatorUrl = `http://${reachable(values.listenHost)}:${values.emulatorPort}`;
  const baseUrl = values.baseUrl ?? (values.accessToken ? 'https://api.hubapi.com' : emulatorUrl);
  return {
    databaseUrl: named ?? embeddedUrl(values.embeddedPort),
    embedded: named === undefined,
    embeddedPort: values.embeddedPort,
    schema: values.schema,
    mappingFile: values.mappingFile,
    mappingFileGiven: lookUp(options.mappingFile.variable, flags.mappingFile) !== undefined,
    dataDir: values.dataDir,
    hubspot: {
      baseUrl: baseUrl.replace(/\/+$/, ''),
      emulated,
      accessToken: values.accessToken ?? values.emulatorToken,
      apiVersion: values.apiVersion,
      rateLimit: values.rateLimit,
      dailyLimit: values.dailyLimit,
      reservePercent: values.reservePercent,
      searchLimit: values.searchLimit,
      clientSecrets: values.clientSecrets ?? [],
      appId: values.appId,
      portalId: values.portalId ?? (emulated ? emulatorPortalId : undefined),
      callTimeoutMs: values.callTimeoutMs,
    },
    webhook: {
      host: values.listenHost,
      port: values.port,
      publicUrl: publicUrl(
        values.webhookPublicUrl ?? `http://${reachable(values.listenHost)}:${values.port}`,
      ),
    },
    cdc: {
      host: values.listenHost,
      port: values.cdcPort,
      slot: values.slot,
      publication: values.publication,
      plugin: values.plugin,
      debounceMs: values.debounceMs,
      maxWaitMs: values.maxWaitMs,
      replayRetentionMb: values.replayRetentionMb,
    },
    reconcileCron: values.reconcileCron,
    syncLogRetentionDays: values.syncLogRetentionDays,
    statusToken: values.statusToken,
    notifyUrl: values.notifyUrl,
    emulator: {
      host: values.listenHost,
      port: values.emulatorPort,
      rateLimit: values.emulatorRateLimit,
      token: values.emulatorToken,
    },
    notCarriedOut: (Object.keys(options) as OptionKey[]).flatMap((key) => {
      const { variable, later, default: standard }: Option = options[key];
      const given = later && lookUp(variable, flags[key])?.[0].trim();
      return given && given !== standard && given !== 'off' ? [variable] : [];
    }),
    log: { level: values.logLevel, format: values.logFormat },
  };
}

/**
 * The settings that `cdc` and `webhook` on their own can't do without.
 * @throws ConfigError naming each one that is missing.
 */
export function requireAppCredentials(
  config: Config,
): asserts config is Config & { hubspot: { appId: number } } {
  const missing = [
    ...(config.hubspot.clientSecrets.length === 0 ? [options.clientSecrets] : []),
    ...(config.hubspot.appId === undefined ? [options.appId] : []),
  ].map((option) => option.variable);
  if (missing.length === 0) return;
  throw new ConfigError(
    missing.map((variable) => `${variable} is missing; it stands on the app’s page in HubSpot.`),
    missing,
  );
}

/**
 * `start` listens on all of its ports in one process: two that are equal are told before anything runs.
 * @throws ConfigError naming the variables
 */
export function refuseEqualPorts(config: Config): void {
  const ports = [
    [options.port.variable, config.webhook.port],
    [options.cdcPort.variable, config.cdc.port],
    ...(config.hubspot.emulated ? [[options.emulatorPort.variable, config.emulator.port]] : []),
    ...(config.embedded ? [[options.embeddedPort.variable, config.embeddedPort]] : []),
  ] as [variable: string, port: number][];
  const seen = new Map<number, string>();
  for (const [variable, port] of ports) {
    const other = seen.get(port);
    if (port !== 0 && other !== undefined) {
      throw new ConfigError([`${other} and ${variable} are both ${port}.`], [other, variable]);
    }
    seen.set(port, variable);
  }
}

/** Connection string of a database of the embedded server. */
export function embeddedUrl(port: number, database: string = embeddedDatabase.name): string {
  const { user, password } = embeddedDatabase;
  return `postgres://${user}:${password}@127.0.0.1:${port}/${database}`;
}

function readEnvFile(file: string): Record<string, string | undefined> {
  let content: string;
  try {
    content = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    const reason = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new ConfigError([`${file} can’t be read (${reason}).`], [file]);
  }
  return parseEnv(content) as Record<string, string | undefined>;
}

/** PGHOST chooses a server as it does for psql; pg itself reads PGPASSFILE and the like. */
function urlFromLibpqVariables(get: (name: string) => string | undefined): string | undefined {
  const host = get('PGHOST');
  if (host === undefined) return undefined;
  const user = get('PGUSER') ?? get('USER') ?? 'postgres';
  const password = get('PGPASSWORD');
  const who = encodeURIComponent(user) + (password ? `:${encodeURIComponent(password)}` : '');
  const database = encodeURIComponent(get('PGDATABASE') ?? user);
  const parameters = new URLSearchParams();
  const sslMode = get('PGSSLMODE');
  if (sslMode) parameters.set('sslmode', sslMode);
  // A path is the folder of a Unix socket, which has no place in a URL's host part.
  const socket = host.startsWith('/');
  if (socket) parameters.set('host', host);
  const port = get('PGPORT') ?? '5432';
  if (socket && port !== '5432') parameters.set('port', port);
  const where = socket ? 'localhost' : `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const query = parameters.size > 0 ? `?${parameters}` : '';
  return `postgres://${who}@${where}/${database}${query}`;
}

/** The address by which a server that listens there is reached from the same host. */
function reachable(listenHost: string): string {
  if (listenHost === '0.0.0.0' || listenHost === '::') return '127.0.0.1';
  return listenHost.includes(':') ? `[${listenHost}]` : listenHost;
}

function publicUrl(given: string): string {
  const url = new URL(given);
  if (url.pathname === '/' && url.search === '') url.pathname = '/webhooks/hubspot';
  return url.href;
}
