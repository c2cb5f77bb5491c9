/**
 * Explores every interleaving of a small world, breadth first, so that the trace of whatever breaks
 * is a shortest one. Also finds states from which the world can go on for ever without anybody
 * doing anything: a loop of readings or of writes.
 */

/** One thing that may happen next. */
export interface Step<S> {
  readonly name: string;
  /**
   * It happens by itself sooner or later; false for what people or misfortune do. A state without
   * such a step is at rest.
   */
  readonly moves: boolean;
  readonly next: S;
  /** Counted along the way, for example 'read'; the report says how many one run can have. */
  readonly tally?: string;
}

export interface Model<S> {
  readonly starts: readonly S[];
  /** Equal exactly for states that behave alike. Short strings of small characters save memory. */
  key(state: S): string;
  /** Deterministic: the same steps in the same order for the same state. */
  steps(state: S): Step<S>[];
  /** What is wrong with the state, or null. One that is wrong isn't followed further. */
  check(state: S, atRest: boolean): string | null;
  /** Further lines for the report, once everything was explored. */
  notes?(): readonly string[];
}

export interface Violation {
  readonly what: string;
  /** In how many states; 1 for an endless loop. */
  readonly count: number;
  readonly trace: readonly string[];
}

export interface Report {
  readonly states: number;
  readonly rest: number;
  readonly depth: number;
  /** False if the limit of states ended the exploration. */
  readonly complete: boolean;
  /** The most of each tally that any one run has; empty if not complete. */
  readonly most: Readonly<Record<string, number>>;
  readonly violations: readonly Violation[];
}

/**
 * Explores until nothing new is found, or more states than `max` are, or, with `first`, the first
 * violation is.
 */
export function explore<S>(model: Model<S>, { max = 20_000_000, first = false } = {}): Report {
  const ids = new Map<string, number>();
  const parent = growing();
  const via = growing();
  const edges = { offsets: growing(), to: growing(), tally: growing() };
  const tallies: string[] = [];
  const found = new Map<string, { what: string; id: number; count: number }>();
  let queue: { state: S; id: number }[] = [];
  for (const [index, state] of model.starts.entries()) {
    if (enter(state, -1, index) < 0) throw new Error('two starts are the same state');
  }
  let rest = 0;
  let depth = 0;
  let complete = true;
  let current = queue;
  queue = [];
  while (current.length > 0 && complete) {
    for (const { state, id } of current) {
      const steps = model.steps(state);
      const atRest = !steps.some((step) => step.moves);
      if (atRest) rest++;
      edges.offsets.push(edges.to.length());
      const wrong = model.check(state, atRest);
      if (wrong !== null) {
        const kind = wrong.replace(/\d+/g, 'n');
        const known = found.get(kind);
        if (known) known.count++;
        else found.set(kind, { what: wrong, id, count: 1 });
        if (first) break;
        continue;
      }
      for (const [index, step] of steps.entries()) {
        const entered = enter(step.next, id, index);
        edges.to.push(entered < 0 ? -1 - entered : entered);
        edges.tally.push(step.tally === undefined ? 0 : tallyIndex(step.tally));
      }
    }
    if (ids.size > max || (first && found.size > 0)) complete = false;
    current = queue;
    queue = [];
    depth++;
  }
  const violations: Violation[] = [...found.values()].map(({ what, id, count }) => ({
    what,
    count,
    trace: traceTo(model, parent, via, id),
  }));
  const most: Record<string, number> = {};
  if (complete) {
    edges.offsets.push(edges.to.length());
    const ends = findEnds(ids.size, edges, tallies.length);
    tallies.forEach((tally, index) => {
      most[tally] = Math.max(...model.starts.map((_, start) => ends.most[index]?.[start] ?? 0));
    });
    if (ends.endless.length > 0) {
      const [entry, ...loop] = ends.endless as [number, ...number[]];
      violations.push({
        what: 'no end: this can go on for ever',
        count: 1,
        trace: [
          ...traceTo(model, parent, via, entry),
          '-- and from here, again and again --',
          ...namesAlong(model, parent, via, entry, loop),
        ],
      });
    }
  }
  return { states: ids.size, rest, depth, complete, most, violations };

  /** The id of a new state; -1 - id of a known one. */
  function enter(state: S, from: number, index: number): number {
    const key = model.key(state);
    const known = ids.get(key);
    if (known !== undefined) return -1 - known;
    const id = ids.size;
    ids.set(key, id);
    parent.push(from);
    via.push(index);
    queue.push({ state, id });
    return id;
  }

  function tallyIndex(tally: string): number {
    const index = tallies.indexOf(tally);
    return index >= 0 ? index + 1 : tallies.push(tally);
  }
}

