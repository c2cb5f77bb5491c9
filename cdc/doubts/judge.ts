/**
 * Judges what was read of records in doubt, in one transaction under the rows' and the records'
 * locks: existence first, then the properties, then the associations. What is foreign and new is
 * applied to the row with its mark; a comparison, wanted by the judgement, does the rest.
 */
import type { RecordAnswer } from '../../shared/hubspot/hubspot.ts';
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import {
  buryDeadLetters,
  type ConflictRow,
  type DeadLetter,
  type SyncLogRow,
  writeConflicts,
  writeSyncLog,
} from '../../shared/postgres/journal.ts';
import { encodeKey } from '../../shared/postgres/key.ts';
import { fence } from '../../shared/postgres/lease.ts';
import { type Client, inTransaction } from '../../shared/postgres/pool.ts';
import {
  findKeys,
  type Image,
  lockRecords,
  type PendingMark,
  type StoredRecord,
  saveRecords,
} from '../../shared/postgres/records.ts';
import { existingKeys, lockRows } from '../../shared/postgres/rows.ts';
import { rowValues } from '../../shared/postgres/values.ts';
import {
  type InboundWrite,
  type RefusedRow,
  type WrittenRow,
  writeInbound,
} from '../../shared/postgres/write-inbound.ts';
import { judgeAssociation } from '../../shared/protocol/association.ts';
import { judgeExistence } from '../../shared/protocol/existence-judge.ts';
import { judgeRecord } from '../../shared/protocol/judge.ts';
import { appliedInbound, refusedInbound } from '../../shared/protocol/receive.ts';
import type { HistoryEntry } from '../../shared/protocol/state.ts';
import type { DeliverContext } from '../deliver/context.ts';
import { wantDependents } from '../deliver/dependents.ts';
import { existencePolicy, keepWaiting, waitingOf } from '../deliver/outbox-row.ts';
import type { Reading } from './read.ts';

interface Findings {
  readonly writes: InboundWrite[];
  readonly conflicts: ConflictRow[];
  readonly letters: DeadLetter[];
  readonly log: SyncLogRow[];
  readonly linked: StoredRecord[];
}

/** @returns how many records were judged; the others are held by somebody or must be read again. */
export async function judgeReadings(
  context: DeliverContext,
  table: TableMapping,
  readings: readonly Reading[],
): Promise<number> {
  const { pool, tables } = context;
  const types = await context.typesOf(table);
  const findings: Findings = { writes: [], conflicts: [], letters: [], log: [], linked: [] };
  let written: WrittenRow[] = [];
  const judged = await inTransaction(pool, async (client) => {
    await fence(client, tables, context.term);
    const keys = readings.map(({ key }) => key);
    const rows = await lockRows(client, table, types, keys, { skipLocked: true });
    const records = await lockRecords(
      client,
      tables,
      keys.map((key) => ({ object: table.object, key })),
      { skipLocked: true },
    );
    const held = await existingKeys(
      client,
      table,
      types,
      keys.filter((key) => !rows.has(key)),
    );
    const images = [...rows.values()].map(({ columns }) => columns);
    const targets = await findTargets(client, context, table, readings, images);
    let count = 0;
    const changed: StoredRecord[] = [];
    for (const reading of readings) {
      const record = [...records.values()].find(({ key }) => key === reading.key);
      if (!record || held.has(reading.key)) continue;
      const row = rows.get(reading.key)?.columns ?? null;
      if (judgeOne(context, table, record, row, reading, targets, findings)) count += 1;
      changed.push(record);
    }
    const result = await writeInbound(
      { client, table, types, secret: context.secret },
      findings.writes,
    );
    written = result.written;
    for (const row of written) takeIn(table, changed, row, findings);
    for (const refusal of result.refused) refuse(table, changed, refusal, findings);
    await saveRecords(client, tables, changed);
    await wantDependents(client, context, findings.linked);
    await writeConflicts(client, tables, findings.conflicts);
    await buryDeadLetters(client, tables, findings.letters);
    await writeSyncLog(client, tables, findings.log);
    return count;
  });
  tell(context, table, written, findings);
  return judged;
}

