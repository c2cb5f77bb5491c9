// What HubSpot does by itself some time after a write, kept in the journal until it is due, so that a killed
// emulator still does it.
import type { Journal } from '../journal.ts';

/** A company wanted for a contact's email domain. */
export type LaterTask = {
  kind: 'company-from-domain';
  contactId: string;
  source: string;
  sourceId: string;
};

type KeptTask = LaterTask & { dueAt: number };

export type Later = {
  /** Does the task at once if `delayMs` is 0. */
  plan(task: LaterTask, delayMs: number): void;
  stop(): void;
  /** Forgets the timers; the tasks themselves are in the journal. */
  reset(): void;
};

/** `perform` must not throw. Tasks left by an earlier process are taken up at once. */
export function openLater(options: {
  journal: Journal;
  now: () => number;
  perform: (task: LaterTask) => void;
}): Later {
  const { journal, now, perform } = options;
  const tasks = journal.map<KeptTask>('later');
  const counters = journal.map<number>('counters');
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  const runDue = (): void => {
    for (const [key, task] of [...tasks.entries()]) {
      if (task.dueAt > now()) continue;
      journal.together(() => {
        tasks.delete(key);
        perform(task);
      });
    }
    arm();
  };

  const arm = (): void => {
    clearTimeout(timer);
    if (stopped || tasks.size === 0) return;
    const next = Math.min(...[...tasks.values()].map(({ dueAt }) => dueAt));
    timer = setTimeout(runDue, Math.max(0, next - now()));
    timer.unref();
  };

  // Not before the rest of the emulator stands.
  setImmediate(arm);
  return {
    plan(task, delayMs) {
      if (delayMs <= 0) {
        perform(task);
        return;
      }
      const key = (counters.get('later') ?? 0) + 1;
      counters.set('later', key);
      tasks.set(String(key), { ...task, dueAt: now() + delayMs });
      arm();
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
    reset: () => clearTimeout(timer),
  };
}
