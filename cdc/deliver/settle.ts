/**
 * Stores what became of a batch, in one transaction: what was sent leaves the outbox (a newer value
 * stays), link and answered values become known, whatever the answer doesn't prove becomes a doubt.
 */
import { hubspotErrorKinds } from '../../shared/hubspot/errors.ts';
import {
  buryDeadLetters,
  cureDeadLetters,
  type DeadLetter,
  type SyncLogRow,
  writeSyncLog,
} from '../../shared/postgres/journal.ts';
import { fence } from '../../shared/postgres/lease.ts';
import { type Client, inTransaction } from '../../shared/postgres/pool.ts';
import {
  lockRecords,
  refId,
  type StoredRecord,
  saveRecords,
} from '../../shared/postgres/records.ts';
import { writeHubspotIds } from '../../shared/postgres/rows.ts';
import {
  answeredNotFound,
  settleArchived,
  settleWritten,
} from '../../shared/protocol/existence.ts';
import { endCall, giveUp, refuseProperties, settleRecord } from '../../shared/protocol/settle.ts';
import type { Bracket, Value } from '../../shared/protocol/state.ts';
import { TOLERANCE_MS } from '../../shared/protocol/state.ts';
import type { Claimed, Outcome } from './claimed.ts';
import type { DeliverContext } from './context.ts';
import { wantDependents } from './dependents.ts';
import { keepWaiting, waitingOf } from './outbox-row.ts';

const BACKOFF_FIRST_MS = 500;
const BACKOFF_MOST_MS = 15_000;

interface Findings {
  readonly log: SyncLogRow[];
  readonly letters: DeadLetter[];
  readonly delivered: Claimed[];
  /** Records that have a HubSpot id since now. */
  readonly linked: StoredRecord[];
}

/** 0.5 to 15 s, with jitter, so that what failed together isn't repeated together. */
export function backoff(attempts: number, random = Math.random()): number {
  const most = Math.min(BACKOFF_MOST_MS, BACKOFF_FIRST_MS * 2 ** attempts);
  return Math.round(most * (0.5 + random / 2));
}

/** Throws when the lease was lost: another process settles then, by reading. */
export async function settleBatch(
  context: DeliverContext,
  batch: readonly Claimed[],
  outcomes: ReadonlyMap<string, Outcome>,
): Promise<void> {
  const { pool, tables } = context;
  const findings: Findings = { log: [], letters: [], delivered: [], linked: [] };
  await inTransaction(pool, async (client) => {
    await fence(client, tables, context.term);
    const records = await lockRecords(client, tables, batch);
    const tombstones = await readTombstones(client, context, batch, outcomes);
    for (const claimed of batch) {
      const record = records.get(refId(claimed));
      const outcome = outcomes.get(claimed.request);
      if (!record || record.state.call?.request !== claimed.request) continue;
      settleOne(
        context,
        claimed,
        record,
        outcome ?? { kind: 'unknown', code: 'HUBSPOT_UNANSWERED' },
        tombstones,
        findings,
      );
    }
    await saveRecords(client, tables, records.values());
    await wantDependents(client, context, findings.linked);
    await writeSyncLog(client, tables, findings.log);
    await buryDeadLetters(client, tables, findings.letters);
    await cureDeadLetters(client, tables, 'outbound', findings.delivered);
    await writeIds(client, context, findings.linked);
  });
  tell(context, findings);
}

