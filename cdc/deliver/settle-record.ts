/** What one record's outcome means: for what waits, for the record, for the log. */
import type { ItemError } from '../../shared/hubspot/errors.ts';
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import { type HubspotId, idRef } from '../../shared/postgres/hubspot-ids.ts';
import type { Cured } from '../../shared/postgres/journal.ts';
import type { StoredRecord } from '../../shared/postgres/records.ts';
import {
  answeredNotFound,
  settleArchived,
  settleWritten,
} from '../../shared/protocol/existence.ts';
import { endCall, giveUp, refuseProperties, settleRecord } from '../../shared/protocol/settle.ts';
import { TOLERANCE_MS, type Value } from '../../shared/protocol/state.ts';
import { backoff } from '../records/backoff.ts';
import type { DeliverContext } from '../records/context.ts';
import { type Findings, newFindings } from '../records/findings.ts';
import { linkTakenLetter } from '../records/letters.ts';
import {
  type Associations,
  keepWaiting,
  type Waiting,
  waitingOf,
  without,
} from '../records/outbox-row.ts';
import type { Claimed, Outcome } from './claimed.ts';
import { logBuried, logDelivered, logRefused } from './settle-log.ts';

export interface SettleFindings extends Findings {
  readonly delivered: Claimed[];
  /** What HubSpot is known to hold as sent. */
  readonly equal: Cured[];
  /** Records that have a HubSpot id since now. */
  readonly linked: StoredRecord[];
  /** HubSpot records of others that an answer makes doubtful. */
  readonly suspects: { readonly object: string; readonly hubspotId: string }[];
  readonly doubted: {
    readonly object: string;
    readonly key: string;
    readonly hubspotId: string | undefined;
    readonly reason: string;
  }[];
  readonly dropped: {
    readonly object: string;
    readonly property: string;
    readonly reason: string;
  }[];
}

export function newSettleFindings(): SettleFindings {
  return {
    ...newFindings(),
    delivered: [],
    equal: [],
    linked: [],
    suspects: [],
    doubted: [],
    dropped: [],
  };
}

/** So often a refusal that a reading may explain is repeated. */
const PATIENCE = 3;

/** What waits for the record, while it is settled. */
type Draft = { -readonly [K in 'op' | 'pendings' | 'associations']: Waiting[K] };

export function settleOne(
  context: DeliverContext,
  claimed: Claimed,
  record: StoredRecord,
  outcome: Outcome,
  ids: ReadonlyMap<string, HubspotId>,
  findings: SettleFindings,
): void {
  const now = Date.now();
  const { request } = claimed;
  const draft: Draft = { ...waitingOf(claimed.table, record) };
  switch (outcome.kind) {
    case 'answered':
      settleAnswer(claimed, record, draft, outcome, ids, findings);
      break;
    case 'archived': {
      const settled = settleArchived(record.state, draft.op, { request, time: outcome.date });
      record.state = settled.record;
      draft.op = settled.op;
      logDelivered(findings, claimed, record);
      break;
    }
    case 'associated':
      settleAssociation(claimed, record, draft, outcome, findings);
      break;
    case 'missing':
      if (claimed.association && claimed.attempts >= PATIENCE) {
        refuse(claimed, record, draft, outcome.error, findings);
        break;
      }
      record.state = endCall(answeredNotFound(record.state, request), request).record;
      noteDoubt(findings, claimed, 'missing');
      if (claimed.association?.to) {
        const { toObject, to } = claimed.association;
        findings.suspects.push({ object: toObject, hubspotId: to });
      }
      repeat(record, 'HUBSPOT_NOT_FOUND', now + backoff(claimed.attempts));
      break;
    case 'refused':
      if (isKeyRace(claimed, outcome.error)) {
        giveUpCall(claimed, record, draft, outcome.error.code, now, findings);
      } else {
        refuse(claimed, record, draft, outcome.error, findings);
      }
      break;
    case 'property-refused':
      dropProperties(context, claimed, record, draft, outcome.error, findings);
      break;
    case 'unknown':
      giveUpCall(claimed, record, draft, outcome.code, now, findings);
      break;
    case 'not-done':
      record.state = endCall(record.state, request).record;
      repeat(record, outcome.code, now + (outcome.retryAfterMs ?? backoff(claimed.attempts)));
      break;
  }
  keepWaiting(record, draft.op, draft.pendings, draft.associations, now);
}

function settleAnswer(
  claimed: Claimed,
  record: StoredRecord,
  draft: Draft,
  { answer, startedAt, completedAt, correlationId }: Extract<Outcome, { kind: 'answered' }>,
  ids: ReadonlyMap<string, HubspotId>,
  findings: SettleFindings,
): void {
  const { table, request, object } = claimed;
  const known = ids.get(idRef({ object, id: answer.id }));
  const holder = known?.linkedTo ?? null;
  if (holder !== null && holder !== record.key) {
    // Its values are in the other's HubSpot record now: that one is read.
    findings.suspects.push({ object, hubspotId: answer.id });
    const letter = linkTakenLetter(table, record, answer.id, holder);
    takeBack(claimed, record, draft, Object.keys(claimed.send));
    draft.op = withoutSent(draft.op, claimed);
    logBuried(findings, claimed, record, letter, Object.keys(claimed.send));
    return;
  }
  const wasLinked = record.state.existence.link;
  const written = settleWritten(record.state, draft.op, {
    request,
    id: answer.id,
    isNew: answer.isNew ?? false,
    time: { low: startedAt - TOLERANCE_MS, high: completedAt + TOLERANCE_MS },
    tombstone: known?.key === null ? known.dead : null,
  });
  record.state = written.record;
  draft.op = written.op;
  // It died while the call was under way, and whatever waits is settled by what is known of that.
  if (!written.linked) return;
  const settled = settleRecord(record.state, draft.pendings, {
    request,
    startedAt,
    completedAt,
    values: answeredValues(claimed, answer.properties),
  });
  record.state = settled.record;
  draft.pendings = settled.pendings;
  if (wasLinked !== answer.id) findings.linked.push(record);
  for (const reason of record.state.doubt) noteDoubt(findings, claimed, reason, answer.id);
  logDelivered(findings, claimed, record, { correlationId, doubted: settled.doubted });
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
      if (name === table.idProperty) return [name, (raw ?? '').trim().toLowerCase()];
      try {
        return [name, table.property(name)?.codec.canonical(raw)];
      } catch {
        // Not a value of the property's kind: a reading tells what it is.
        return [name, undefined];
      }
    }),
  );
}

