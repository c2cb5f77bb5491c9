/**
 * Takes what is due from the outbox. Candidates are looked up without locks, then locked in the one
 * order (record, then outbox) skipping what others hold; the protocol says what is sent, and the
 * ledger is written before any call is made.
 */
import { randomUUID } from 'node:crypto';
import type { AssociationMapping, TableMapping } from '../../shared/mapping/mapping.ts';
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
import { emitMark } from '../../shared/postgres/mark.ts';
import { type Client, inTransaction } from '../../shared/postgres/pool.ts';
import {
  lockRecords,
  type RecordRef,
  refId,
  type StoredRecord,
  saveRecords,
} from '../../shared/postgres/records.ts';
import { lockRows, mappedColumns } from '../../shared/postgres/rows.ts';
import { toValue } from '../../shared/postgres/values.ts';
import { claimRecord } from '../../shared/protocol/claim.ts';
import { claimArchive, decideOperation } from '../../shared/protocol/existence.ts';
import type { Pending, Pendings } from '../../shared/protocol/state.ts';
import type { Claimed } from './claimed.ts';
import type { DeliverContext } from './context.ts';
import { existencePolicy, keepWaiting, type Waiting, waitingOf } from './outbox-row.ts';

/** Pause before something that waits for another record or for a mark is looked at again. */
const WAIT_MS = 200;

interface Findings {
  readonly claimed: Claimed[];
  readonly letters: DeadLetter[];
  readonly conflicts: ConflictRow[];
  readonly log: SyncLogRow[];
  /** Records whose image lacks columns: a message brings the whole row. */
  readonly incomplete: RecordRef[];
}

/** Claims up to `limit` records. Throws when the lease was lost. */
export async function claimDue(context: DeliverContext, limit: number): Promise<Claimed[]> {
  const { pool, tables, mapping } = context;
  const { rows } = await pool.query(
    `select o.object_type as object, o.key
       from ${tables.outbox} o join ${tables.record} r using (object_type, key)
      where o.due_at <= clock_timestamp() and r.doubt_since is null and r.call_since is null
        and o.object_type = any ($2::text[])
        and (select state from ${tables.control} where direction = 'outbound') = 'running'
      order by o.due_at limit $1`,
    [limit, mapping.tables.map((table) => table.object)],
  );
  if (rows.length === 0) return [];
  const findings: Findings = {
    claimed: [],
    letters: [],
    conflicts: [],
    log: [],
    incomplete: [],
  };
  await inTransaction(pool, async (client) => {
    await fence(client, tables, context.term);
    const records = await lockRecords(client, tables, rows, { skipLocked: true });
    const links = await linksOfTargets(client, context, records.values());
    for (const record of records.values()) {
      const table = mapping.objectOf(record.object);
      if (table && record.outbox) claimOne(context, table, record, links, findings);
    }
    await saveRecords(client, tables, records.values());
    await writeConflicts(client, tables, findings.conflicts);
    await buryDeadLetters(client, tables, findings.letters);
    await writeSyncLog(client, tables, findings.log);
  });
  for (const { object, key, code } of findings.letters) {
    context.events.emit('deadletter', { object, key: key ?? '', direction: 'outbound', code });
  }
  for (const { object, key, property, winner } of findings.conflicts) {
    context.events.emit('conflict', { object, key, property, winner });
  }
  await completeImages(context, findings.incomplete);
  return findings.claimed;
}

