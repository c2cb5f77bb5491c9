/**
 * Logs: JSON on stderr, or pretty on a terminal. stdout belongs to a command's result.
 * Two things never get into a line: secrets, and a customer's values, which error messages of
 * HubSpot and of Postgres quote.
 */
import pino, { type DestinationStream, type Logger as PinoLogger } from 'pino';
import pretty from 'pino-pretty';
import type { Config } from './config.ts';

export type Logger = PinoLogger;

export interface LoggerOptions {
  /** Level where LOG_LEVEL says nothing; `info`. */
  readonly defaultLevel?: string;
  /** Where lines go instead of stderr. */
  readonly destination?: DestinationStream;
}

const redactedNames = [
  'authorization',
  'Authorization',
  'password',
  'accessToken',
  'token',
  'secret',
  'clientSecret',
  'clientSecrets',
  'statusToken',
  'notifyUrl',
  'databaseUrl',
  'connectionString',
  'cookie',
];

/** Paths one, two and three levels deep: pino has no wildcard for any depth. */
const redactedPaths = redactedNames.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);

export function createLogger(config: Pick<Config, 'log'>, options: LoggerOptions = {}): Logger {
  const terminal = process.stderr.isTTY === true;
  const format = config.log.format ?? (terminal ? 'pretty' : 'json');
  const destination = options.destination ?? pino.destination({ dest: 2, sync: true });
  const stream =
    format === 'pretty'
      ? pretty({
          destination: destination as never,
          colorize: terminal && !process.env.NO_COLOR,
          ignore: 'pid,hostname',
          translateTime: 'SYS:HH:MM:ss.l',
          sync: true,
        })
      : destination;
  return pino(
    {
      level: config.log.level ?? options.defaultLevel ?? 'info',
      redact: { paths: redactedPaths, censor: '[secret]' },
      serializers: { err: describeError, error: describeError },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      hooks: {
        // Without words of its own a line would get the error's own.
        logMethod(args, method) {
          const [first, words] = args as unknown[];
          const thrown = first instanceof Error ? first : (first as { err?: unknown } | null)?.err;
          if (words === undefined && thrown instanceof Error) {
            const line = first instanceof Error ? { err: first } : first;
            method.apply(this, [line, String(describeError(thrown).message)] as never);
            return;
          }
          method.apply(this, args);
        },
      },
    },
    stream,
  );
}

/** A logger for tests and library use: says nothing. */
export function createSilentLogger(): Logger {
  return pino({ level: 'silent' });
}

/**
 * An error as plain data without anybody's values. HubSpot's ApiException (a numeric code and a body)
 * has the whole body in its message, so neither appears; of Postgres' errors the detail goes, and the
 * message too where it quotes a value (SQLSTATE class 22, data exception) or may say anything (class
 * P0, raised by a function of the user's).
 */
export function describeError(thrown: unknown, depth = 0): Record<string, unknown> {
  if (!(thrown instanceof Error)) {
    return isHubSpotError(thrown) ? describeHubSpotError(thrown) : { type: typeof thrown };
  }
  if (isHubSpotError(thrown)) return describeHubSpotError(thrown);
  const facts = thrown as Error & Record<string, unknown>;
  const quotes = typeof facts.code === 'string' && /^(22|P0)[0-9A-Z]{3}$/.test(facts.code);
  const described: Record<string, unknown> = {
    type: thrown.name,
    message: quotes ? 'Postgres refused a value' : thrown.message,
    stack: quotes ? framesOf(thrown) : thrown.stack,
  };
  for (const name of [
    'code',
    'disposition',
    'advice',
    'facts',
    'severity',
    'schema',
    'table',
    'column',
    'constraint',
    'dataType',
    'routine',
    'errno',
    'syscall',
    'address',
    'port',
  ]) {
    if (facts[name] !== undefined) described[name] = facts[name];
  }
  if (thrown.cause !== undefined && depth < 4) {
    described.cause = describeError(thrown.cause, depth + 1);
  }
  if (thrown instanceof AggregateError && depth < 4) {
    described.errors = thrown.errors.slice(0, 5).map((error) => describeError(error, depth + 1));
  }
  return described;
}

interface HubSpotError {
  readonly code: number;
  readonly body: unknown;
  readonly stack?: string;
}

/** The class isn't exported at the client's top level, and each API group has a copy of its own. */
function isHubSpotError(thrown: unknown): thrown is HubSpotError {
  return (
    typeof thrown === 'object' &&
    thrown !== null &&
    typeof (thrown as { code?: unknown }).code === 'number' &&
    'body' in thrown
  );
}

function describeHubSpotError(error: HubSpotError): Record<string, unknown> {
  const body = typeof error.body === 'object' && error.body !== null ? error.body : {};
  const { category, subCategory, correlationId, policyName } = body as Record<string, unknown>;
  return {
    type: 'HubSpotError',
    code: error.code,
    message: `HubSpot answered ${error.code}`,
    category,
    subCategory,
    correlationId,
    policyName,
    stack: framesOf(error),
  };
}

/** The stack's frames without its head, which repeats the message. */
function framesOf(error: { readonly stack?: string }): string | undefined {
  return error.stack
    ?.split('\n')
    .filter((line) => /^\s+at /.test(line))
    .join('\n');
}
