/** Between what the outbox stores and what the protocol takes: the pending values and operation. */
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import type { PendingMark, StoredRecord } from '../../shared/postgres/records.ts';
import { operationOf, pendingValues, type Unconvertible } from '../../shared/postgres/values.ts';
import type { PendingExistence } from '../../shared/protocol/existence.ts';
import type { Pending, Pendings } from '../../shared/protocol/state.ts';

export type Associations = Readonly<Record<string, PendingMark>>;

/** What waits for a record, in the protocol's words; associations keep their stored form. */
export interface Waiting {
  readonly op: PendingExistence | null;
  /** The key property is among them after the row's key was changed. */
  readonly pendings: Pendings;
  readonly associations: Associations;
  readonly unconvertible: readonly Unconvertible[];
  /** Columns that something waits for and whose text isn't known. */
  readonly unknown: readonly string[];
}

export function waitingOf(table: TableMapping, record: StoredRecord): Waiting {
  const { pendings, unconvertible, unknown } = pendingValues(table, record);
  const pending = record.outbox?.pending ?? {};
  const associations: Record<string, PendingMark> = {};
  for (const { name, column } of table.associations) {
    const mark = pending[name];
    if (!mark) continue;
    associations[name] = mark;
    if (record.image?.[column] === undefined) unknown.push(column);
  }
  const key = pending[table.idProperty];
  if (key) {
    try {
      pendings[table.idProperty] = { ...key, value: table.keyValue(record.key) };
    } catch (error) {
      const column = table.key.join(', ');
      unconvertible.push({ property: table.idProperty, column, error: error as Error });
    }
  }
  return { op: operationOf(record.outbox), pendings, associations, unconvertible, unknown };
}

/**
 * Puts back what waits now. The row leaves the outbox when nothing waits any more; a record without
 * one gets one only when something waits (a value to be restored), as of `now`.
 */
export function keepWaiting(
  record: StoredRecord,
  op: PendingExistence | null,
  pendings: Pendings,
  associations: Associations,
  now: number,
): void {
  const marks = Object.fromEntries(
    Object.entries(pendings).map(([name, { cause, seq }]: [string, Pending]) => [
      name,
      { cause, seq },
    ]),
  );
  const pending = { ...marks, ...associations };
  if (op === null && Object.keys(pending).length === 0) {
    record.outbox = null;
    return;
  }
  const before = record.outbox;
  const lsn = op?.seq ?? before?.lastLsn ?? record.lastLsn ?? '0/0';
  record.outbox = {
    firstLsn: before?.firstLsn ?? lsn,
    lastLsn: before?.lastLsn ?? lsn,
    firstAt: before?.firstAt ?? now,
    lastAt: before?.lastAt ?? now,
    dueAt: before?.dueAt ?? now,
    attempts: before?.attempts ?? 0,
    error: before?.error ?? null,
    operation: op?.operation ?? null,
    pending,
  };
}

/** What an outbox row that isn't sent waits for, by the code that stands in its `error`. */
export type WaitReason =
  | 'WAITS_FOR_MARK'
  | 'WAITS_FOR_ROW'
  | 'WAITS_FOR_TWIN'
  | 'WAITS_FOR_ASSOCIATED';

/** Leaves the row in the outbox for later, and says in it what for. */
export function waitFor(record: StoredRecord, reason: WaitReason, until: number): void {
  if (record.outbox) record.outbox = { ...record.outbox, dueAt: until, error: reason };
}

export function without<T>(
  all: Readonly<Record<string, T>>,
  names: readonly string[],
): Record<string, T> {
  return Object.fromEntries(Object.entries(all).filter(([name]) => !names.includes(name)));
}