function claimOne(
  context: DeliverContext,
  table: TableMapping,
  record: StoredRecord,
  links: ReadonlyMap<string, Target>,
  findings: Findings,
): void {
  const now = Date.now();
  const outbox = record.outbox;
  if (!outbox) return;
  const waiting = waitingOf(table, record);
  buryUnconvertible(table, record, waiting, findings);
  const pendings = withoutDropped(context, table, waiting.pendings);
  const { op } = waiting;
  const operation = op
    ? decideOperation(record.state, op, existencePolicy(table))
    : record.state.existence.link === null
      ? 'nothing'
      : 'update';
  if (operation === 'wait') return;
  if (operation === 'nothing') {
    record.outbox = null;
    return;
  }
  const call = {
    request: randomUUID(),
    term: context.term,
    hubspotId: record.state.existence.link,
    startedAt: now,
    ...(op ? { seq: op.seq } : {}),
  };
  const carried = {
    table,
    object: record.object,
    key: record.key,
    request: call.request,
    hubspotId: call.hubspotId,
    keyValue: table.keyValue(record.key),
    firstAt: outbox.firstAt,
    firstLsn: outbox.firstLsn,
    lastLsn: outbox.lastLsn,
    attempts: outbox.attempts,
  };
  if (operation === 'archive') {
    record.state = claimArchive(record.state, op as NonNullable<typeof op>, call);
    findings.claimed.push({ ...carried, operation, send: {}, wire: {} });
    return;
  }
  const upsert = operation === 'upsert';
  const sent = upsert ? allValues(table, record, pendings) : pendings;
  if (sent === undefined) {
    findings.incomplete.push({ object: record.object, key: record.key });
    record.outbox = { ...outbox, dueAt: now + WAIT_MS };
    return;
  }
  const claim = claimRecord(record.state, sent, { ...call, operation }, { always: upsert });
  record.state = claim.record;
  noteConflicts(record, claim.conflicts, findings);
  const rest = without(pendings, claim.drop);
  if (claim.record.call) {
    keepWaiting(record, op, rest, waiting.associations, now);
    const wire = wireValues(table, claim.send);
    if (upsert) wire[table.idProperty] = carried.keyValue;
    findings.claimed.push({ ...carried, operation, send: claim.send, wire });
    return;
  }
  // Nothing but associations is left of it: the write itself is done with.
  keepWaiting(record, null, rest, waiting.associations, now);
  claimAssociation(context, table, record, waiting, rest, links, carried, findings);
  if (record.outbox === null) {
    findings.log.push({
      object: record.object,
      key: record.key,
      direction: 'outbound',
      status: 'skipped',
      message: 'HubSpot holds these values already',
      metadata: { hubspot_id: carried.hubspotId, properties: claim.drop, lsn: outbox.lastLsn },
      startedAt: outbox.firstAt,
    });
  }
}

/** The foreign key's other record. */
interface Target {
  readonly hubspotId: string | null;
  /** It has something to send itself, so it may get an id soon. */
  readonly coming: boolean;
}

function targetOf(record: StoredRecord, association: AssociationMapping): RecordRef | undefined {
  const text = record.image?.[association.column];
  if (text === null || text === undefined) return undefined;
  return { object: association.toObject, key: encodeKey([text]) };
}

async function linksOfTargets(
  client: Client,
  { tables, mapping }: DeliverContext,
  records: Iterable<StoredRecord>,
): Promise<Map<string, Target>> {
  const refs: RecordRef[] = [];
  for (const record of records) {
    for (const association of mapping.objectOf(record.object)?.associations ?? []) {
      const ref = record.outbox?.pending[association.name] && targetOf(record, association);
      if (ref) refs.push(ref);
    }
  }
  if (refs.length === 0) return new Map();
  const { rows } = await client.query(
    `select r.object_type as object, r.key, r.hubspot_id,
            (r.call_since is not null or o.key is not null or r.doubt_since is not null) as coming
       from ${tables.record} r
       left join ${tables.outbox} o using (object_type, key)
       join unnest($1::text[], $2::text[]) as t (o, k) on r.object_type = t.o and r.key = t.k`,
    [refs.map((ref) => ref.object), refs.map((ref) => ref.key)],
  );
  return new Map(
    rows.map((row) => [refId(row), { hubspotId: row.hubspot_id, coming: row.coming }]),
  );
}

/**
 * One association of a linked record, once its properties are out. It waits while the other record
 * is on its way to HubSpot; of one that isn't, nothing is sent: when it is linked one day, the
 * records that point to it are compared again.
 */
