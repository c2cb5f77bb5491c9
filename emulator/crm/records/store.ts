// Records, their property history and the index of unique values. Everything is kept in the journal; the
// indexes are made anew from it.
import type { Journal, PersistentMap } from '../../journal.ts';

/** A value and where it came from. `''` is a cleared value. */
export type StoredValue = { value: string; at: number; source: string; sourceId: string };

/** A record. Times are epoch milliseconds. */
export type StoredRecord = {
  id: string;
  createdAt: number;
  modifiedAt: number;
  /** A bump of the modified date that HubSpot makes later by itself; it counts once its time has come. */
  bumpAt?: number;
  archivedAt?: number;
  /** The survivor, if this record was merged away. */
  mergedInto?: string;
  /** The records merged into this one. */
  mergedIds?: { id: string; at: number }[];
  source: string;
  sourceId: string;
  values: Record<string, StoredValue>;
};

/** So many values of a property are kept, the present one included. */
const KEPT_HISTORY = 20;

/** The first id of every type. All types count from here, so that ids repeat across types. */
const FIRST_ID = 30_000_000_001;

/** Active records by value, and what each is entered under. */
type ValueIndex = { ids: Map<string, Set<string>>; entered: Map<string, string[]> };

export type RecordStore = {
  get(typeId: string, id: string): StoredRecord | undefined;
  /** The record, if it is neither archived nor merged away. */
  getActive(typeId: string, id: string): StoredRecord | undefined;
  put(typeId: string, record: StoredRecord): void;
  /** Removes the record with its history, for good. */
  purge(typeId: string, id: string): void;
  /** Ordered by id. */
  list(typeId: string): StoredRecord[];
  /** Ordered by id, from the first id above `after`. The records must not change meanwhile. */
  walk(typeId: string, after: number): Generator<StoredRecord>;
  count(typeId: string): number;
  newId(typeId: string): string;
  /** Newest first, the present value included. */
  readHistory(typeId: string, record: StoredRecord, property: string): StoredValue[];
  /** Makes `value` the present one and keeps the one before. The record must be `put` afterwards. */
  setValue(typeId: string, record: StoredRecord, property: string, value: StoredValue): void;
  /** Sets the values before the present one, newest first. */
  keepOlder(typeId: string, id: string, property: string, older: StoredValue[]): void;
  /** Ids of active records that hold this value, by an index made at the first call. */
  findByValue(typeId: string, property: string, value: string): string[];
  forgetIndexes(): void;
};

export function openRecordStore(journal: Journal): RecordStore {
  const counters = journal.map<number>('counters');
  const history = journal.map<StoredValue[]>('history');
  const maps = new Map<string, PersistentMap<StoredRecord>>();
  const valueIndexes = new Map<string, Map<string, ValueIndex>>();
  const sorted = new Map<string, string[]>();

  const records = (typeId: string): PersistentMap<StoredRecord> => {
    const known = maps.get(typeId);
    if (known) return known;
    const map = journal.map<StoredRecord>(`records/${typeId}`);
    maps.set(typeId, map);
    return map;
  };

  const isActive = (record: StoredRecord): boolean =>
    record.archivedAt === undefined && record.mergedInto === undefined;

  const indexOf = (typeId: string, property: string): ValueIndex => {
    let ofType = valueIndexes.get(typeId);
    if (ofType === undefined) {
      ofType = new Map();
      valueIndexes.set(typeId, ofType);
    }
    const known = ofType.get(property);
    if (known) return known;
    const index: ValueIndex = { ids: new Map(), entered: new Map() };
    ofType.set(property, index);
    for (const record of records(typeId).values()) addToIndex(index, property, record);
    return index;
  };

  const addToIndex = (index: ValueIndex, property: string, record: StoredRecord): void => {
    if (!isActive(record)) return;
    for (const value of splitIndexed(property, record.values[property]?.value)) {
      const ids = index.ids.get(value);
      if (ids) ids.add(record.id);
      else index.ids.set(value, new Set([record.id]));
      index.entered.set(record.id, [...(index.entered.get(record.id) ?? []), value]);
    }
  };

  const reindex = (typeId: string, record: StoredRecord): void => {
    for (const [property, index] of valueIndexes.get(typeId) ?? []) {
      for (const value of index.entered.get(record.id) ?? []) {
        index.ids.get(value)?.delete(record.id);
      }
      index.entered.delete(record.id);
      addToIndex(index, property, record);
    }
  };

  function* walk(typeId: string, after: number): Generator<StoredRecord> {
    let ids = sorted.get(typeId);
    if (ids === undefined) {
      ids = [...records(typeId).keys()].sort((a, b) => Number(a) - Number(b));
      sorted.set(typeId, ids);
    }
    for (let at = findPlace(ids, after + 1); at < ids.length; at += 1) {
      const record = records(typeId).get(ids[at] as string);
      if (record) yield record;
    }
  }

  return {
    get: (typeId, id) => records(typeId).get(id),
    getActive(typeId, id) {
      const record = records(typeId).get(id);
      return record && isActive(record) ? record : undefined;
    },
    put(typeId, record) {
      if (!records(typeId).has(record.id)) insertSorted(sorted.get(typeId), record.id);
      records(typeId).set(record.id, record);
      reindex(typeId, record);
    },
    purge(typeId, id) {
      const record = records(typeId).get(id);
      if (record === undefined) return;
      for (const property of Object.keys(record.values)) {
        history.delete(`${typeId}/${id}/${property}`);
      }
      reindex(typeId, { ...record, values: {} });
      records(typeId).delete(id);
      sorted.delete(typeId);
    },
    list: (typeId) => [...walk(typeId, 0)],
    walk,
    count(typeId) {
      let count = 0;
      for (const record of records(typeId).values()) if (isActive(record)) count += 1;
      return count;
    },
    newId(typeId) {
      const key = `records/${typeId}`;
      let next = counters.get(key) ?? FIRST_ID;
      while (records(typeId).has(String(next))) next += 1;
      counters.set(key, next + 1);
      return String(next);
    },
    readHistory(typeId, record, property) {
      const present = record.values[property];
      if (present === undefined) return [];
      return [present, ...(history.get(`${typeId}/${record.id}/${property}`) ?? [])];
    },
    setValue(typeId, record, property, value) {
      const before = record.values[property];
      if (before !== undefined) {
        const key = `${typeId}/${record.id}/${property}`;
        history.set(key, [before, ...(history.get(key) ?? [])].slice(0, KEPT_HISTORY - 1));
      }
      record.values[property] = value;
    },
    keepOlder(typeId, id, property, older) {
      if (older.length > 0) history.set(`${typeId}/${id}/${property}`, older);
    },
    findByValue: (typeId, property, value) => [
      ...(indexOf(typeId, property).ids.get(value.toLowerCase()) ?? []),
    ],
    forgetIndexes() {
      valueIndexes.clear();
      sorted.clear();
    },
  };
}

/** The additional emails of a contact are a list; each is found by itself. */
function splitIndexed(property: string, value: string | undefined): string[] {
  if (value === undefined || value === '') return [];
  if (property === 'hs_additional_emails') return value.toLowerCase().split(';');
  return [value.toLowerCase()];
}

function insertSorted(ids: string[] | undefined, id: string): void {
  if (ids === undefined) return;
  const last = ids.at(-1);
  if (last === undefined || Number(last) < Number(id)) ids.push(id);
  else ids.splice(findPlace(ids, Number(id)), 0, id);
}

function findPlace(ids: string[], id: number): number {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (Number(ids[middle]) < id) low = middle + 1;
    else high = middle;
  }
  return low;
}
