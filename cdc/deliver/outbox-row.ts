/** Between what the outbox stores and what the protocol takes: the pending values and operation. */
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import type { OutboxRow, PendingMark, StoredRecord } from '../../shared/postgres/records.ts';
import { pendingValues, type Unconvertible } from '../../shared/postgres/values.ts';
import type { ExistencePolicy, PendingExistence } from '../../shared/protocol/existence.ts';
import type { Pending, Pendings } from '../../shared/protocol/state.ts';

/** What waits for a record, in the protocol's words; associations keep their stored form. */
export interface Waiting {
  readonly op: PendingExistence | null;
  readonly pendings: Pendings;
  readonly associations: Readonly<Record<string, PendingMark>>;
  readonly unconvertible: readonly Unconvertible[];
}

export function existencePolicy(table: TableMapping): ExistencePolicy {
  return { inward: table.deletes.inbound, outward: table.deletes.outbound };
}

export function operationOf(outbox: OutboxRow | null): PendingExistence | null {
  return outbox?.operation ? { operation: outbox.operation, seq: outbox.lastLsn } : null;
}

export function waitingOf(table: TableMapping, record: StoredRecord): Waiting {
  const { pendings, unconvertible } = pendingValues(table, record);
  const names = new Set(table.associations.map(({ name }) => name));
  const associations = Object.fromEntries(
    Object.entries(record.outbox?.pending ?? {}).filter(([name]) => names.has(name)),
  );
  return { op: operationOf(record.outbox), pendings, associations, unconvertible };
}

/**
 * Puts back what waits now. The row leaves the outbox when nothing waits any more; a record without
 * one gets one only when something waits (a value to be restored), as of `now`.
 */
export function keepWaiting(
  record: StoredRecord,
  op: PendingExistence | null,
  pendings: Pendings,
  associations: Readonly<Record<string, PendingMark>>,
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
