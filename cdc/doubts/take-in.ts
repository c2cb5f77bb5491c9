/** Brings into the records what was written into their rows, or what Postgres refused of it. */
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import { refusedLetter } from '../../shared/postgres/inbound-letters.ts';
import type { Cured } from '../../shared/postgres/journal.ts';
import { type Image, refId, type StoredRecord } from '../../shared/postgres/records.ts';
import type { RefusedRow, WrittenRow } from '../../shared/postgres/write-inbound.ts';
import { refuseDeletion, refuseInsertion } from '../../shared/protocol/existence-inward.ts';
import { appliedInbound, refusedInbound } from '../../shared/protocol/receive.ts';
import type { DeliverContext } from '../records/context.ts';
import { tellFindings } from '../records/findings.ts';
import type { JudgeFindings } from './judge-record.ts';
import { historiesOf, valuesOfRow } from './judge-values.ts';
import type { Reading } from './read.ts';

type Records = ReadonlyMap<string, StoredRecord>;

/** Stores what a row was given, as the row holds it. */
export function takeWritten(
  table: TableMapping,
  records: Records,
  done: WrittenRow,
  findings: JudgeFindings,
): void {
  const { write, texts, changed } = done;
  const record = records.get(refId({ object: table.object, key: write.key }));
  if (!record) return;
  for (const [property, { value, time }] of Object.entries(write.values)) {
    const text = texts[property] ?? null;
    record.state = appliedInbound(record.state, property, { value, time, text });
  }
  record.lastSyncedAt = Date.now();
  if (write.kind === 'update' && changed.length === 0 && !write.unmark) return;
  const judged = findings.writes.find((one) => one.write.key === write.key);
  const properties = namesOf(table, done);
  if (judged) judged.done = done;
  findings.log.push({
    object: table.object,
    key: write.key,
    direction: 'inbound',
    status: 'success',
    message: `${write.kind}${write.kind === 'update' && properties.length > 0 ? `: ${properties.join(', ')}` : ''}`,
    metadata: { operation: write.kind, hubspot_id: write.hubspotId, properties, source: 'read' },
    startedAt: judged?.startedAt ?? Date.now(),
  });
}

/** Postgres refuses it: a dead letter, and the old value isn't sent over HubSpot's. */
export function takeRefused(
  table: TableMapping,
  records: Records,
  refused: RefusedRow,
  findings: JudgeFindings,
): void {
  const { write, code, detail } = refused;
  const record = records.get(refId({ object: table.object, key: write.key }));
  if (!record) return;
  if (write.kind === 'insert') record.state = refuseInsertion(record.state);
  if (write.kind === 'delete') record.state = refuseDeletion(record.state);
  if (write.kind === 'update') keepOwn(table, record, refused);
  const judged = findings.writes.find((one) => one.write.key === write.key);
  record.syncError = `Postgres refuses the ${write.kind}: ${detail}`;
  findings.letters.push(refusedLetter(table.object, refused));
  findings.log.push({
    object: table.object,
    key: write.key,
    direction: 'inbound',
    status: 'error',
    message: record.syncError,
    errorDetails: { sqlstate: code, detail, properties: Object.keys(write.values) },
    metadata: { operation: write.kind, hubspot_id: write.hubspotId, source: 'read' },
    startedAt: judged?.startedAt ?? Date.now(),
  });
}

/** The row's own values aren't sent until it changes; of an association nothing was learned. */
function keepOwn(table: TableMapping, record: StoredRecord, { write }: RefusedRow): void {
  const own = valuesOfRow(table, record.state, write.row ?? {});
  for (const property of Object.keys(write.values)) {
    const value = own[property];
    if (value !== undefined) record.state = refusedInbound(record.state, property, value);
  }
}

/** What is equal on both sides now: what was written, and what the reading and the row agree in. */
export function curedBy(
  context: DeliverContext,
  table: TableMapping,
  record: StoredRecord,
  reading: Reading,
  row: Image | null,
  written: readonly WrittenRow[],
): Cured {
  const { object, key, state } = record;
  const kinds = written.map(({ write }) => write.kind);
  const properties = written.flatMap(({ write }) => Object.keys(write.values));
  const found = reading.found.find(({ id }) => id === state.existence.link);
  if (row && found && !found.archived) {
    const own = valuesOfRow(table, state, row);
    for (const [name, [current]] of Object.entries(historiesOf(context, table, found))) {
      if (own[name] === (current?.value ?? '')) properties.push(name);
    }
  }
  const inserted = kinds.includes('insert') ? 'inserted' : undefined;
  return { object, key, properties, whole: kinds.includes('delete') ? 'gone' : inserted };
}

export function tellJudged(
  context: DeliverContext,
  table: TableMapping,
  findings: JudgeFindings,
): void {
  for (const { write, done } of findings.writes) {
    if (!done) continue;
    context.events.emit('inbound:change', {
      object: table.object,
      key: write.key,
      hubspotId: write.hubspotId,
      operation: write.kind,
      properties: namesOf(table, done),
    });
  }
  tellFindings(context, findings);
}

/** What an insert brought, or what an update really changed. */
function namesOf(table: TableMapping, { write, changed }: WrittenRow): string[] {
  const names = Object.keys(write.values);
  if (write.kind !== 'update') return names;
  return names.filter((name) => {
    const association = table.associations.find((one) => one.name === name);
    return changed.includes(table.property(name)?.column ?? association?.column ?? '');
  });
}