function settleAssociation(
  claimed: Claimed,
  record: StoredRecord,
  draft: Draft,
  { date }: Extract<Outcome, { kind: 'associated' }>,
  findings: SettleFindings,
): void {
  const settled = settleRecord(record.state, sentAssociations(claimed, draft.associations), {
    request: claimed.request,
    startedAt: date.low,
    completedAt: date.high,
    values: claimed.send,
  });
  record.state = settled.record;
  const done = Object.keys(claimed.send).filter((name) => !Object.hasOwn(settled.pendings, name));
  draft.associations = without(draft.associations, done);
  logDelivered(findings, claimed, record, { doubted: settled.doubted });
}

function sentAssociations({ send }: Claimed, associations: Associations) {
  return Object.fromEntries(
    Object.entries(send).flatMap(([name, value]) => {
      const mark = associations[name];
      return mark ? [[name, { ...mark, value }]] : [];
    }),
  );
}

function giveUpCall(
  claimed: Claimed,
  record: StoredRecord,
  draft: Draft,
  code: string,
  now: number,
  findings: SettleFindings,
): void {
  const given = giveUp(record.state, draft.pendings, claimed.request);
  record.state = given.record;
  draft.pendings = given.pendings;
  // It is read before it is sent again, so the first repetition needs no pause.
  repeat(record, code, claimed.attempts === 0 ? now : now + backoff(claimed.attempts));
  noteDoubt(findings, claimed, 'readretry');
}

function repeat(record: StoredRecord, error: string, dueAt: number): void {
  if (!record.outbox) return;
  record.outbox = { ...record.outbox, dueAt, attempts: record.outbox.attempts + 1, error };
}

/**
 * The key was taken between our upsert's look and its write, by a write of ours that was given up:
 * the record is there, and the next reading by the key finds it.
 */
function isKeyRace({ operation, table, attempts }: Claimed, error: ItemError): boolean {
  if (operation !== 'upsert' || error.code !== 'HUBSPOT_CONFLICT' || attempts >= PATIENCE) {
    return false;
  }
  return error.properties.length === 0 || error.properties.includes(table.idProperty);
}

/** HubSpot refuses values of the record, or the record as a whole. */
function refuse(
  claimed: Claimed,
  record: StoredRecord,
  draft: Draft,
  error: ItemError,
  findings: SettleFindings,
): void {
  const named = sentUnder(claimed, namesOf(claimed, error));
  const whole = named.length === 0;
  const properties = whole ? Object.keys(claimed.send) : named;
  takeBack(claimed, record, draft, properties);
  if (whole) draft.op = withoutSent(draft.op, claimed);
  if (claimed.association) {
    draft.associations = without(draft.associations, [claimed.association.name]);
  }
  logRefused(findings, claimed, record, error, properties);
}

/** A taken email is refused without a name; no other property of a contact is unique, but the key. */
function namesOf({ object }: Claimed, { code, properties }: ItemError): readonly string[] {
  const unnamed = properties.length === 0 && code === 'HUBSPOT_CONFLICT';
  return unnamed && object === 'contacts' ? ['email'] : properties;
}

/** Which of what was sent the names stand for: companions go with the property they accompany. */
function sentUnder({ table, send }: Claimed, names: readonly string[]): string[] {
  return Object.keys(send).filter(
    (name) => names.includes(name) || names.some((one) => accompanies(table, name, one)),
  );
}

function accompanies(table: TableMapping, property: string, companion: string): boolean {
  return Object.hasOwn(table.property(property)?.sendWith ?? {}, companion);
}

/** The call ends, and these values aren't sent again until the row changes. */
function takeBack(
  claimed: Claimed,
  record: StoredRecord,
  draft: Draft,
  properties: readonly string[],
): void {
  const refused = refuseProperties(record.state, draft.pendings, claimed.request, properties);
  record.state = refused.record;
  draft.pendings = refused.pendings;
}

function withoutSent(op: Waiting['op'], { lastLsn }: Claimed): Waiting['op'] {
  return op?.seq === lastLsn ? null : op;
}

/** The properties leave the mapping; the rest of the record is sent once more. */
function dropProperties(
  { dropped }: DeliverContext,
  claimed: Claimed,
  record: StoredRecord,
  draft: Draft,
  error: ItemError,
  findings: SettleFindings,
): void {
  const { object } = claimed;
  for (const property of error.properties) {
    if (dropped.add(object, property)) {
      findings.dropped.push({ object, property, reason: error.code });
    }
  }
  // Records of the same batch that don't carry it were only in its company.
  const carried = error.properties.filter((name) => Object.hasOwn(claimed.send, name));
  takeBack(claimed, record, draft, carried);
  if (carried.length > 0) logRefused(findings, claimed, record, error, carried);
}

function noteDoubt(
  { doubted }: SettleFindings,
  { object, key, hubspotId }: Claimed,
  reason: string,
  id = hubspotId ?? undefined,
): void {
  doubted.push({ object, key, hubspotId: id, reason });
}
