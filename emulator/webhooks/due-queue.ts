// The notifications that wait for their time, the earliest first: a binary heap.

export type Due = { dueAt: number; order: number };

export type DueQueue<T extends Due> = {
  add(item: T): void;
  /** When the earliest is due, or undefined when nothing waits. */
  nextDueAt(): number | undefined;
  /** Removes and answers up to `limit` items that are due at `now`, the earliest first. */
  takeDue(now: number, limit: number): T[];
  readonly size: number;
};

/** Items due at the same time come in their `order`. */
export function createDueQueue<T extends Due>(): DueQueue<T> {
  const heap: T[] = [];

  const swap = (a: number, b: number): void => {
    const kept = heap[a] as T;
    heap[a] = heap[b] as T;
    heap[b] = kept;
  };

  const takeFirst = (): T => {
    const first = heap[0] as T;
    const last = heap.pop() as T;
    if (heap.length > 0) {
      heap[0] = last;
      let at = 0;
      for (;;) {
        const left = 2 * at + 1;
        const right = left + 1;
        let least = at;
        if (left < heap.length && isEarlier(heap[left] as T, heap[least] as T)) least = left;
        if (right < heap.length && isEarlier(heap[right] as T, heap[least] as T)) least = right;
        if (least === at) break;
        swap(at, least);
        at = least;
      }
    }
    return first;
  };

  return {
    add(item) {
      let at = heap.push(item) - 1;
      while (at > 0) {
        const parent = (at - 1) >> 1;
        if (!isEarlier(heap[at] as T, heap[parent] as T)) break;
        swap(at, parent);
        at = parent;
      }
    },
    nextDueAt: () => heap[0]?.dueAt,
    takeDue(now, limit) {
      const taken: T[] = [];
      while (taken.length < limit && heap[0] !== undefined && heap[0].dueAt <= now) {
        taken.push(takeFirst());
      }
      return taken;
    },
    get size() {
      return heap.length;
    },
  };
}

function isEarlier(a: Due, b: Due): boolean {
  return a.dueAt < b.dueAt || (a.dueAt === b.dueAt && a.order < b.order);
}
