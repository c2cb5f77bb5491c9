/**
 * How every room runs and ends: its start function answers a handle; a process waits on its handles
 * until one fails or a signal comes, and stops them in order.
 */
import closeWithGrace from 'close-with-grace';
import type { Logger } from './logger.ts';

/** One named precondition of being ready. `detail` is a short sentence without values. */
export interface Check {
  readonly ok: boolean;
  readonly detail?: string;
}

export interface Readiness {
  readonly ready: boolean;
  readonly checks: Readonly<Record<string, Check>>;
}

/** A running room. */
export interface Handle extends AsyncDisposable {
  /** Resolves when the room has stopped; rejects on an error it can't go on from. */
  readonly promise: Promise<void>;
  /** True, or every check passed, when the room does its work. A standby is ready. */
  ready(): Promise<boolean | Readiness>;
  /** Finishes what is claimed, takes nothing new, then resolves. Safe to call twice. */
  stop(reason?: string): Promise<void>;
}

/** The answers of several rooms as one; the checks carry the room's name, `cdc.slot`. */
export async function readinessOf(
  handles: Readonly<Record<string, Pick<Handle, 'ready'>>>,
): Promise<Readiness> {
  const checks: Record<string, Check> = {};
  let ready = true;
  await Promise.all(
    Object.entries(handles).map(async ([room, handle]) => {
      const answer = await handle.ready().catch((error: unknown): Readiness => {
        const detail = error instanceof Error ? error.name : 'failed';
        return { ready: false, checks: { ready: { ok: false, detail } } };
      });
      if (typeof answer === 'boolean') {
        checks[room] = { ok: answer };
        ready &&= answer;
        return;
      }
      for (const [name, check] of Object.entries(answer.checks)) checks[`${room}.${name}`] = check;
      if (Object.keys(answer.checks).length === 0) checks[room] = { ok: answer.ready };
      ready &&= answer.ready;
    }),
  );
  return { ready, checks };
}

/** A signal that comes again within this time is the same one on two ways. */
const forwardedWithinMs = 250;

/**
 * Calls `act` at the first SIGINT or SIGTERM; the second ends the process at once, with exit code 1.
 * Ctrl-C reaches us twice under npm, from the terminal and passed on by npm: that is one signal.
 * @returns takes the listeners away
 */
export function onFirstSignal(act: (signal: NodeJS.Signals) => void): () => void {
  let first: { readonly signal: NodeJS.Signals; readonly at: number } | undefined;
  const listener = (signal: NodeJS.Signals) => {
    const now = Date.now();
    if (first === undefined) {
      first = { signal, at: now };
      act(signal);
      return;
    }
    if (signal === first.signal && now - first.at < forwardedWithinMs) return;
    process.exit(1);
  };
  process.on('SIGINT', listener);
  process.on('SIGTERM', listener);
  return () => {
    process.removeListener('SIGINT', listener);
    process.removeListener('SIGTERM', listener);
  };
}

export interface RunOptions {
  readonly log: Logger;
  /** Milliseconds a drain may take before the process ends anyway. */
  readonly drainTimeoutMs?: number;
}

/**
 * Waits until a signal comes or a room fails, then stops the handles in the order given (the one
 * that takes work in first, what the others stand on last). The first SIGTERM or SIGINT drains, the
 * second ends the process at once. Resolves after a clean end; a room's fatal error is thrown.
 */
export async function runUntilSignal(
  handles: readonly Handle[],
  { log, drainTimeoutMs = 20_000 }: RunOptions,
): Promise<void> {
  let stopped: Promise<void> | undefined;
  const stopAll = (reason: string) => {
    stopped ??= (async () => {
      for (const handle of handles) {
        await handle.stop(reason).catch((error: unknown) => {
          log.warn({ err: error }, 'a part did not stop cleanly');
        });
      }
    })();
    return stopped;
  };
  const grace = closeWithGrace(
    { delay: drainTimeoutMs, logger: false, skip: ['beforeExit', 'SIGINT', 'SIGTERM'] },
    async ({ err }) => {
      if (err) log.fatal({ err }, 'unexpected error');
      await stopAll(err ? 'error' : 'signal');
      // After a signal the command goes on behind this function and says its outcome; the process
      // ends there. Returning would end it here.
      if (!err) await new Promise(() => undefined);
    },
  );
  let signalled = false;
  const forgetSignals = onFirstSignal((signal) => {
    signalled = true;
    log.info({ signal }, `${signal}: draining; a second signal ends at once`);
    grace.close();
  });
  try {
    await Promise.race(handles.map((handle) => handle.promise));
    await stopAll('a part ended');
  } catch (error) {
    await stopAll('a part failed');
    throw error;
  } finally {
    grace.uninstall();
    // After a signal they stay: one that comes while the command says its outcome is a second one.
    if (!signalled) forgetSignals();
  }
}
