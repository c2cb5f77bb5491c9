/**
 * From pgoutput's messages, as the replication library parses them, to the walk's own. The library
 * is told to leave every value as text (`keepText`), and what it can't parse arrives as a message.
 */
import { parseLsn } from '../../shared/postgres/lsn.ts';
import type { Relation, Tuple, WalMessage } from './change.ts';

/** The library's messages, as far as they are used. */
export interface PgoutputRelation {
  readonly schema: string;
  readonly name: string;
  readonly columns: {
    readonly name: string;
    readonly typeOid: number;
    readonly typeMod: number;
    parser: (text: string) => unknown;
  }[];
}

export type PgoutputMessage =
  | { tag: 'begin'; commitLsn: string | null; commitTime: bigint; xid: number }
  | { tag: 'commit'; commitLsn: string | null; commitEndLsn: string | null }
  | ({ tag: 'relation' } & PgoutputRelation)
  | { tag: 'insert'; relation: PgoutputRelation; new: Tuple }
  | {
      tag: 'update';
      relation: PgoutputRelation;
      key: Tuple | null;
      old: Tuple | null;
      new: Tuple;
    }
  | { tag: 'delete'; relation: PgoutputRelation; key: Tuple | null; old: Tuple | null }
  | { tag: 'truncate'; relations: readonly PgoutputRelation[] }
  | { tag: 'message'; transactional: boolean; prefix: string; content: Uint8Array }
  | { tag: 'origin' | 'type' }
  | { tag: 'unreadable'; error: Error };

const identity = (text: string) => text;

/**
 * Makes the library's parser of every column the identity: pg's own turn timestamps into dates
 * without microseconds and days into other days. To be called before the relation's first row is
 * parsed, that is, inside the plugin's `parse`. A message's content is a view of the connection's
 * buffer, which pg fills again with what arrives next: what waits needs a copy.
 */
export function keepText(message: PgoutputMessage): void {
  if (message.tag === 'message') message.content = Uint8Array.from(message.content);
  if (message.tag !== 'relation') return;
  for (const column of message.columns) column.parser = identity;
}

/** Memoised by identity: the library hands over the same relation with each of its rows. */
const relations = new WeakMap<PgoutputRelation, Relation>();

function relationOf(given: PgoutputRelation): Relation {
  const known = relations.get(given);
  if (known) return known;
  const relation = {
    schema: given.schema,
    name: given.name,
    columns: given.columns.map(({ name }) => name),
    types: given.columns.map(({ typeOid, typeMod }) => `${typeOid}/${typeMod}`),
  };
  relations.set(given, relation);
  return relation;
}

/** @throws on a message that lacks what the protocol promises; the caller ends the stream. */
export function decodePgoutput(message: PgoutputMessage): WalMessage {
  switch (message.tag) {
    case 'begin':
      return {
        kind: 'begin',
        commitLsn: parseLsn(required(message.commitLsn, 'commit LSN')),
        commitTime: Number(message.commitTime / 1000n),
        xid: message.xid,
      };
    case 'commit':
      return {
        kind: 'commit',
        commitLsn: parseLsn(required(message.commitLsn, 'commit LSN')),
        endLsn: parseLsn(required(message.commitEndLsn, 'end LSN')),
      };
    case 'relation':
      return { kind: 'relation', relation: relationOf(message) };
    case 'insert':
      return { kind: 'insert', relation: relationOf(message.relation), row: message.new };
    case 'update':
      return {
        kind: 'update',
        relation: relationOf(message.relation),
        row: message.new,
        old: message.key ?? message.old,
      };
    case 'delete':
      return {
        kind: 'delete',
        relation: relationOf(message.relation),
        old: required(message.key ?? message.old, 'old row'),
      };
    case 'truncate':
      return { kind: 'truncate', relations: message.relations.map(relationOf) };
    case 'message':
      return {
        kind: 'message',
        transactional: message.transactional,
        prefix: message.prefix,
        content: message.content,
      };
    case 'unreadable':
      return { kind: 'unreadable', error: message.error };
    default:
      return { kind: 'other' };
  }
}

function required<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new Error(`a message came without its ${what}`);
  return value;
}