interface Edges {
  readonly offsets: Growing;
  readonly to: Growing;
  readonly tally: Growing;
}

/**
 * Takes away, again and again, states all of whose steps lead to states taken away. What is left
 * can go on for ever; what people and misfortune do is bounded, so a loop is always of moves alone.
 */
function findEnds(states: number, edges: Edges, tallies: number) {
  const offsets = edges.offsets.view();
  const to = edges.to.view();
  const tally = edges.tally.view();
  const left = new Int32Array(states);
  const starts = new Int32Array(states + 1);
  for (const target of to) starts[target + 1] = (starts[target + 1] ?? 0) + 1;
  for (let id = 0; id < states; id++) {
    starts[id + 1] = (starts[id + 1] ?? 0) + (starts[id] ?? 0);
    left[id] = (offsets[id + 1] ?? 0) - (offsets[id] ?? 0);
  }
  const fill = starts.slice();
  const back = new Int32Array(to.length);
  const backTally = new Int32Array(to.length);
  for (let from = 0; from < states; from++) {
    for (let edge = offsets[from] ?? 0; edge < (offsets[from + 1] ?? 0); edge++) {
      const target = to[edge] as number;
      const slot = fill[target] as number;
      fill[target] = slot + 1;
      back[slot] = from;
      backTally[slot] = tally[edge] ?? 0;
    }
  }
  const most = Array.from({ length: tallies }, () => new Int16Array(states));
  const stack = new Int32Array(states);
  let top = 0;
  let taken = 0;
  for (let id = 0; id < states; id++) if (left[id] === 0) stack[top++] = id;
  while (top > 0) {
    const id = stack[--top] as number;
    taken++;
    for (let slot = starts[id] ?? 0; slot < (starts[id + 1] ?? 0); slot++) {
      const from = back[slot] as number;
      for (let t = 0; t < tallies; t++) {
        const counts = most[t] as Int16Array;
        const here = (counts[id] as number) + (backTally[slot] === t + 1 ? 1 : 0);
        if (here > (counts[from] as number)) counts[from] = here;
      }
      left[from] = (left[from] as number) - 1;
      if (left[from] === 0) stack[top++] = from;
    }
  }
  return { most, endless: taken === states ? [] : findLoop(left, offsets, to) };
}

/** A loop among states that are left: its first state, then the states after it, back to the first. */
function findLoop(left: Int32Array, offsets: Int32Array, to: Int32Array): number[] {
  const path: number[] = [];
  const seen = new Map<number, number>();
  let id = left.findIndex((count) => count > 0);
  while (!seen.has(id)) {
    seen.set(id, path.push(id) - 1);
    const next = to
      .subarray(offsets[id], offsets[id + 1])
      .find((target) => (left[target] ?? 0) > 0);
    id = next as number;
  }
  return [...path.slice(seen.get(id)), id];
}

function lineage(parent: Growing, id: number): number[] {
  const path: number[] = [];
  for (let at = id; at >= 0; at = parent.at(at)) path.push(at);
  return path.reverse();
}

function replay<S>(model: Model<S>, parent: Growing, via: Growing, id: number) {
  const [first, ...path] = lineage(parent, id) as [number, ...number[]];
  let state = model.starts[via.at(first)] as S;
  const names: string[] = [];
  for (const at of path) {
    const step = model.steps(state)[via.at(at)] as Step<S>;
    names.push(step.name);
    state = step.next;
  }
  return { state, names };
}

function traceTo<S>(model: Model<S>, parent: Growing, via: Growing, id: number): string[] {
  return replay(model, parent, via, id).names;
}

function namesAlong<S>(
  model: Model<S>,
  parent: Growing,
  via: Growing,
  first: number,
  path: readonly number[],
): string[] {
  let { state } = replay(model, parent, via, first);
  const names: string[] = [];
  for (const id of path) {
    const key = model.key(replay(model, parent, via, id).state);
    const step = model.steps(state).find(({ next }) => model.key(next) === key);
    if (!step) break;
    names.push(step.name);
    state = step.next;
  }
  return names;
}

type Growing = ReturnType<typeof growing>;

/** A list of small numbers that costs four bytes each. */
function growing() {
  let data = new Int32Array(1 << 12);
  let length = 0;
  return {
    push(value: number) {
      if (length === data.length) {
        const larger = new Int32Array(data.length * 2);
        larger.set(data);
        data = larger;
      }
      data[length++] = value;
    },
    at: (index: number): number => data[index] ?? -1,
    length: () => length,
    view: () => data.subarray(0, length),
  };
}
