/** What the log and the dead letters say of a settled call. Names of properties, never values. */
import type { ItemError } from '../../shared/hubspot/errors.ts';
import type { Cured, DeadLetter } from '../../shared/postgres/journal.ts';
import type { OutboxRow, StoredRecord } from '../../shared/postgres/records.ts';
import type { Findings } from '../records/findings.ts';
import { adviceOf } from '../records/letters.ts';
import type { Claimed } from './claimed.ts';

interface Delivery {
  readonly correlationId?: string | undefined;
  /** Properties of which a reading must tell what became. */
  readonly doubted?: readonly string[];
}

export function logDelivered(
  findings: Findings & { readonly delivered: Claimed[]; readonly equal: Cured[] },
  claimed: Claimed,
  record: StoredRecord,
  { correlationId, doubted = [] }: Delivery = {},
): void {
  record.lastSyncedAt = Date.now();
  if (record.outbox) record.outbox = afterDelivery(record.outbox, claimed);
  findings.delivered.push(claimed);
  const properties = Object.keys(claimed.send);
  findings.equal.push({
    object: record.object,
    key: record.key,
    properties: properties.filter((name) => !doubted.includes(name)),
    whole: claimed.operation === 'archive' ? 'gone' : 'delivered',
  });
  findings.log.push({
    object: record.object,
    key: record.key,
    direction: 'outbound',
    status: 'success',
    message: `${claimed.operation}${properties.length > 0 ? `: ${properties.join(', ')}` : ''}`,
    metadata: {
      ...metadataOf(claimed, record, correlationId),
      properties,
      ...(doubted.length > 0 ? { read_back: doubted } : {}),
    },
    startedAt: claimed.firstAt,
  });
}

/** Newer changes have come while the call was under way: what waits now is theirs. */
function afterDelivery(outbox: OutboxRow, claimed: Claimed): OutboxRow {
  const newer = outbox.lastLsn !== claimed.lastLsn;
  const first = newer ? { firstAt: outbox.lastAt, firstLsn: outbox.lastLsn } : {};
  return { ...outbox, ...first, attempts: 0, error: null };
}

export function logRefused(
  findings: Findings,
  claimed: Claimed,
  record: StoredRecord,
  error: ItemError,
  properties: readonly string[],
): void {
  const letter: DeadLetter = {
    direction: 'outbound',
    object: record.object,
    key: record.key,
    hubspotId: claimed.hubspotId,
    code: error.code,
    message: error.message,
    advice: adviceOf(error.code),
    correlationId: error.correlationId,
    payload: { operation: claimed.operation, properties, sent: claimed.wire },
  };
  logBuried(findings, claimed, record, letter, properties, error.reasons);
}

export function logBuried(
  findings: Findings,
  claimed: Claimed,
  record: StoredRecord,
  letter: DeadLetter,
  properties: readonly string[],
  reasons: readonly string[] = [],
): void {
  const names = properties.join(', ');
  record.syncError = `HubSpot refuses ${names || 'the record'} (${letter.code})`;
  record.lastSyncedAt = Date.now();
  findings.letters.push(letter);
  findings.log.push({
    object: record.object,
    key: record.key,
    direction: 'outbound',
    status: 'error',
    message: record.syncError,
    errorDetails: { code: letter.code, reasons, properties },
    metadata: metadataOf(claimed, record, letter.correlationId),
    startedAt: claimed.firstAt,
  });
}

function metadataOf(claimed: Claimed, record: StoredRecord, correlationId: string | undefined) {
  return {
    operation: claimed.operation,
    hubspot_id: claimed.hubspotId ?? record.state.existence.link,
    request: claimed.request,
    first_lsn: claimed.firstLsn,
    last_lsn: claimed.lastLsn,
    ...(correlationId === undefined ? {} : { correlation_id: correlationId }),
  };
}
