const FIRST_MS = 100;
const MOST_MS = 10_000;
const FORGET_MS = 60_000;

/** Doubts that couldn't be judged, each left alone for a time that grows with every try. */
export interface Pauses {
  /** Those that are to be left alone now. */
  names(): string[];
  add(name: string): void;
  end(name: string): void;
}

/** @param now epoch ms */
export function createPauses(now: () => number = Date.now): Pauses {
  const paused = new Map<string, { until: number; tries: number }>();
  return {
    names() {
      for (const [name, { until }] of paused) {
        // Nobody came back to it: its doubt ended in another way.
        if (until + FORGET_MS < now()) paused.delete(name);
      }
      return [...paused].filter(([, { until }]) => until > now()).map(([name]) => name);
    },
    add(name) {
      const tries = (paused.get(name)?.tries ?? 0) + 1;
      const pause = Math.min(MOST_MS, FIRST_MS * 2 ** (tries - 1));
      paused.set(name, { until: now() + pause, tries });
    },
    end: (name) => void paused.delete(name),
  };
}
