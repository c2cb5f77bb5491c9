/**
 * From the stream's messages to steps of records: keeps what maps, reads the marks, and gives each
 * thing its place in the WAL. What was stored before (a transaction sent again) is passed over.
 */
import type { Mapping, TableMapping } from '../../shared/mapping/mapping.ts';
import { encodeKey } from '../../shared/postgres/key.ts';
import { formatLsn, type Lsn } from '../../shared/postgres/lsn.ts';
import { MARK_PREFIX, type Mark, readMark } from '../../shared/postgres/mark.ts';
import { type Image, refId } from '../../shared/postgres/records.ts';
import { mappedColumns } from '../../shared/postgres/rows.ts';
import type { Logger } from '../../shared/service/logger.ts';
import type { Relation, Tuple, WalMessage } from './change.ts';
import { createSteps, type Steps } from './coalesce.ts';

/** How far the WAL is stored. */
export interface Position {
  /** Transactions up to this commit LSN are stored whole. */
  readonly commitLsn: Lsn;
  /** Of the transaction after it, this much is stored. */
  readonly partial: { readonly lsn: Lsn; readonly ordinal: number } | null;
}

/** What a message asks of the consumer beside being gathered. */
export type Signal =
  | { readonly kind: 'commit'; readonly endLsn: Lsn; readonly again: boolean }
  /** Every known row of these tables is gone; what was gathered comes before it. */
  | { readonly kind: 'truncate'; readonly tables: readonly TableMapping[] }
  /** The WAL describes a mapped table without these columns. */
  | { readonly kind: 'shape'; readonly table: TableMapping; readonly missing: readonly string[] };

export interface Gatherer {
  /** @throws on a message that can't be read. */
  take(message: WalMessage): Signal | undefined;
  readonly steps: Steps;
  /** A transaction's commit is still to come. */
  readonly isOpen: boolean;
  /** Where the stream stands after the message taken last. */
  readonly position: Position;
  /** Commit time of the transaction taken last, epoch ms. */
  readonly at: number;
  /** The place of the message taken last, for a step of the consumer's own. */
  readonly place: { readonly lsn: string; readonly ordinal: number; readonly at: number };
  /** Forgets the steps: they are stored. */
  clear(): void;
}

interface Open {
  readonly commitLsn: Lsn;
  readonly lsn: string;
  readonly at: number;
  readonly xid: number;
  /** Stored already, up to this ordinal; Infinity: all of it. */
  readonly storedTo: number;
  ordinal: number;
  /** Rows that marks of this transaction spoke of. */
  readonly inserted: Set<string>;
  readonly deleted: Set<string>;
  readonly updated: Set<string>;
}

export interface GatherOptions {
  readonly mapping: Mapping;
  readonly secret: Buffer;
  readonly log: Logger;
  /** What is stored already. */
  readonly from: Position;
}

