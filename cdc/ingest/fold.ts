/**
 * Folds one step into its record: which properties wait to be sent after it. The decisions are those
 * of shared/protocol; here a row's texts become its values, and the last consumed image is kept. An
 * UPDATE carries every column, so only what differs from the image is a local change. Pure but for
 * the record that it is handed, which the caller holds locked.
 */
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import type { InboundRow } from '../../shared/postgres/mark.ts';
import type { Image, StoredRecord } from '../../shared/postgres/records.ts';
import { mappedColumns } from '../../shared/postgres/rows.ts';
import { existencePolicy, operationOf } from '../../shared/postgres/values.ts';
import { consumeChange, consumeCompare, consumeMark } from '../../shared/protocol/consume.ts';
import {
  consumeExistenceChange,
  consumeExistenceCompare,
  consumeExistenceMark,
} from '../../shared/protocol/existence.ts';
import { doubt, learned, mapProperty } from '../../shared/protocol/record.ts';
import {
  type Conflict,
  type Pending,
  propertyOf,
  type RecordState,
} from '../../shared/protocol/state.ts';
import { type Step, sequenceOf } from './change.ts';
import {
  columnOf,
  isAssociation,
  outwardNames,
  pendingsOf,
  setWaiting,
  valueIn,
  type WaitSettings,
} from './waiting.ts';

/** What a step came to, for events and logs. */
export interface Folded {
  readonly outcome: 'change' | 'echo' | 'nothing';
  /** Properties that became pending by it. */
  readonly properties: readonly string[];
  readonly conflicts: readonly Conflict[];
}

export interface FoldSettings extends WaitSettings {
  /** The HubSpot id of the record that a compared row's foreign key names. */
  readonly linkOf: (object: string, key: string) => string | undefined;
}

type Pendings = Record<string, Pending>;
type Change = Extract<Step, { kind: 'insert' | 'update' }>;

const nothing: Folded = { outcome: 'nothing', properties: [], conflicts: [] };

/** @param record of the step's key; a key change was carried out on it already (`moveRecord`). */
export function foldStep(settings: FoldSettings, record: StoredRecord, step: Step): Folded {
  record.lastLsn = step.lsn;
  switch (step.kind) {
    case 'insert':
      return step.marked && record.image !== null
        ? foldUpdate(settings, record, { ...step, kind: 'update' })
        : foldInsert(settings, record, step);
    case 'update':
      return foldUpdate(settings, record, step);
    case 'rekey':
      return foldUpdate(settings, record, { ...step, kind: 'update' }, [step.table.idProperty]);
    case 'delete':
      return foldDelete(settings, record, step);
    case 'mark':
      return foldMark(settings, record, step, step.mark);
    case 'compare':
      return foldCompare(settings, record, step, step.row);
    case 'link':
    case 'complete':
      record.image = step.row && { ...record.image, ...step.row };
      return nothing;
  }
}

function foldInsert(settings: FoldSettings, record: StoredRecord, step: Change): Folded {
  record.image = step.columns;
  record.state = forgetInwardOnly(step.table, record.state);
  return writeChange(settings, record, step, 'insert', {}, outwardNames(step.table));
}

/**
 * A row that takes the place of a deleted one whose record is still linked: what the old row was given
 * of properties that only travel inwards the new one lacks, and HubSpot tells it to nobody twice. It
 * is read again.
 */
function forgetInwardOnly(table: TableMapping, state: RecordState): RecordState {
  const names = table.properties
    .filter(({ direction, property }) => direction === 'inbound' && state.properties[property])
    .map(({ property }) => property);
  if (state.existence.link === null || names.length === 0) return state;
  let next = doubt(learned(state), 'reconcile');
  for (const name of names) {
    next = mapProperty(next, name, (property) => ({ ...property, inbound: null, epoch: 0 }));
  }
  return next;
}

/** @param more properties that wait whatever the columns say. */
function foldUpdate(
  settings: FoldSettings,
  record: StoredRecord,
  step: Change,
  more: readonly string[] = [],
): Folded {
  const before = record.image ?? step.old ?? null;
  const { columns, table } = step;
  // A row that was never consumed: what it held before isn't known, so all of it is news.
  const changed =
    before === null
      ? new Set(mappedColumns(table))
      : new Set(Object.keys(columns).filter((name) => before[name] !== columns[name]));
  const pendings = pendingsOf(table, record);
  record.image = { ...before, ...columns };
  const names = [...outwardNames(table, changed), ...more];
  if (names.length === 0) return step.marked ? { ...nothing, outcome: 'echo' } : nothing;
  return writeChange(settings, record, step, 'update', pendings, names);
}

/** A local change: the properties wait with the values that the image holds now. */
function writeChange(
  settings: FoldSettings,
  record: StoredRecord,
  step: Change,
  kind: 'insert' | 'update',
  pendings: Pendings,
  names: readonly string[],
): Folded {
  const { table } = step;
  const decided = consumeExistenceChange(
    record.state,
    { kind, seq: step.lsn },
    existencePolicy(table),
  );
  record.state = decided.record;
  if (decided.op === null) {
    setWaiting(settings, record, step, null, {});
    return nothing;
  }
  const values = Object.fromEntries(
    names.map((name) => [name, valueIn(table, record.state, name, record.image)]),
  );
  const consumed = consumeChange(record.state, pendings, values, sequenceOf(step));
  record.state = consumed.record;
  setWaiting(settings, record, step, decided.op, consumed.pendings);
  return { outcome: 'change', properties: names, conflicts: [] };
}

