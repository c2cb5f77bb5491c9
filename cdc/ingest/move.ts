/**
 * A row's key was changed: what is remembered of the record moves with it. The two records trade
 * places, so that what still waits under the new key (the archive of a row deleted before) goes on
 * under the old one, where there is no row any more.
 */
import type { StoredRecord } from '../../shared/postgres/records.ts';
import { operationOf } from '../../shared/postgres/values.ts';
import { giveUp } from '../../shared/protocol/settle.ts';
import type { Step } from './change.ts';
import { pendingsOf, setWaiting, type WaitSettings } from './waiting.ts';

export function moveRecord(
  settings: WaitSettings,
  from: StoredRecord,
  to: StoredRecord,
  step: Step,
): void {
  const left = contentOf(to);
  Object.assign(to, contentOf(from));
  Object.assign(from, left, { image: null });
  from.lastLsn = step.lsn;
  for (const record of [from, to]) abandonCall(settings, record, step);
}

function contentOf(record: StoredRecord) {
  const { state, image, outbox, lastLsn, syncError, lastSyncedAt } = record;
  return { state, image, outbox, lastLsn, syncError, lastSyncedAt };
}

/**
 * A call that is under way names the record by its old key, and its answer will find another record
 * there: its outcome stays unknown, and HubSpot is read before anything else is sent.
 */
function abandonCall(settings: WaitSettings, record: StoredRecord, step: Step): void {
  const { call } = record.state;
  if (!call) return;
  const given = giveUp(record.state, pendingsOf(step.table, record), call.request);
  record.state = given.record;
  setWaiting(settings, record, step, operationOf(record.outbox), given.pendings);
}
