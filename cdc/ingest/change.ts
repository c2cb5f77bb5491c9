/**
 * The words of the walk from the WAL to the outbox: what arrives from the slot, and what is gathered
 * of it per record until it is stored.
 */
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import type { Lsn } from '../../shared/postgres/lsn.ts';
import type { InboundRow } from '../../shared/postgres/mark.ts';
import type { Image } from '../../shared/postgres/records.ts';

/** A table as the WAL describes it, as of the changes that follow. */
export interface Relation {
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly string[];
  /** Of each column: the type's oid and modifier. */
  readonly types: readonly string[];
}

/**
 * A row's columns as text. A column that is missing or undefined was not sent because it did not
 * change (TOAST): it is unknown here, never null.
 */
export type Tuple = Readonly<Record<string, string | null | undefined>>;

/** One message of the stream, whichever plugin decoded it. */
export type WalMessage =
  | {
      readonly kind: 'begin';
      readonly commitLsn: Lsn;
      /** Epoch ms of the server's clock. */
      readonly commitTime: number;
      readonly xid: number;
    }
  | { readonly kind: 'commit'; readonly commitLsn: Lsn; readonly endLsn: Lsn }
  | { readonly kind: 'relation'; readonly relation: Relation }
  | { readonly kind: 'insert'; readonly relation: Relation; readonly row: Tuple }
  | {
      readonly kind: 'update';
      readonly relation: Relation;
      readonly row: Tuple;
      /** Old columns, where the server sent them: the identity if it changed, or the whole row. */
      readonly old: Tuple | null;
    }
  | { readonly kind: 'delete'; readonly relation: Relation; readonly old: Tuple }
  | { readonly kind: 'truncate'; readonly relations: readonly Relation[] }
  | {
      readonly kind: 'message';
      readonly transactional: boolean;
      readonly prefix: string;
      readonly content: Uint8Array;
    }
  /** Nothing that matters here: origin, type. */
  | { readonly kind: 'other' }
  /** A keepalive's position, when everything that was sent before it was dealt with already. */
  | { readonly kind: 'passed'; readonly lsn: Lsn }
  /** The decoder could not read what came: the stream can't go on. */
  | { readonly kind: 'unreadable'; readonly error: Error };

/** What every step carries: the record, and its place in the WAL. */
interface Place {
  readonly table: TableMapping;
  /** encodeKey of the row's key columns. */
  readonly key: string;
  /** Commit LSN as text and number within the transaction: the order of changes. */
  readonly lsn: string;
  readonly ordinal: number;
  /** Commit time, epoch ms of the server's clock. */
  readonly at: number;
}

/** One thing that happened to one record, in WAL order; the input of the fold. */
export type Step = Place &
  (
    | {
        readonly kind: 'insert' | 'update';
        /** Mapped columns; a missing one did not change. */
        readonly columns: Image;
        /** The whole row before, where the table's replica identity is full. */
        readonly old?: Image | undefined;
        /** A mark of the same transaction inserted the row (insert) or spoke of it (update). */
        readonly marked: boolean;
      }
    /** `marked`: a mark of the same transaction deleted the row. */
    | { readonly kind: 'delete'; readonly marked: boolean }
    /** The row's key was changed from `from` to `key`. */
    | {
        readonly kind: 'rekey';
        readonly from: string;
        readonly columns: Image;
        readonly marked: boolean;
      }
    | { readonly kind: 'mark'; readonly mark: InboundRow }
    | { readonly kind: 'compare' | 'link' | 'complete'; readonly row: Image | null }
  );

/** A token that changes with each later change; see `Pending.seq`. */
export function sequenceOf({ lsn, ordinal }: Pick<Step, 'lsn' | 'ordinal'>): string {
  return `${lsn}:${ordinal}`;
}