function settleOne(
  context: DeliverContext,
  claimed: Claimed,
  record: StoredRecord,
  outcome: Outcome,
  tombstones: ReadonlyMap<string, Bracket>,
  findings: Findings,
): void {
  const now = Date.now();
  const { table, request } = claimed;
  const waiting = waitingOf(table, record);
  let { op, pendings } = waiting;
  let associations = waiting.associations;
  const repeat = (code: string, pause: number) => {
    if (record.outbox) {
      const { attempts } = record.outbox;
      record.outbox = { ...record.outbox, dueAt: now + pause, attempts: attempts + 1, error: code };
    }
  };
  switch (outcome.kind) {
    case 'answered': {
      const { answer, startedAt, completedAt } = outcome;
      const time = { low: startedAt - TOLERANCE_MS, high: completedAt + TOLERANCE_MS };
      const wasLinked = record.state.existence.link;
      const written = settleWritten(record.state, op, {
        request,
        id: answer.id,
        isNew: answer.isNew ?? false,
        time,
        tombstone: tombstones.get(`${record.object}/${answer.id}`) ?? null,
      });
      record.state = written.record;
      op = written.op;
      if (written.linked) {
        const values = answeredValues(claimed, answer.properties);
        const settled = settleRecord(record.state, pendings, {
          request,
          startedAt,
          completedAt,
          values,
        });
        record.state = settled.record;
        pendings = settled.pendings;
        if (wasLinked !== answer.id) findings.linked.push(record);
      }
      deliver(claimed, record, findings, now, outcome.correlationId);
      break;
    }
    case 'archived': {
      const settled = settleArchived(record.state, op, { request, time: outcome.date });
      record.state = settled.record;
      op = settled.op;
      deliver(claimed, record, findings, now);
      break;
    }
    case 'associated': {
      const settled = settleRecord(record.state, associationPendings(claimed, associations), {
        request,
        startedAt: outcome.date.low,
        completedAt: outcome.date.high,
        values: claimed.send,
      });
      record.state = settled.record;
      associations = Object.fromEntries(
        Object.entries(associations).filter(
          ([name]) => !Object.hasOwn(claimed.send, name) || Object.hasOwn(settled.pendings, name),
        ),
      );
      deliver(claimed, record, findings, now);
      break;
    }
    case 'missing':
      record.state = endCall(answeredNotFound(record.state, request), request).record;
      break;
    case 'refused': {
      const named = outcome.error.properties.filter((name) => Object.hasOwn(claimed.send, name));
      const properties = named.length > 0 ? named : Object.keys(claimed.send);
      const whole = named.length === 0;
      const refused = refuseProperties(record.state, pendings, request, properties);
      record.state = refused.record;
      pendings = refused.pendings;
      if (whole && op?.seq === claimed.lastLsn) op = null;
      if (claimed.association) associations = without(associations, claimed.association.name);
      bury(claimed, record, outcome.error, properties, findings, now);
      break;
    }
    case 'property-refused': {
      const { properties } = outcome.error;
      for (const property of properties) {
        if (context.dropped.add(record.object, property)) {
          context.log.error(
            { object: record.object, property, code: outcome.error.code },
            'HubSpot refuses the property: it is out of the mapping until the next start',
          );
          context.events.emit('property:dropped', {
            object: record.object,
            property,
            reason: outcome.error.code,
          });
        }
      }
      const refused = refuseProperties(record.state, pendings, request, properties);
      record.state = refused.record;
      pendings = refused.pendings;
      bury(claimed, record, outcome.error, properties, findings, now);
      break;
    }
    case 'unknown': {
      const given = giveUp(record.state, pendings, request);
      record.state = given.record;
      pendings = given.pendings;
      repeat(outcome.code, 0);
      context.events.emit('doubt', {
        object: record.object,
        key: record.key,
        hubspotId: claimed.hubspotId ?? undefined,
        reason: 'readretry',
      });
      break;
    }
    case 'not-done':
      record.state = endCall(record.state, request).record;
      repeat(outcome.code, outcome.retryAfterMs ?? backoff(claimed.attempts));
      break;
  }
  keepWaiting(record, op, pendings, associations, now);
}

/** What HubSpot says it holds, of what was sent; a property that it doesn't name stays unknown. */
function answeredValues(
  { table, send }: Claimed,
  properties: Readonly<Record<string, string | null>>,
): Record<string, Value | undefined> {
  return Object.fromEntries(
    Object.keys(send).map((name) => {
      const raw = properties[name];
      // A cleared property may be left out of the answer: it holds nothing, which is what was sent.
      if (raw === undefined) return [name, send[name] === '' ? '' : undefined];
      return [name, table.property(name)?.codec.canonical(raw)];
    }),
  );
}

function associationPendings(
  claimed: Claimed,
  associations: Readonly<
    Record<string, { seq: string; cause: 'change' | 'restore' | 'compare' | 'repeat' }>
  >,
) {
  return Object.fromEntries(
    Object.entries(claimed.send).flatMap(([name, value]) => {
      const mark = associations[name];
      return mark ? [[name, { ...mark, value }]] : [];
    }),
  );
}

function without<T>(all: Readonly<Record<string, T>>, name: string): Record<string, T> {
  return Object.fromEntries(Object.entries(all).filter(([other]) => other !== name));
}

