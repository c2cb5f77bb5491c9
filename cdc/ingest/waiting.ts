/**
 * What waits for a record in the outbox, between the form it is stored in and the protocol's: there a
 * pending property is a name whose value is the image's, here it has its value.
 */
import type { PropertyMapping, TableMapping } from '../../shared/mapping/mapping.ts';
import type { Image, OutboxRow, StoredRecord } from '../../shared/postgres/records.ts';
import { toValue } from '../../shared/postgres/values.ts';
import type { PendingExistence } from '../../shared/protocol/existence.ts';
import type { Pending, Pendings, RecordState } from '../../shared/protocol/state.ts';
import type { Step } from './change.ts';

export interface WaitSettings {
  /** Quiet time before a changed record is sent, and the longest a change waits for it, in ms. */
  readonly debounceMs: number;
  readonly maxWaitMs: number;
}

/** Properties and associations that travel outwards, of these columns or of all. */
export function outwardNames(table: TableMapping, columns?: ReadonlySet<string>): string[] {
  const wanted = (column: string) => columns === undefined || columns.has(column);
  return [
    ...table.properties.filter(isOutward).filter(({ column }) => wanted(column)),
    ...table.associations.filter(({ column }) => wanted(column)),
  ].map((mapping) => ('property' in mapping ? mapping.property : mapping.name));
}

function isOutward({ direction }: PropertyMapping): boolean {
  return direction !== 'inbound';
}

export function isAssociation(table: TableMapping, name: string): boolean {
  return table.associations.some((association) => association.name === name);
}

export function columnOf(table: TableMapping, name: string): string | undefined {
  return table.property(name)?.column ?? table.associations.find((a) => a.name === name)?.column;
}

/**
 * The value of a property as the image holds it. What can't be converted (delivery will say so), an
 * association and an unknown column stand as their text: here values are compared, never sent.
 */
export function valueIn(
  table: TableMapping,
  state: RecordState,
  name: string,
  image: Image | null,
): string {
  const column = columnOf(table, name);
  const text = column === undefined ? undefined : image?.[column];
  const mapping = table.property(name);
  if (!mapping || text === undefined) return text ?? '';
  try {
    return toValue(mapping, state, text);
  } catch {
    return text ?? '';
  }
}

/** All that waits for the record's properties, none left out. */
export function pendingsOf(table: TableMapping, record: StoredRecord): Record<string, Pending> {
  return Object.fromEntries(
    Object.entries(record.outbox?.pending ?? {}).map(([name, { cause, seq }]) => [
      name,
      { cause, seq, value: valueIn(table, record.state, name, record.image) },
    ]),
  );
}

export function setWaiting(
  { debounceMs, maxWaitMs }: WaitSettings,
  record: StoredRecord,
  step: Step,
  op: PendingExistence | null,
  pendings: Pendings,
): void {
  const pending = Object.fromEntries(
    Object.entries(pendings).map(([name, { cause, seq }]) => [name, { seq, cause }]),
  );
  if (op === null && Object.keys(pending).length === 0) {
    record.outbox = null;
    return;
  }
  const before = record.outbox;
  if (before && isSame(before, op, pending)) return;
  const firstAt = before?.firstAt ?? step.at;
  const due = Math.min(step.at + debounceMs, firstAt + maxWaitMs);
  record.outbox = {
    operation: op?.operation ?? null,
    pending,
    firstLsn: before?.firstLsn ?? step.lsn,
    // The operation's token: it stays while only properties come to wait beside it.
    lastLsn: op?.seq ?? step.lsn,
    firstAt,
    lastAt: step.at,
    // A record that is being retried keeps its pause.
    dueAt: before?.error ? Math.max(before.dueAt, due) : due,
    attempts: before?.attempts ?? 0,
    error: before?.error ?? null,
  };
}

function isSame(
  before: OutboxRow,
  op: PendingExistence | null,
  pending: OutboxRow['pending'],
): boolean {
  if (before.operation !== (op?.operation ?? null) || (op && op.seq !== before.lastLsn))
    return false;
  const names = Object.keys(pending);
  return (
    names.length === Object.keys(before.pending).length &&
    names.every((name) => before.pending[name]?.seq === pending[name]?.seq)
  );
}