function judgeOne(
  context: DeliverContext,
  table: TableMapping,
  record: StoredRecord,
  row: Image | null,
  reading: Reading,
  targets: Targets,
  findings: Findings,
): boolean {
  const now = Date.now();
  const waiting = waitingOf(table, record);
  const linkBefore = record.state.existence.link;
  const existence = judgeExistence(
    record.state,
    waiting.op,
    row !== null,
    {
      revision: reading.revision,
      time: reading.time,
      found: reading.found.map((found) => ({
        id: found.id,
        archived: found.archived ?? false,
        archivedAt: found.archivedAt ?? null,
        createdByUs: isCreatedByUs(context, table, found),
      })),
    },
    existencePolicy(table),
  );
  if (existence.again) return false;
  for (const id of existence.surplus) {
    context.log.warn(
      { object: record.object, key: record.key, hubspotId: id, link: existence.link },
      'another live HubSpot record stands for this row: it is left alone',
    );
  }
  record.state = existence.record;
  let { pendings, associations } = waiting;
  const found = reading.found.find(({ id }) => id === existence.link);
  const histories = found ? historiesOf(context, table, found) : {};
  const write = (kind: InboundWrite['kind'], values: InboundWrite['values']) =>
    findings.writes.push({
      key: record.key,
      kind,
      hubspotId: existence.link ?? linkBefore ?? '',
      values,
      row,
    });
  switch (existence.action) {
    case 'delete-row':
    case 'mark-row':
      write('delete', {});
      pendings = {};
      associations = {};
      break;
    case 'keep-row':
      pendings = {};
      associations = {};
      break;
    case 'insert-row':
      write('insert', {
        ...insertValues(table, histories, reading.time.high),
        ...associationValues(table, reading, targets),
      });
      pendings = {};
      break;
    default:
      if (existence.link !== null && found) {
        const { values, unconvertible } = rowValues(table, record.state, row ?? {});
        for (const { property } of unconvertible) delete histories[property];
        const judged = judgeRecord(
          record.state,
          pendings,
          { revision: reading.revision, histories },
          row ? values : undefined,
        );
        if (judged.again) return false;
        record.state = judged.record;
        pendings = judged.pendings;
        noteConflicts(record, judged.conflicts, findings);
        const apply = applyValues(table, record, judged.apply, findings);
        const own = judgeAssociations(context, table, record, reading, associations, row, targets);
        if (Object.keys(apply).length + Object.keys(own).length > 0) {
          write('update', { ...apply, ...own });
        }
      }
  }
  if (existence.link !== null && existence.link !== linkBefore) findings.linked.push(record);
  keepWaiting(record, existence.op, pendings, associations, now);
  return true;
}

/** Our upserts always set the key property: another program with our app's token doesn't. */
function isCreatedByUs({ appId }: DeliverContext, table: TableMapping, found: RecordAnswer) {
  const { hs_object_source: source, hs_object_source_id: id } = found.properties;
  return (
    source === 'INTEGRATION' &&
    appId !== undefined &&
    id === appId &&
    Boolean(found.properties[table.idProperty])
  );
}

function historiesOf({ appId }: DeliverContext, table: TableMapping, found: RecordAnswer) {
  const histories: Record<string, HistoryEntry[]> = {};
  for (const { property, codec } of table.properties) {
    try {
      histories[property] = (found.histories?.[property] ?? []).map((entry) => ({
        value: codec.canonical(entry.value),
        time: entry.timestamp,
        ours: entry.sourceType === 'INTEGRATION' && appId !== undefined && entry.sourceId === appId,
      }));
    } catch {
      // A value of HubSpot's that the codec doesn't know: the property is left out of this judgement.
      delete histories[property];
    }
  }
  return histories;
}

