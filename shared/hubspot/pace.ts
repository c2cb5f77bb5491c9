/**
 * Turns that are a gap apart, by priority, and none while paused. The limiter has one for everything
 * and one for each budget of its own.
 */
import Bottleneck from 'bottleneck';

export interface Pace {
  /**
   * Waits for the next turn. One whose caller is `gone` by the time it comes is passed on unused. What
   * happens `inside` (waiting for another pace) belongs to the turn: the gap begins when it has ended.
   */
  turn(priority: number, gone: () => boolean, inside?: () => Promise<void>): Promise<void>;
  setGap(gapMs: number): void;
  /** No turn before that time; answers whether this is later than what was known. */
  pauseUntil(time: number): boolean;
  pausedUntil(): number;
  close(): void;
}

export function createPace(gapMs: number, now: () => number): Pace {
  const bottleneck = new Bottleneck({ maxConcurrent: 1, minTime: gapMs });
  let gap = gapMs;
  let last = Number.NEGATIVE_INFINITY;
  let pausedUntil = 0;
  let closed = false;
  let wake: (() => void) | undefined;

  function sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  return {
    turn: (priority, gone, inside) =>
      bottleneck.schedule({ priority }, async () => {
        if (gone()) return;
        await inside?.();
        // Bottleneck counts its gap from a job's start. A job that was held in here would let the next
        // one go right behind it, so that the gap is looked at once more where the turn is taken.
        for (;;) {
          const wait = Math.max(pausedUntil, last + Math.floor(gap)) - now();
          if (closed || gone() || wait <= 0) break;
          await sleep(wait);
        }
        if (!gone()) last = now();
      }),

    setGap(gapMs) {
      gap = gapMs;
      void bottleneck.updateSettings({ minTime: gapMs });
    },

    pauseUntil(time) {
      if (time <= pausedUntil) return false;
      pausedUntil = time;
      return true;
    },

    pausedUntil: () => pausedUntil,

    close() {
      closed = true;
      wake?.();
    },
  };
}
