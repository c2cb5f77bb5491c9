/** A loop that works, waits until there may be more, and stops when told: the shape of each walker. */
import { SyncError } from './errors.ts';
import type { Logger } from './logger.ts';

export interface Loop {
  /** Rejects on an error that ends the process (a lost lease). */
  readonly promise: Promise<void>;
  /** There may be work: don't wait any longer. */
  wake(): void;
  /** Lets the round that is under way end. */
  stop(): Promise<void>;
}

export interface LoopOptions {
  readonly name: string;
  readonly log: Logger;
  /** Pause while nothing was found, milliseconds. */
  readonly idleMs: number;
}

const FAILED_FIRST_MS = 250;
const FAILED_MOST_MS = 10_000;

/**
 * Runs `round` until stopped. It answers true when there may be more to do at once. What it throws
 * is logged and tried again after a growing pause, except errors whose disposition is `stop`.
 */
export function startLoop(
  { name, log, idleMs }: LoopOptions,
  round: (signal: AbortSignal) => Promise<boolean>,
): Loop {
  const stopping = new AbortController();
  let wake: () => void = () => undefined;
  let woken = false;
  const pause = (ms: number) =>
    new Promise<void>((resolve) => {
      if (woken || stopping.signal.aborted) {
        woken = false;
        resolve();
        return;
      }
      const timer = setTimeout(done, ms);
      function done() {
        clearTimeout(timer);
        woken = false;
        wake = () => undefined;
        resolve();
      }
      wake = done;
    });
  const run = async () => {
    let failures = 0;
    while (!stopping.signal.aborted) {
      let more = false;
      try {
        more = await round(stopping.signal);
        failures = 0;
      } catch (error) {
        if (error instanceof SyncError && error.disposition === 'stop') throw error;
        const ms = Math.min(FAILED_MOST_MS, FAILED_FIRST_MS * 2 ** failures);
        failures += 1;
        log.warn({ err: error, loop: name, retryInMs: ms }, `${name} failed and is tried again`);
        await pause(ms);
        continue;
      }
      if (!more) await pause(idleMs);
    }
  };
  const promise = run();
  promise.catch(() => undefined); // the owner awaits it; no unhandled rejection until then
  return {
    promise,
    wake() {
      woken = true;
      wake();
    },
    async stop() {
      stopping.abort();
      wake();
      await promise.catch(() => undefined);
    },
  };
}
