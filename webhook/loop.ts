/** A loop that works, waits until there may be more, and ends when told. */
import type { Logger } from '../shared/service/logger.ts';

export interface Loop {
  /** There may be work: don't wait any longer. */
  wake(): void;
  /** Lets the round that is under way end. */
  stop(): Promise<void>;
}

const FAILED_FIRST_MS = 250;
const FAILED_MOST_MS = 10_000;

/**
 * Runs `round` until stopped; it answers true when there is more to do at once. What it throws is
 * logged and tried again after a growing pause.
 */
export function startLoop(
  { name, log, idleMs }: { readonly name: string; readonly log: Logger; readonly idleMs: number },
  round: () => Promise<boolean>,
): Loop {
  let stopping = false;
  let woken = false;
  let endPause: () => void = () => undefined;
  const pause = async (ms: number) => {
    if (!woken && !stopping) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        endPause = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    woken = false;
  };
  const run = async () => {
    let failures = 0;
    while (!stopping) {
      try {
        const more = await round();
        failures = 0;
        if (!more) await pause(idleMs);
      } catch (error) {
        const ms = Math.min(FAILED_MOST_MS, FAILED_FIRST_MS * 2 ** failures);
        failures += 1;
        log.warn({ err: error, loop: name, retryInMs: ms }, `${name} failed and is tried again`);
        await pause(ms);
      }
    }
  };
  const ended = run();
  return {
    wake() {
      woken = true;
      endPause();
    },
    async stop() {
      stopping = true;
      endPause();
      await ended;
    },
  };
}