export function createGatherer({ mapping, secret, log, from }: GatherOptions): Gatherer {
  let steps = createSteps();
  let open: Open | undefined;
  let lastCommit = from.commitLsn;
  let partial = from.partial;
  let at = 0;
  const tables = new WeakMap<Relation, TableMapping | null>();
  const shapes = new Map<TableMapping, ReadonlyMap<string, string>>();

  const tableOf = (relation: Relation): TableMapping | null => {
    let table = tables.get(relation);
    if (table === undefined) {
      table = mapping.tableOf(relation.schema, relation.name) ?? null;
      tables.set(relation, table);
    }
    return table;
  };

  function begin(message: Extract<WalMessage, { kind: 'begin' }>) {
    const { commitLsn, commitTime, xid } = message;
    const stored = commitLsn <= from.commitLsn;
    const part = from.partial?.lsn === commitLsn ? from.partial.ordinal : 0;
    at = commitTime;
    open = {
      commitLsn,
      lsn: formatLsn(commitLsn),
      at: commitTime,
      xid,
      storedTo: stored ? Number.POSITIVE_INFINITY : part,
      ordinal: 0,
      inserted: new Set(),
      deleted: new Set(),
      updated: new Set(),
    };
  }

  function commit(message: Extract<WalMessage, { kind: 'commit' }>): Signal {
    const again = open?.storedTo === Number.POSITIVE_INFINITY;
    if (!again) {
      lastCommit = message.commitLsn;
      partial = null;
    }
    open = undefined;
    return { kind: 'commit', endLsn: message.endLsn, again };
  }

  /** The next place of the open transaction; undefined where it is stored already. */
  function nextPlace(current: Open) {
    current.ordinal += 1;
    if (current.ordinal <= current.storedTo) return undefined;
    return { lsn: current.lsn, ordinal: current.ordinal, at: current.at };
  }

  function takeRow(message: Extract<WalMessage, { kind: 'insert' | 'update' | 'delete' }>) {
    if (!open) throw new Error('a row change came outside a transaction');
    const place = nextPlace(open);
    const table = tableOf(message.relation);
    if (!table) return;
    const tuple = message.kind === 'delete' ? message.old : message.row;
    const key = keyOf(table, tuple);
    if (key === undefined) {
      log.error(
        { table: table.sql, lsn: open.lsn },
        'a row change came without its whole key and is left out: the key must lie inside the replica identity',
      );
      return;
    }
    const id = refId({ object: table.object, key });
    if (message.kind === 'delete') {
      const marked = open.deleted.delete(id);
      if (place) steps.add({ ...place, table, key, kind: 'delete', marked });
      return;
    }
    const columns = columnsOf(table, tuple);
    if (message.kind === 'insert') {
      const marked = open.inserted.has(id);
      if (place) steps.add({ ...place, table, key, kind: 'insert', columns, marked });
      return;
    }
    const marked = open.updated.has(id) || open.inserted.has(id);
    if (!place) return;
    const from = message.old ? keyOf(table, message.old) : undefined;
    if (from !== undefined && from !== key) {
      steps.add({ ...place, table, key, kind: 'rekey', from, columns, marked });
      return;
    }
    const old = message.old ? wholeRow(table, message.old) : undefined;
    steps.add({ ...place, table, key, kind: 'update', columns, marked, old });
  }

  /** Comes before a table's first row and after each change of its shape. */
  function takeRelation(relation: Relation): Signal | undefined {
    const table = tableOf(relation);
    if (!table) return undefined;
    const types = new Map(relation.columns.map((name, i) => [name, relation.types[i] ?? '']));
    const before = shapes.get(table);
    shapes.set(table, types);
    const mapped = mappedColumns(table);
    const changed = mapped.filter((name) => before && before.get(name) !== types.get(name));
    if (changed.length > 0) {
      log.warn(
        { table: table.sql, columns: changed },
        'mapped columns changed their type or came new: rows that were rewritten by that sent no change; run reconcile --full',
      );
    }
    const missing = mapped.filter((name) => !types.has(name));
    return missing.length > 0 ? { kind: 'shape', table, missing } : undefined;
  }

  function takeMessage(message: Extract<WalMessage, { kind: 'message' }>) {
    if (message.prefix !== MARK_PREFIX) return;
    // Ours are transactional: one that isn't is nobody's whom we know.
    const current = message.transactional ? open : undefined;
    const place = current && nextPlace(current);
    const mark = current && readMark(secret, current.xid, message.content);
    if (!current || !mark) {
      log.warn(
        { lsn: open?.lsn, bytes: message.content.length },
        'a message with our prefix but without our signature was ignored: somebody else emitted it',
      );
      return;
    }
    addMark(current, mark, place);
  }

  function addMark(current: Open, mark: Mark, place: ReturnType<typeof nextPlace>) {
    if (mark.kind === 'heartbeat') return;
    for (const row of mark.rows) {
      const table = mapping.objectOf(row.object);
      if (!table) continue;
      const id = refId({ object: table.object, key: row.key });
      if ('values' in row) {
        const spoken = { insert: 'inserted', delete: 'deleted', update: 'updated' } as const;
        current[spoken[row.kind]].add(id);
        if (place) steps.add({ ...place, table, key: row.key, kind: 'mark', mark: row });
      } else if (place && mark.kind !== 'inbound') {
        const columns = row.row && columnsOf(table, row.row);
        steps.add({ ...place, table, key: row.key, kind: mark.kind, row: columns });
      }
    }
  }

  return {
    take(message) {
      switch (message.kind) {
        case 'begin':
          begin(message);
          return undefined;
        case 'commit':
          return commit(message);
        case 'relation':
          return takeRelation(message.relation);
        case 'insert':
        case 'update':
        case 'delete':
          takeRow(message);
          return undefined;
        case 'truncate': {
          if (!open) throw new Error('a truncate came outside a transaction');
          const place = nextPlace(open);
          const mapped = message.relations.map(tableOf).filter((table) => table !== null);
          return place && mapped.length > 0 ? { kind: 'truncate', tables: mapped } : undefined;
        }
        case 'message':
          takeMessage(message);
          return undefined;
        case 'unreadable':
          throw message.error;
        default:
          return undefined;
      }
    },
    get steps() {
      return steps;
    },
    get isOpen() {
      return open !== undefined;
    },
    get position() {
      // What of the open transaction was stored before stays so, also where less was sent again yet.
      if (open && open.storedTo < open.ordinal) {
        partial = { lsn: open.commitLsn, ordinal: open.ordinal };
      }
      return { commitLsn: lastCommit, partial };
    },
    get at() {
      return at;
    },
    get place() {
      if (!open) throw new Error('no transaction is open');
      return { lsn: open.lsn, ordinal: open.ordinal, at: open.at };
    },
    clear() {
      steps = createSteps();
    },
  };
}

/** Undefined while a key column wasn't sent. */
function keyOf(table: TableMapping, tuple: Tuple): string | undefined {
  const parts = table.key.map((name) => tuple[name]);
  return parts.every((part) => typeof part === 'string') ? encodeKey(parts) : undefined;
}

function columnsOf(table: TableMapping, tuple: Tuple): Image {
  const columns: Record<string, string | null> = {};
  for (const name of mappedColumns(table)) {
    const text = tuple[name];
    if (text !== undefined) columns[name] = text;
  }
  return columns;
}

/** The mapped columns of an old row that was sent whole; a key alone has too few. */
function wholeRow(table: TableMapping, old: Tuple): Image | undefined {
  const columns = columnsOf(table, old);
  return Object.keys(columns).length === mappedColumns(table).length ? columns : undefined;
}