function foldDelete(
  settings: FoldSettings,
  record: StoredRecord,
  step: Extract<Step, { kind: 'delete' }>,
): Folded {
  record.image = null;
  if (step.marked) return { ...nothing, outcome: 'echo' };
  const decided = consumeExistenceChange(
    record.state,
    { kind: 'delete', seq: step.lsn },
    existencePolicy(step.table),
  );
  record.state = decided.record;
  setWaiting(settings, record, step, decided.op, {});
  return { outcome: 'change', properties: [], conflicts: [] };
}

/** HubSpot has spoken at this place: the row holds the mark's texts when its change comes. */
function foldMark(
  settings: FoldSettings,
  record: StoredRecord,
  step: Step,
  mark: InboundRow,
): Folded {
  const { table } = step;
  let pendings = pendingsOf(table, record);
  let op = operationOf(record.outbox);
  if (mark.kind !== 'update') {
    const decided = consumeExistenceMark(record.state);
    record.state = decided.record;
    op = decided.op;
    pendings = {};
  }
  if (mark.kind === 'delete') {
    if (table.deletes.inbound === 'delete') record.image = null;
    setWaiting(settings, record, step, op, pendings);
    return nothing;
  }
  const known = Object.entries(mark.values).filter(([name]) => columnOf(table, name) !== undefined);
  const before = record.image;
  const texts = Object.fromEntries(
    known.map(([name, { text }]) => [columnOf(table, name) as string, text]),
  );
  for (const [name, { value, text }] of known) {
    const waiting = pendings[name];
    // The values of associations are the other records' ids, of which only the texts are at hand.
    if (waiting && isAssociation(table, name)) {
      const column = columnOf(table, name) as string;
      pendings[name] = { ...waiting, value: before?.[column] === text ? value : waiting.value };
    }
  }
  // A row of ours: the insert names every mapped column, NULL where HubSpot holds nothing.
  const empty = Object.fromEntries(mappedColumns(table).map((name) => [name, null]));
  record.image = mark.kind === 'insert' ? { ...empty, ...texts } : { ...before, ...texts };
  const consumed = consumeMark(
    record.state,
    pendings,
    Object.fromEntries(known.map(([name, { value, time }]) => [name, { value, time }])),
    sequenceOf(step),
  );
  record.state = consumed.record;
  // An update whose last value was dropped has nothing left to carry.
  const { call, existence } = record.state;
  const isEmpty = Object.keys(consumed.pendings).length === 0;
  if (op?.operation === 'write' && isEmpty && existence.link !== null && !call) op = null;
  setWaiting(settings, record, step, op, consumed.pendings);
  return { outcome: 'nothing', properties: [], conflicts: consumed.conflicts };
}

/** The row as it was at this place; never looked up, since the table may be ahead of the stream. */
function foldCompare(
  settings: FoldSettings,
  record: StoredRecord,
  step: Step,
  row: Image | null,
): Folded {
  const { table } = step;
  // Seen as missing before an insert that stands ahead in the WAL was visible: that one is right.
  if (row === null && record.image !== null) return nothing;
  const seq = sequenceOf(step);
  const before = operationOf(record.outbox);
  const decided = consumeExistenceCompare(
    record.state,
    before,
    { rowExists: row !== null, seq: step.lsn },
    existencePolicy(table),
  );
  record.state = decided.record;
  let pendings = pendingsOf(table, record);
  record.image = row && { ...record.image, ...row };
  if (row === null) {
    setWaiting(settings, record, step, decided.op, {});
    return nothing;
  }
  const names = outwardNames(table);
  if (before === null && decided.op?.operation === 'write') {
    for (const name of names) {
      const value = valueIn(table, record.state, name, record.image);
      pendings[name] ??= { value, cause: 'compare', seq };
    }
  } else {
    const values = Object.fromEntries(
      names
        .filter((name) => table.property(name) !== undefined)
        .map((name) => [name, valueIn(table, record.state, name, record.image)]),
    );
    const consumed = consumeCompare(record.state, pendings, values, seq);
    record.state = consumed.record;
    pendings = { ...consumed.pendings };
    if (!record.state.call) compareAssociations(settings, record, table, pendings, seq);
  }
  setWaiting(settings, record, step, decided.op, pendings);
  return nothing;
}

/** An association nothing is known of counts as none: HubSpot makes none without being asked to. */
function compareAssociations(
  { linkOf }: FoldSettings,
  record: StoredRecord,
  table: TableMapping,
  pendings: Pendings,
  seq: string,
): void {
  if (record.state.existence.link === null) return;
  for (const { name, column, toObject } of table.associations) {
    const text = record.image?.[column];
    if (text === undefined || pendings[name]) continue;
    const link = text === null ? '' : linkOf(toObject, text);
    const { known, refused } = propertyOf(record.state, name);
    // Without a link there is nothing to compare with; when it is made, this is asked again.
    if (link === undefined || link === (known?.value ?? '') || link === refused) continue;
    pendings[name] = { value: link, cause: 'compare', seq };
  }
}
