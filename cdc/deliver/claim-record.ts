/**
 * What is to be sent of one record, or why not. Whatever HubSpot can't be given leaves the outbox
 * here as a dead letter; whatever has to wait says what for.
 */
import { randomUUID } from 'node:crypto';
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import type { StoredRecord } from '../../shared/postgres/records.ts';
import { existencePolicy, toValue } from '../../shared/postgres/values.ts';
import { claimRecord } from '../../shared/protocol/claim.ts';
import { claimArchive, decideOperation } from '../../shared/protocol/existence.ts';
import { refusedInbound } from '../../shared/protocol/receive.ts';
import { type Pending, type Pendings, propertyOf } from '../../shared/protocol/state.ts';
import type { DeliverContext } from '../records/context.ts';
import { noteConflicts } from '../records/findings.ts';
import { droppedLetter, unconvertibleLetter } from '../records/letters.ts';
import { buryWaiting, type ClaimFindings, skip, WAIT_MS } from '../records/not-sent.ts';
import { keepWaiting, type Waiting, waitFor, waitingOf, without } from '../records/outbox-row.ts';
import { claimAssociation } from './claim-association.ts';
import { mayUpsert } from './claim-upsert.ts';
import type { Surroundings } from './surroundings.ts';

/** Pause after the whole row was asked for: it comes through the WAL. */
const COMPLETE_MS = 1000;

/** Ends of a call that a record of its batch may be the reason of, if they come again. */
const SUSPICIOUS = new Set([
  'HUBSPOT_SERVER_ERROR',
  'HUBSPOT_TIMEOUT',
  'HUBSPOT_CONNECTION_LOST',
  'HUBSPOT_LOCKED',
  'HUBSPOT_UNREADABLE',
  'HUBSPOT_UNANSWERED',
]);

export function claimOne(
  context: DeliverContext,
  table: TableMapping,
  record: StoredRecord,
  surroundings: Surroundings,
  findings: ClaimFindings,
): void {
  const now = Date.now();
  const { outbox } = record;
  // It may have changed since it was looked up without a lock.
  if (!outbox || record.state.call || record.state.doubt.length > 0) return;
  const waiting = waitingOf(table, record);
  const { op } = waiting;
  const { link } = record.state.existence;
  const operation = op
    ? decideOperation(record.state, op, existencePolicy(table))
    : link === null
      ? 'nothing'
      : 'update';
  if (operation === 'wait') {
    waitFor(record, 'WAITS_FOR_MARK', now + WAIT_MS);
    return;
  }
  if (operation === 'nothing') {
    skip(record, findings, 'HubSpot has no record that it is about', []);
    return;
  }
  const upsert = operation === 'upsert';
  if (upsert && !mayUpsert(table, record, surroundings, findings)) return;
  const carried = {
    table,
    object: record.object,
    key: record.key,
    request: randomUUID(),
    hubspotId: link,
    keyValue: upsert ? table.keyValue(record.key) : null,
    firstAt: outbox.firstAt,
    firstLsn: outbox.firstLsn,
    lastLsn: outbox.lastLsn,
    attempts: outbox.attempts,
    suspicion: SUSPICIOUS.has(outbox.error ?? '') ? outbox.attempts : 0,
  };
  const call = {
    request: carried.request,
    term: context.term,
    hubspotId: link,
    startedAt: now,
    ...(op ? { seq: op.seq } : {}),
  };
  if (operation === 'archive' && op) {
    record.state = claimArchive(record.state, op, call);
    findings.claimed.push({ ...carried, operation, send: {}, wire: {} });
    return;
  }
  if (waiting.unknown.length > 0 || (upsert && !knowsAll(table, record))) {
    findings.incomplete.push({ object: record.object, key: record.key });
    waitFor(record, 'WAITS_FOR_ROW', now + COMPLETE_MS);
    return;
  }
  const pendings = buryUnsendable(context, table, record, waiting, findings);
  const sent = upsert ? allValues(context, table, record, pendings) : pendings;
  const claim = claimRecord(
    record.state,
    sent,
    { ...call, operation: upsert ? 'upsert' : 'update' },
    { always: upsert },
  );
  record.state = claim.record;
  noteConflicts(findings, record, claim.conflicts, 'hold');
  const rest = without(pendings, claim.drop);
  const { object, key } = record;
  const equal = claim.drop.filter((name) => isKnown(record, name, sent));
  if (equal.length > 0) findings.equal.push({ object, key, properties: equal, whole: 'delivered' });
  if (claim.record.call) {
    keepWaiting(record, op, rest, waiting.associations, now);
    const wire = wireValues(context, table, claim.send);
    if (carried.keyValue !== null) wire[table.idProperty] = carried.keyValue;
    const { operation: made } = claim.record.call;
    findings.claimed.push({ ...carried, operation: made, send: claim.send, wire });
    return;
  }
  // Nothing but associations is left of it: the write itself is done with.
  keepWaiting(record, null, rest, waiting.associations, now);
  claimAssociation(context, table, record, surroundings, carried, findings);
  if (record.outbox === null && claim.drop.length > 0) {
    record.outbox = outbox;
    skip(record, findings, `${claim.drop.join(', ')}: HubSpot holds it already`, claim.drop);
  }
}

