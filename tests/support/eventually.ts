/** Waits for a condition that can't be awaited as an event: polls, and says what was waited for when it gives up. */
import { setTimeout as delay } from 'node:timers/promises';

export interface EventuallyOptions {
  /** Milliseconds until it gives up; 10,000 when not said. */
  readonly timeoutMs?: number;
  /** Milliseconds between two tries. */
  readonly everyMs?: number;
  /** What is waited for, in words: it opens the error. */
  readonly what?: string;
}

/**
 * Calls `attempt` until it returns without throwing, and with something else than `false`, null,
 * 0 or an empty text; answers what it returned. An `attempt` that only expects
 * (returns nothing) passes once it doesn't throw.
 *
 * @throws Error with `what`, and the last failure as its message and cause.
 */
export async function eventually<T>(
  attempt: () => T | Promise<T>,
  { timeoutMs = 10_000, everyMs = 25, what = 'the condition' }: EventuallyOptions = {},
): Promise<NonNullable<T>> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    let failure: unknown;
    try {
      const value = await attempt();
      if (value === undefined || value) {
        return value as NonNullable<T>;
      }
      failure = new Error(`it answered ${String(value)}`);
    } catch (error) {
      failure = error;
    }
    if (Date.now() >= deadline) {
      const reason = failure instanceof Error ? failure.message : String(failure);
      throw new Error(`${what} did not come within ${timeoutMs} ms: ${reason}`, { cause: failure });
    }
    await delay(everyMs);
  }
}
