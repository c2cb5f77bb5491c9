/**
 * What all commands have in common: settings, log, `--json`, and how an error becomes a sentence on
 * stderr and an exit code. A command itself is a function from its context to an outcome.
 */
import { type Config, loadConfig } from '../shared/service/config.ts';
import { SyncError, toSyncError } from '../shared/service/errors.ts';
import { createLogger, describeError, type Logger } from '../shared/service/logger.ts';
import { flagOf, type OptionKey, options } from '../shared/service/options.ts';

export interface CommandContext {
  readonly config: Config;
  readonly log: Logger;
  /** The command's own options, as commander gives them. */
  readonly own: Readonly<Record<string, unknown>>;
  readonly args: readonly unknown[];
  /** True with `--json`: stdout carries one document and nothing else. */
  readonly json: boolean;
  /** A line for people on stdout; nothing with `--json`. */
  say(line: string): void;
}

export interface CommandOutcome {
  /** The `result` of the JSON document. */
  readonly result: unknown;
  /** The same for people. */
  readonly text?: string;
  /** 0 when not said; 2 when a check or a dry run found something to do. */
  readonly exitCode?: number;
  /** Said beside the result, which is printed all the same: exit code 1. */
  readonly failure?: SyncError;
}

export type CommandBody = (context: CommandContext) => Promise<CommandOutcome>;

/** Wrong usage that commander can't see: exit code 64. */
export class UsageError extends SyncError {
  override name = 'UsageError';

  constructor(message: string) {
    super('USAGE', message, { disposition: 'stop', advice: 'See pg-hubspot-sync --help.' });
  }
}

export interface RunCommand {
  readonly name: string;
  /** Imports the command's file. */
  load(): Promise<{ readonly default: CommandBody }>;
  readonly own: Readonly<Record<string, unknown>>;
  /** The program's options: settings by the attribute name of their flag, and `json`. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly args: readonly unknown[];
}

/** Runs a command and prints its outcome. @returns the exit code */
export async function runCommand({ name, load, own, settings, args }: RunCommand): Promise<number> {
  const json = settings.json === true;
  let outcome: CommandOutcome = { result: null };
  let failure: SyncError | undefined;
  let role: string | undefined;
  try {
    const config = loadConfig({ flags: flagValues(settings), envFile: '.env' });
    role = decodeURIComponent(new URL(config.databaseUrl).username) || undefined;
    const quiet = name === 'start' && process.stdout.isTTY === true;
    const log = createLogger(config, { defaultLevel: quiet ? 'warn' : 'info' });
    for (const variable of config.notCarriedOut) {
      log.warn({ variable }, `${variable} is not carried out yet: setting it changes nothing`);
    }
    const say = (line: string) => {
      if (!json) process.stdout.write(`${line}\n`);
    };
    const { default: body } = await load();
    outcome = await body({ config, log, own, args, json, say });
    failure = outcome.failure;
  } catch (error) {
    failure = toSyncError(error, role);
    if (failure.code === 'UNEXPECTED' && process.env.LOG_LEVEL === 'debug') {
      process.stderr.write(`${JSON.stringify(describeError(error))}\n`);
    }
  }
  if (json) {
    const { code, message, advice } = failure ?? {};
    const document = {
      command: name,
      ok: failure === undefined,
      result: outcome.result ?? null,
      error: failure ? { code, message, advice } : null,
    };
    process.stdout.write(`${JSON.stringify(document)}\n`);
  } else if (outcome.text !== undefined) {
    process.stdout.write(`${outcome.text}\n`);
  }
  if (failure === undefined) return outcome.exitCode ?? 0;
  // A message is a sentence or several lines of them; the advice follows on the last one.
  process.stderr.write(`error: ${sentence(failure.message)} ${failure.advice} [${failure.code}]\n`);
  return failure.code === 'USAGE' ? 64 : 1;
}

function sentence(message: string): string {
  return /[.!?]$/.test(message) ? message : `${message}.`;
}

/** commander names `--cdc-port` `cdcPort`; the table of options may call it otherwise. */
function flagValues(settings: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    (Object.keys(options) as OptionKey[]).map((key) => {
      const attribute = flagOf(options[key])
        .slice(2)
        .replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
      return [key, settings[attribute]];
    }),
  );
}