/**
 * What can be sent of the values that wait. The others become dead letters, once: they count as
 * refused, so that no comparison brings them back before the row changes.
 */
function buryUnsendable(
  { dropped }: DeliverContext,
  table: TableMapping,
  record: StoredRecord,
  waiting: Waiting,
  findings: ClaimFindings,
): Pendings {
  for (const one of waiting.unconvertible) {
    const text = record.image?.[one.column] ?? '';
    record.state = refusedInbound(record.state, one.property, text);
    buryWaiting(record, findings, unconvertibleLetter(table, record, one), [one.property]);
  }
  const refused = Object.keys(waiting.pendings).filter((name) => dropped.has(table.object, name));
  if (refused.length === 0) return waiting.pendings;
  for (const name of refused) {
    record.state = refusedInbound(record.state, name, waiting.pendings[name]?.value ?? '');
  }
  buryWaiting(record, findings, droppedLetter(record, refused), refused);
  return without(waiting.pendings, refused);
}

function isKnown({ state }: StoredRecord, name: string, sent: Pendings): boolean {
  return propertyOf(state, name).known?.value === sent[name]?.value;
}

function knowsAll(table: TableMapping, { image }: StoredRecord): boolean {
  return table.properties.every(
    ({ direction, column }) => direction === 'inbound' || image?.[column] !== undefined,
  );
}

/** An upsert carries every outward property, but for what was buried already. */
function allValues(
  { dropped }: DeliverContext,
  table: TableMapping,
  record: StoredRecord,
  pendings: Pendings,
): Pendings {
  const all: Record<string, Pending> = { ...pendings };
  for (const mapping of table.properties) {
    const { property, direction, column } = mapping;
    if (direction === 'inbound' || all[property] || dropped.has(table.object, property)) continue;
    try {
      const value = toValue(mapping, record.state, record.image?.[column] ?? null);
      if (propertyOf(record.state, property).refused === value) continue;
      all[property] = { value, cause: 'change', seq: record.outbox?.lastLsn ?? '' };
    } catch {
      // It was buried when it waited; it is left out until the row changes.
    }
  }
  return all;
}

/** With the constant companions of what is sent; a value that is cleared needs none. */
function wireValues(
  { dropped }: DeliverContext,
  table: TableMapping,
  send: Readonly<Record<string, string>>,
): Record<string, string> {
  const wire: Record<string, string> = {};
  for (const [name, value] of Object.entries(send)) {
    const mapping = table.property(name);
    if (mapping && value !== '') {
      for (const [companion, constant] of Object.entries(mapping.sendWith)) {
        if (!dropped.has(table.object, companion)) wire[companion] ??= constant;
      }
    }
    wire[name] = mapping ? mapping.codec.toWire(value) : value;
  }
  return wire;
}