/** Every mapped property, empty ones too, so that no column is left to its default. */
function insertValues(
  table: TableMapping,
  histories: Readonly<Record<string, readonly HistoryEntry[]>>,
  time: number,
): Record<string, InboundWrite['values'][string]> {
  const values: Record<string, InboundWrite['values'][string]> = {};
  for (const { property, codec } of table.properties) {
    const current = histories[property]?.[0];
    const value = current?.value ?? '';
    values[property] = { value, time: current?.time ?? time, text: codec.toPostgres(value) };
  }
  return values;
}

function applyValues(
  table: TableMapping,
  record: StoredRecord,
  apply: readonly { property: string; value: string; time: number }[],
  findings: Findings,
): Record<string, InboundWrite['values'][string]> {
  const values: Record<string, InboundWrite['values'][string]> = {};
  for (const { property, value, time } of apply) {
    const mapping = table.property(property);
    if (!mapping) continue;
    // What we only send is ours: a foreign value there is drift, and the comparison restores it.
    if (mapping.direction === 'outbound') continue;
    try {
      values[property] = { value, time, text: mapping.codec.toPostgres(value) };
    } catch (error) {
      findings.letters.push({
        direction: 'inbound',
        object: record.object,
        key: record.key,
        hubspotId: record.state.existence.link,
        code: 'VALUE_UNCONVERTIBLE',
        message: (error as Error).message,
        advice: `Add HubSpot's value to the mapping of ${property}.`,
        payload: { property, value, time },
      });
    }
  }
  return values;
}

/** What of the association sets is to be written into the row's foreign keys. */
function judgeAssociations(
  { log }: DeliverContext,
  table: TableMapping,
  record: StoredRecord,
  reading: Reading,
  waiting: Readonly<Record<string, PendingMark>>,
  row: Image | null,
  targets: Targets,
): Record<string, InboundWrite['values'][string]> {
  const values: Record<string, InboundWrite['values'][string]> = {};
  for (const association of table.associations) {
    const { name, column, toObject, typeId } = association;
    const set = reading.associations[name];
    if (!set || row === null) continue;
    const text = row[column] ?? null;
    const mark = waiting[name];
    const judged = judgeAssociation(
      record.state,
      name,
      {
        set: set.to.map(({ id, types }) => ({
          id,
          primary: types.some((type) => type.typeId === typeId),
        })),
        time: reading.time,
      },
      text === null ? '' : targets.ids.get(`${toObject}/${encodeKey([text])}`),
      mark && { ...mark, value: '' },
    );
    record.state = judged.record;
    const { value } = judged;
    if (judged.outcome === 'several') {
      log.warn(
        { object: record.object, key: record.key, association: name },
        'several associations and none is primary: the row is left as it is',
      );
    }
    if (judged.outcome !== 'apply') continue;
    const key = value === '' ? null : targets.keys.get(`${toObject}/${value}`);
    // The other record has no row yet: its creation brings the association along later.
    if (key !== undefined) values[name] = { value, time: reading.time.high, text: key };
  }
  return values;
}

function associationValues(
  table: TableMapping,
  reading: Reading,
  targets: Targets,
): Record<string, InboundWrite['values'][string]> {
  const values: Record<string, InboundWrite['values'][string]> = {};
  for (const association of table.associations) {
    const to = reading.associations[association.name]?.to ?? [];
    const primary =
      to.find(({ types }) => types.some(({ typeId }) => typeId === association.typeId)) ??
      (to.length === 1 ? to[0] : undefined);
    const text = primary && targets.keys.get(`${association.toObject}/${primary.id}`);
    if (!primary || text === undefined) continue;
    values[association.name] = { value: primary.id, time: reading.time.high, text };
  }
  return values;
}

/** Rows and HubSpot ids of the associations' other ends, each by the other, as `object/…`. */
interface Targets {
  readonly keys: ReadonlyMap<string, string>;
  readonly ids: ReadonlyMap<string, string>;
}

