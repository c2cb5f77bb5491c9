/** Between what was read and what the protocol judges: histories, the row's values, column texts. */
import type { RecordAnswer } from '../../shared/hubspot/hubspot.ts';
import type { PropertyMapping, TableMapping } from '../../shared/mapping/mapping.ts';
import { unconvertibleLetter } from '../../shared/postgres/inbound-letters.ts';
import type { Image, StoredRecord } from '../../shared/postgres/records.ts';
import { rowValues } from '../../shared/postgres/values.ts';
import type { InboundWrite } from '../../shared/postgres/write-inbound.ts';
import type { Inbound } from '../../shared/protocol/judge.ts';
import { refusedInbound } from '../../shared/protocol/receive.ts';
import type { HistoryEntry, RecordState, Value } from '../../shared/protocol/state.ts';
import type { DeliverContext } from '../records/context.ts';
import type { Findings } from '../records/findings.ts';
import type { Reading } from './read.ts';

type Values = Record<string, InboundWrite['values'][string]>;
type Histories = Readonly<Record<string, readonly HistoryEntry[]>>;

/** Every mapped property's, an empty one of what was never set. */
export function historiesOf(
  { appId }: DeliverContext,
  table: TableMapping,
  { histories = {} }: RecordAnswer,
): Histories {
  return Object.fromEntries(
    table.properties.map((mapping) => [
      mapping.property,
      (histories[mapping.property] ?? []).map((entry) => ({
        value: canonical(mapping, entry.value),
        time: entry.timestamp,
        ours: entry.sourceType === 'INTEGRATION' && appId !== undefined && entry.sourceId === appId,
      })),
    ]),
  );
}

/** A value that isn't of the property's kind stands as it is; no row takes it (see `toColumn`). */
function canonical({ codec }: PropertyMapping, value: string): Value {
  try {
    return codec.canonical(value);
  } catch {
    return value;
  }
}

/** What can't be converted stands as its text, as where it was consumed. */
export function valuesOfRow(
  table: TableMapping,
  state: RecordState,
  row: Image,
): Record<string, Value> {
  const { values, unconvertible } = rowValues(table, state, row);
  for (const { property, column } of unconvertible) values[property] = row[column] ?? '';
  return values;
}

/** @throws CodecError where the column can't hold the value. */
function toColumn({ codec }: PropertyMapping, value: Value): string | null {
  return codec.toPostgres(codec.canonical(value));
}

/**
 * For a new row: every mapped property, empty ones too, so that no column is left to its default.
 * What can't be converted is left out, as a dead letter.
 */
export function insertedValues(
  table: TableMapping,
  record: StoredRecord,
  histories: Histories,
  { time }: Reading,
  findings: Findings,
): { values: Values; lacking: string[] } {
  const values: Values = {};
  const lacking: string[] = [];
  for (const mapping of table.properties) {
    const { property, required } = mapping;
    const current = histories[property]?.[0] ?? { value: '', time: time.high };
    try {
      const text = toColumn(mapping, current.value);
      values[property] = { value: current.value, time: current.time, text };
      if (required && text === null) lacking.push(property);
    } catch (error) {
      findings.letters.push(letterOf(record, property, current, error));
      if (required) lacking.push(property);
    }
  }
  return { values, lacking };
}

/** For an existing row. What it can't take is a dead letter, and its own value isn't sent instead. */
export function appliedValues(
  table: TableMapping,
  record: StoredRecord,
  apply: readonly Inbound[],
  row: Image,
  findings: Findings,
): Values {
  const values: Values = {};
  const own = valuesOfRow(table, record.state, row);
  for (const { property, value, time } of apply) {
    const mapping = table.property(property);
    // What we only send is ours: a foreign value there is drift, and the comparison restores it.
    if (!mapping || mapping.direction === 'outbound') continue;
    try {
      values[property] = { value, time, text: toColumn(mapping, value) };
    } catch (error) {
      record.state = refusedInbound(record.state, property, own[property] ?? '');
      record.syncError = `${property}: ${(error as Error).message}`;
      findings.letters.push(letterOf(record, property, { value, time }, error));
    }
  }
  return values;
}

function letterOf(
  { object, key, state }: StoredRecord,
  property: string,
  { value, time }: { readonly value: string; readonly time: number },
  error: unknown,
) {
  const hubspotId = state.existence.link;
  const { message: reason } = error as Error;
  return unconvertibleLetter({ object, key, hubspotId }, { property, value, time, reason });
}
