/**
 * Runs the real command line, as built in dist/, as a child process: for tests that kill, signal, and
 * read what a person would read. `npm test` builds first; after an edit, `npm run build` does.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../shared/service/package-root.ts';
import { eventually } from './eventually.ts';

export const cliPath = process.env.TEST_CLI ?? join(packageRoot, 'dist', 'cli.js');

export interface CliOptions {
  /** Beside PATH and HOME nothing of the test's own environment gets in. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCli extends AsyncDisposable {
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  /** Resolves when the process has ended and its output is read. */
  readonly exited: Promise<Exit>;
  /** Sends the signal, and waits for the end. */
  kill(signal: NodeJS.Signals): Promise<Exit>;
  /** Waits until `<baseUrl>/readyz` answers 200; fails at once when the process ends before. */
  ready(baseUrl: string, timeoutMs?: number): Promise<void>;
  /** Waits until stdout matches. */
  says(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
}

/** Starts `pg-hubspot-sync <args>`. Disposing of it kills it with SIGKILL. */
export function startCli(args: readonly string[], options: CliOptions = {}): RunningCli {
  if (!existsSync(cliPath)) throw new Error(`${cliPath} is missing: run \`npm run build\` first`);
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, ...options.env };
  const child = spawn(process.execPath, [cliPath, ...args], {
    cwd: options.cwd ?? packageRoot,
    env: Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined)),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  let ended: Exit | undefined;
  const exited = new Promise<Exit>((resolve) => {
    child.once('close', (code, signal) => {
      ended = { code, signal, stdout, stderr };
      resolve(ended);
    });
  });
  const failIfEnded = () => {
    if (ended) throw new Error(`the process ended (${ended.code ?? ended.signal}): ${stderr}`);
  };
  /** Polls, but not on after the process has ended. */
  const untilEnd = async <T>(what: string, timeoutMs: number, attempt: () => Promise<T> | T) => {
    let answer: T | undefined;
    await eventually(
      async () => {
        if (ended) return true;
        answer = await attempt();
        return Boolean(answer);
      },
      { timeoutMs, what: `${what} (stderr: ${stderr.slice(-500)})`, everyMs: 50 },
    );
    if (!answer) failIfEnded();
    return answer as NonNullable<T>;
  };
  const kill = (signal: NodeJS.Signals) => {
    child.kill(signal);
    return exited;
  };
  return {
    pid: child.pid as number,
    stdout: () => stdout,
    stderr: () => stderr,
    exited,
    kill,
    async ready(baseUrl, timeoutMs = 30_000) {
      await untilEnd(`${baseUrl}/readyz`, timeoutMs, async () => {
        const response = await fetch(`${baseUrl}/readyz`).catch(() => undefined);
        await response?.body?.cancel();
        return response?.status === 200;
      });
    },
    says: (pattern, timeoutMs = 10_000) =>
      untilEnd(`a line like ${pattern}`, timeoutMs, () => pattern.exec(stdout)),
    async [Symbol.asyncDispose]() {
      if (!ended) await kill('SIGKILL');
    },
  };
}

/** Runs a command to its end. */
export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<Exit> {
  return await startCli(args, options).exited;
}
