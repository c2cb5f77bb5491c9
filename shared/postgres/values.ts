/**
 * From the texts of a row to the values the protocol compares, and back: the one place where a
 * column's text and a property's canonical value meet.
 */
import type { PropertyMapping, TableMapping } from '../mapping/mapping.ts';
import type { ExistencePolicy, PendingExistence } from '../protocol/existence.ts';
import type { Pending, RecordState, Value } from '../protocol/state.ts';
import type { Image, OutboxRow, StoredRecord } from './records.ts';

/** A text that its codec can't turn into a HubSpot value; the text itself is not repeated here. */
export interface Unconvertible {
  readonly property: string;
  readonly column: string;
  readonly error: Error;
}

/**
 * The canonical value of a property's column text. Where the text is what Postgres made of the
 * inbound value applied last (a numeric that was rounded), it stands for that value: else the
 * rounding would be taken for a local change and pushed.
 */
export function toValue(mapping: PropertyMapping, state: RecordState, text: string | null): Value {
  const inbound = state.properties[mapping.property]?.inbound;
  if (inbound && inbound.text !== undefined && inbound.text === text) return inbound.value;
  return mapping.codec.toHubspot(text);
}

/** The values of a row's mapped properties; a column that is unknown stays out. */
export function rowValues(
  table: TableMapping,
  state: RecordState,
  columns: Image,
): { values: Record<string, Value>; unconvertible: Unconvertible[] } {
  const values: Record<string, Value> = {};
  const unconvertible: Unconvertible[] = [];
  for (const mapping of table.properties) {
    const text = columns[mapping.column];
    if (text === undefined) continue;
    try {
      values[mapping.property] = toValue(mapping, state, text);
    } catch (error) {
      unconvertible.push({
        property: mapping.property,
        column: mapping.column,
        error: error as Error,
      });
    }
  }
  return { values, unconvertible };
}

/**
 * What waits in a record's outbox row, with its values from the image. Associations are left out:
 * their value is the other record's id, which only delivery can look up.
 */
export function pendingValues(
  table: TableMapping,
  record: Pick<StoredRecord, 'state' | 'image' | 'outbox'>,
): {
  pendings: Record<string, Pending>;
  unconvertible: Unconvertible[];
  /** Columns that something waits for and whose text the stream hasn't carried yet. */
  unknown: string[];
} {
  const pendings: Record<string, Pending> = {};
  const unconvertible: Unconvertible[] = [];
  const unknown: string[] = [];
  for (const [property, { cause, seq }] of Object.entries(record.outbox?.pending ?? {})) {
    const mapping = table.property(property);
    if (!mapping) continue;
    const text = record.image?.[mapping.column];
    if (text === undefined) {
      unknown.push(mapping.column);
      continue;
    }
    try {
      pendings[property] = { value: toValue(mapping, record.state, text), cause, seq };
    } catch (error) {
      unconvertible.push({ property, column: mapping.column, error: error as Error });
    }
  }
  return { pendings, unconvertible, unknown };
}

/** What becomes of the one side when the other is deleted, as the protocol takes it. */
export function existencePolicy(table: TableMapping): ExistencePolicy {
  return { inward: table.deletes.inbound, outward: table.deletes.outbound };
}

/** What waits for the record as a whole, as the protocol takes it. */
export function operationOf(outbox: OutboxRow | null): PendingExistence | null {
  return outbox?.operation ? { operation: outbox.operation, seq: outbox.lastLsn } : null;
}
