const FIRST_MS = 500;
const MOST_MS = 15_000;

/** 0.5 to 15 s, with jitter, so that what failed together isn't repeated together. */
export function backoff(attempts: number, random = Math.random()): number {
  const most = Math.min(MOST_MS, FIRST_MS * 2 ** attempts);
  return Math.round(most * (0.5 + random / 2));
}