function deliver(
  claimed: Claimed,
  record: StoredRecord,
  findings: Findings,
  now: number,
  correlationId?: string,
): void {
  record.lastSyncedAt = now;
  record.syncError = null;
  if (record.outbox) record.outbox = { ...record.outbox, attempts: 0, error: null };
  findings.delivered.push(claimed);
  const properties = Object.keys(claimed.send);
  findings.log.push({
    object: record.object,
    key: record.key,
    direction: 'outbound',
    status: 'success',
    message: `${claimed.operation}${properties.length > 0 ? `: ${properties.join(', ')}` : ''}`,
    metadata: {
      operation: claimed.operation,
      hubspot_id: claimed.hubspotId ?? record.state.existence.link,
      request: claimed.request,
      properties,
      first_lsn: claimed.firstLsn,
      last_lsn: claimed.lastLsn,
      ...(correlationId === undefined ? {} : { correlation_id: correlationId }),
    },
    startedAt: claimed.firstAt,
  });
}

function bury(
  claimed: Claimed,
  record: StoredRecord,
  error: { code: string; message: string; correlationId?: string; reasons: readonly string[] },
  properties: readonly string[],
  findings: Findings,
  now: number,
): void {
  const names = properties.join(', ');
  record.syncError = `HubSpot refuses ${names || 'the record'} (${error.code})`;
  record.lastSyncedAt = now;
  findings.letters.push({
    direction: 'outbound',
    object: record.object,
    key: record.key,
    hubspotId: claimed.hubspotId,
    code: error.code,
    message: error.message,
    advice: adviceOf(error.code),
    correlationId: error.correlationId,
    payload: { operation: claimed.operation, properties, sent: claimed.wire },
  });
  findings.log.push({
    object: record.object,
    key: record.key,
    direction: 'outbound',
    status: 'error',
    message: record.syncError,
    errorDetails: { code: error.code, reasons: error.reasons, properties },
    metadata: {
      operation: claimed.operation,
      hubspot_id: claimed.hubspotId,
      request: claimed.request,
      last_lsn: claimed.lastLsn,
      ...(error.correlationId === undefined ? {} : { correlation_id: error.correlationId }),
    },
    startedAt: claimed.firstAt,
  });
}

function adviceOf(code: string): string {
  const kinds: Record<string, { advice: string }> = hubspotErrorKinds;
  return kinds[code]?.advice ?? 'Correct the row; its next change is sent again.';
}

/** What is remembered of the deaths of ids that an answer brings to a record. */
async function readTombstones(
  client: Client,
  { tables }: DeliverContext,
  batch: readonly Claimed[],
  outcomes: ReadonlyMap<string, Outcome>,
): Promise<Map<string, Bracket>> {
  const objects: string[] = [];
  const ids: string[] = [];
  for (const { object, operation, request } of batch) {
    const outcome = outcomes.get(request);
    if (operation !== 'upsert' || outcome?.kind !== 'answered') continue;
    objects.push(object);
    ids.push(outcome.answer.id);
  }
  if (ids.length === 0) return new Map();
  const { rows } = await client.query(
    `select h.object_type, h.hubspot_id, h.dead_low::float8 as low, h.dead_high::float8 as high
       from ${tables.hubspotId} h
       join unnest($1::text[], $2::text[]) as t (o, i) on h.object_type = t.o and h.hubspot_id = t.i
      where h.dead_high is not null`,
    [objects, ids],
  );
  return new Map(
    rows.map((row) => [`${row.object_type}/${row.hubspot_id}`, { low: row.low, high: row.high }]),
  );
}

/** Brings the ids back into the column that the mapping names for them. */
async function writeIds(client: Client, context: DeliverContext, linked: readonly StoredRecord[]) {
  for (const table of context.mapping.tables) {
    if (!table.hubspotIdColumn) continue;
    const ids = new Map(
      linked
        .filter((record) => record.object === table.object)
        .map((record) => [record.key, record.state.existence.link]),
    );
    if (ids.size > 0) {
      await writeHubspotIds(client, table, await context.typesOf(table), ids);
    }
  }
}

function tell({ events }: DeliverContext, { delivered, letters, linked }: Findings): void {
  const ids = new Map(linked.map((record) => [refId(record), record.state.existence.link]));
  for (const claimed of delivered) {
    events.emit('outbound:sent', {
      object: claimed.object,
      key: claimed.key,
      hubspotId: claimed.hubspotId ?? ids.get(refId(claimed)) ?? undefined,
      operation: claimed.operation,
      properties: Object.keys(claimed.send),
      tookMs: Date.now() - claimed.firstAt,
    });
  }
  for (const { object, key, code, hubspotId } of letters) {
    events.emit('deadletter', {
      object,
      key: key ?? '',
      hubspotId: hubspotId ?? undefined,
      direction: 'outbound',
      code,
    });
  }
}
