/** What leaves the outbox without having been sent: it is said why, in the log or as a dead letter. */
import type { Cured, DeadLetter } from '../../shared/postgres/journal.ts';
import type { RecordRef, StoredRecord } from '../../shared/postgres/records.ts';
import type { Claimed } from '../deliver/claimed.ts';
import type { Findings } from './findings.ts';

/** Pause before something that waits for another record or for a mark is looked at again. */
export const WAIT_MS = 200;

export interface ClaimFindings extends Findings {
  readonly claimed: Claimed[];
  /** What turned out to be equal on both sides already. */
  readonly equal: Cured[];
  /** Records whose image lacks columns: a message brings the whole row. */
  readonly incomplete: RecordRef[];
}

/** The row leaves the outbox without a call. */
export function skip(
  record: StoredRecord,
  findings: Findings,
  message: string,
  properties: readonly string[],
): void {
  const { outbox } = record;
  if (!outbox) return;
  record.outbox = null;
  findings.log.push({
    object: record.object,
    key: record.key,
    direction: 'outbound',
    status: 'skipped',
    message,
    metadata: {
      hubspot_id: record.state.existence.link,
      properties,
      first_lsn: outbox.firstLsn,
      last_lsn: outbox.lastLsn,
    },
    startedAt: outbox.firstAt,
  });
}

/** Nothing of the record is sent until it changes; of `properties` only, where there are any. */
export function buryWaiting(
  record: StoredRecord,
  findings: Findings,
  letter: DeadLetter,
  properties: readonly string[] = [],
): void {
  const { outbox } = record;
  const names = properties.join(', ');
  record.syncError = `${names === '' ? '' : `${names}: `}not sent (${letter.code})`;
  findings.letters.push(letter);
  findings.log.push({
    object: record.object,
    key: record.key,
    direction: 'outbound',
    status: 'error',
    message: record.syncError,
    errorDetails: { code: letter.code, properties },
    metadata: {
      hubspot_id: record.state.existence.link,
      properties,
      first_lsn: outbox?.firstLsn,
      last_lsn: outbox?.lastLsn,
    },
    startedAt: outbox?.firstAt ?? Date.now(),
  });
  if (properties.length === 0) record.outbox = null;
}