async function findTargets(
  client: Client,
  { tables }: DeliverContext,
  table: TableMapping,
  readings: readonly Reading[],
  rows: Iterable<Image>,
): Promise<Targets> {
  const keys = new Map<string, string>();
  const ids = new Map<string, string>();
  const images = [...rows];
  for (const { name, column, toObject } of table.associations) {
    const associated = readings.flatMap((reading) =>
      (reading.associations[name]?.to ?? []).map(({ id }) => id),
    );
    for (const [id, key] of await findKeys(client, tables, toObject, associated)) {
      keys.set(`${toObject}/${id}`, key);
    }
    const texts = images.flatMap((row) => row[column] ?? []);
    const { rows: linked } = await client.query(
      `select key, hubspot_id from ${tables.record}
        where object_type = $1 and key = any ($2::text[]) and hubspot_id is not null`,
      [toObject, texts.map((text) => encodeKey([text]))],
    );
    for (const { key, hubspot_id } of linked) ids.set(`${toObject}/${key}`, hubspot_id);
  }
  return { keys, ids };
}

/** Stores what a row was given, as the row holds it. */
function takeIn(
  table: TableMapping,
  records: readonly StoredRecord[],
  { write, texts, changed }: WrittenRow,
  findings: Findings,
): void {
  const record = records.find(({ key }) => key === write.key);
  if (!record) return;
  for (const [property, { value, time }] of Object.entries(write.values)) {
    const text = texts[property] ?? null;
    record.state = appliedInbound(record.state, property, { value, time, text });
  }
  record.lastSyncedAt = Date.now();
  if (changed.length === 0 && write.kind === 'update') return;
  const properties = Object.keys(write.values);
  findings.log.push({
    object: table.object,
    key: write.key,
    direction: 'inbound',
    status: 'success',
    message: `${write.kind}${write.kind === 'update' ? `: ${properties.join(', ')}` : ''}, as read`,
    metadata: { operation: write.kind, hubspot_id: write.hubspotId, properties, source: 'read' },
    startedAt: Date.now(),
  });
}

/** Postgres refuses the row: a dead letter, and the old value isn't pushed over HubSpot's. */
function refuse(
  table: TableMapping,
  records: readonly StoredRecord[],
  { write, code, detail, error }: RefusedRow,
  findings: Findings,
): void {
  const record = records.find(({ key }) => key === write.key);
  if (!record) return;
  const { values } = rowValues(table, record.state, write.row ?? {});
  for (const property of Object.keys(write.values)) {
    const value = values[property];
    if (value !== undefined) record.state = refusedInbound(record.state, property, value);
  }
  record.syncError = `Postgres refuses the ${write.kind}: ${detail}`;
  findings.letters.push({
    direction: 'inbound',
    object: table.object,
    key: write.key,
    hubspotId: write.hubspotId,
    code: 'ROW_REFUSED',
    message: `${error.message} (${code})`,
    advice: `Correct the record in HubSpot, or ${detail}; its next change is applied again.`,
    payload: { kind: write.kind, values: write.values },
  });
  findings.log.push({
    object: table.object,
    key: write.key,
    direction: 'inbound',
    status: 'error',
    message: record.syncError,
    errorDetails: { sqlstate: code, detail },
    metadata: { operation: write.kind, hubspot_id: write.hubspotId, source: 'read' },
    startedAt: Date.now(),
  });
}

function noteConflicts(
  record: StoredRecord,
  conflicts: readonly { property: string; local: string; hubspot: string }[],
  findings: Findings,
): void {
  for (const { property, local, hubspot } of conflicts) {
    findings.conflicts.push({
      object: record.object,
      key: record.key,
      hubspotId: record.state.existence.link,
      property,
      postgresValue: local,
      hubspotValue: hubspot,
      winner: 'hubspot',
      rule: 'refused',
    });
  }
}

function tell(
  { events }: DeliverContext,
  table: TableMapping,
  written: readonly WrittenRow[],
  { letters }: Findings,
): void {
  for (const { write, changed } of written) {
    if (changed.length === 0 && write.kind === 'update') continue;
    events.emit('inbound:change', {
      object: table.object,
      key: write.key,
      hubspotId: write.hubspotId,
      operation: write.kind,
      properties: Object.keys(write.values),
    });
  }
  for (const { object, key, code } of letters) {
    events.emit('deadletter', { object, key: key ?? '', direction: 'inbound', code });
  }
}