function claimAssociation(
  context: DeliverContext,
  table: TableMapping,
  record: StoredRecord,
  waiting: Waiting,
  rest: Pendings,
  links: ReadonlyMap<string, Target>,
  carried: Omit<Claimed, 'operation' | 'send' | 'wire' | 'association'>,
  findings: Findings,
): void {
  if (Object.keys(rest).length > 0) return;
  const now = Date.now();
  const left = { ...waiting.associations };
  for (const association of table.associations) {
    const mark = left[association.name];
    if (!mark) continue;
    const ref = targetOf(record, association);
    const target = ref && links.get(refId(ref));
    if (ref && !target?.hubspotId) {
      if (target?.coming) continue;
      delete left[association.name];
      continue;
    }
    const value = target?.hubspotId ?? '';
    const known = record.state.properties[association.name]?.known?.value ?? '';
    if (value === known) {
      delete left[association.name];
      continue;
    }
    const pending: Pending = { ...mark, value };
    const claim = claimRecord(
      record.state,
      { [association.name]: pending },
      {
        request: carried.request,
        term: context.term,
        operation: 'associate',
        hubspotId: carried.hubspotId,
        startedAt: now,
      },
    );
    record.state = claim.record;
    if (claim.record.call) {
      findings.claimed.push({
        ...carried,
        operation: 'associate',
        send: claim.send,
        wire: {},
        association: {
          name: association.name,
          toObject: association.toObject,
          to: value === '' ? null : value,
          replaces: known === '' ? null : known,
        },
      });
      break;
    }
    if (claim.drop.length > 0) delete left[association.name];
  }
  keepWaiting(record, null, rest, left, now);
  if (record.outbox && !record.state.call) {
    record.outbox = { ...record.outbox, dueAt: now + WAIT_MS };
  }
}

/** An upsert carries every outward property; undefined while a column of the row is unknown. */
function allValues(
  table: TableMapping,
  record: StoredRecord,
  pendings: Pendings,
): Pendings | undefined {
  if (record.image === null) return undefined;
  const all: Record<string, Pending> = {};
  for (const mapping of table.properties) {
    if (mapping.direction === 'inbound') continue;
    const text = record.image[mapping.column];
    if (text === undefined) return undefined;
    const waiting = pendings[mapping.property];
    try {
      const seq = record.outbox?.lastLsn ?? '';
      all[mapping.property] = waiting ?? {
        value: toValue(mapping, record.state, text),
        cause: 'change',
        seq,
      };
    } catch {
      // Buried already when it waited; otherwise it is left out until the row changes.
    }
  }
  return all;
}

function wireValues(table: TableMapping, send: Pendings | Readonly<Record<string, string>>) {
  const wire: Record<string, string> = {};
  for (const [name, value] of Object.entries(send)) {
    const mapping = table.property(name);
    if (!mapping || typeof value !== 'string') continue;
    Object.assign(wire, mapping.sendWith, { [name]: mapping.codec.toWire(value) });
  }
  return wire;
}

function without(pendings: Pendings, names: readonly string[]): Pendings {
  return Object.fromEntries(Object.entries(pendings).filter(([name]) => !names.includes(name)));
}

function withoutDropped(context: DeliverContext, table: TableMapping, pendings: Pendings) {
  return without(
    pendings,
    Object.keys(pendings).filter((name) => context.dropped.has(table.object, name)),
  );
}

function buryUnconvertible(
  table: TableMapping,
  record: StoredRecord,
  { unconvertible }: Waiting,
  findings: Findings,
): void {
  for (const { property, column, error } of unconvertible) {
    const { advice } = error as Error & { advice?: string };
    findings.letters.push({
      direction: 'outbound',
      object: record.object,
      key: record.key,
      hubspotId: record.state.existence.link,
      code: 'VALUE_UNCONVERTIBLE',
      message: error.message,
      advice: advice ?? `Correct column ${column} of ${table.name}, or its codec in the mapping.`,
      payload: { property, column, text: record.image?.[column] ?? null },
    });
    record.syncError = `${property}: ${error.message}`;
  }
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
      rule: 'hold',
    });
  }
}

/** Emits the whole row of records whose image has gaps (an unchanged TOAST value of a new row). */
async function completeImages(context: DeliverContext, refs: readonly RecordRef[]): Promise<void> {
  const { pool, mapping, secret, typesOf } = context;
  for (const table of mapping.tables) {
    const keys = refs.filter((ref) => ref.object === table.object).map((ref) => ref.key);
    if (keys.length === 0) continue;
    const types = await typesOf(table);
    await inTransaction(pool, async (client) => {
      const rows = await lockRows(client, table, types, keys, { skipLocked: true });
      if (rows.size === 0) return;
      await emitMark(client, secret, {
        kind: 'complete',
        rows: [...rows.values()].map(({ key, columns }) => ({
          object: table.object,
          key,
          row: Object.fromEntries(
            mappedColumns(table).map((name) => [name, columns[name] ?? null]),
          ),
        })),
      });
    });
  }
}
