// The emulator's memory on disk: named maps that live in memory and append every change to one file.
// Every other part keeps its state in these maps, so that a killed emulator comes back as it was.
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

/** A map whose changes outlive the process. A value that was changed in place is kept by `set`. */
export type PersistentMap<T> = {
  get(key: string): T | undefined;
  has(key: string): boolean;
  /** Stores the value and appends it to the journal before returning. */
  set(key: string, value: T): void;
  /** Answers whether the key existed. */
  delete(key: string): boolean;
  /** In order of first insertion, also after a restart. */
  keys(): IterableIterator<string>;
  values(): IterableIterator<T>;
  entries(): IterableIterator<[string, T]>;
  readonly size: number;
};

/** All persistent maps of one emulator. */
export type Journal = {
  /** The map of this name; the same one at every call. Values must be JSON. */
  map<T>(name: string): PersistentMap<T>;
  /**
   * Runs `work` and appends all its changes as one line, so that a kill keeps all of them or none.
   * Changes made before an exception are kept, as they are in memory. May be nested.
   */
  together<R>(work: () => R): R;
  /** Empties every map and the file. */
  clear(): void;
  /** Closes the file. Later changes stay in memory only. */
  close(): void;
};

/** One change: `[map, key, value]` sets, `[map, key]` deletes. */
type Change = [map: string, key: string, value?: unknown];

/** The file is rewritten while running when it holds this many changes and 4 times the live entries. */
const COMPACT_AT_CHANGES = 200_000;

/**
 * Opens `<folder>/emulator.jsonl`, reads what it holds and compacts it.
 * A last line that was cut by a kill is ignored. Without a folder everything stays in memory.
 */
export function openJournal(folder: string | undefined): Journal {
  const maps = new Map<string, Map<string, unknown>>();
  const file = folder === undefined ? undefined : join(folder, 'emulator.jsonl');
  let descriptor: number | undefined;
  let changesInFile = 0;
  let gathered: Change[] | undefined;

  const mapOf = (name: string): Map<string, unknown> => {
    const known = maps.get(name);
    if (known) return known;
    const created = new Map<string, unknown>();
    maps.set(name, created);
    return created;
  };

  const write = (changes: Change[]): void => {
    if (descriptor === undefined || changes.length === 0) return;
    writeAll(descriptor, `${JSON.stringify(changes)}\n`);
    changesInFile += changes.length;
    if (changesInFile >= COMPACT_AT_CHANGES && changesInFile > 4 * countEntries(maps)) compact();
  };

  const append = (change: Change): void => {
    if (gathered) gathered.push(change);
    else write([change]);
  };

  const compact = (): void => {
    if (file === undefined) return;
    if (descriptor !== undefined) closeSync(descriptor);
    const next = `${file}.next`;
    const target = openSync(next, 'w');
    changesInFile = 0;
    for (const [name, map] of maps) {
      for (const [key, value] of map) {
        writeAll(target, `${JSON.stringify([[name, key, value]])}\n`);
        changesInFile += 1;
      }
    }
    closeSync(target);
    renameSync(next, file);
    descriptor = openSync(file, 'a');
  };

  if (folder !== undefined && file !== undefined) {
    mkdirSync(folder, { recursive: true });
    if (existsSync(file)) {
      for (const changes of readChanges(file)) {
        for (const change of changes) {
          if (change.length === 3) mapOf(change[0]).set(change[1], change[2]);
          else mapOf(change[0]).delete(change[1]);
        }
      }
    }
    compact();
  }

  return {
    map<T>(name: string): PersistentMap<T> {
      const map = mapOf(name) as Map<string, T>;
      return {
        get: (key) => map.get(key),
        has: (key) => map.has(key),
        set(key, value) {
          map.set(key, value);
          append([name, key, value]);
        },
        delete(key) {
          const existed = map.delete(key);
          if (existed) append([name, key]);
          return existed;
        },
        keys: () => map.keys(),
        values: () => map.values(),
        entries: () => map.entries(),
        get size() {
          return map.size;
        },
      };
    },
    together(work) {
      if (gathered) return work();
      gathered = [];
      try {
        return work();
      } finally {
        const changes = gathered;
        gathered = undefined;
        write(changes);
      }
    },
    clear() {
      for (const map of maps.values()) map.clear();
      if (gathered) gathered = [];
      if (descriptor !== undefined) compact();
    },
    close() {
      if (descriptor !== undefined) closeSync(descriptor);
      descriptor = undefined;
    },
  };
}

function countEntries(maps: Map<string, Map<string, unknown>>): number {
  let count = 0;
  for (const map of maps.values()) count += map.size;
  return count;
}

/** `writeSync` may write less than it was given. */
function writeAll(descriptor: number, line: string): void {
  const bytes = Buffer.from(line);
  let done = 0;
  while (done < bytes.length) done += writeSync(descriptor, bytes, done);
}

/** Reads line by line in chunks, since the file may be larger than the longest string of Node. */
function* readChanges(file: string): Generator<Change[]> {
  const descriptor = openSync(file, 'r');
  const chunk = Buffer.alloc(1 << 20);
  let rest: Buffer = Buffer.alloc(0);
  try {
    for (;;) {
      const length = readSync(descriptor, chunk, 0, chunk.length, null);
      if (length === 0) return;
      let bytes = Buffer.concat([rest, chunk.subarray(0, length)]);
      for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10)) {
        yield JSON.parse(bytes.subarray(0, end).toString()) as Change[];
        bytes = bytes.subarray(end + 1);
      }
      rest = bytes;
    }
  } finally {
    closeSync(descriptor);
  }
}
