/** What a transaction of delivery finds out beside the records themselves, and how it is stored. */
import {
  buryDeadLetters,
  type ConflictRow,
  type DeadLetter,
  type SyncLogRow,
  writeConflicts,
  writeSyncLog,
} from '../../shared/postgres/journal.ts';
import type { Client } from '../../shared/postgres/pool.ts';
import type { StoredRecord } from '../../shared/postgres/records.ts';
import type { Conflict } from '../../shared/protocol/state.ts';
import type { DeliverContext } from './context.ts';

export interface Findings {
  readonly letters: DeadLetter[];
  readonly conflicts: ConflictRow[];
  readonly log: SyncLogRow[];
}

export function newFindings(): Findings {
  return { letters: [], conflicts: [], log: [] };
}

export function noteConflicts(
  findings: Findings,
  record: StoredRecord,
  conflicts: readonly Conflict[],
  rule: string,
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
      rule,
    });
  }
}

/** In the transaction that stores the records. */
export async function writeFindings(
  client: Client,
  { tables }: DeliverContext,
  { letters, conflicts, log }: Findings,
): Promise<void> {
  await writeConflicts(client, tables, conflicts);
  await buryDeadLetters(client, tables, letters);
  await writeSyncLog(client, tables, log);
}

/** Once it is committed. */
export function tellFindings({ events }: DeliverContext, { letters, conflicts }: Findings): void {
  for (const { object, key, code, hubspotId, direction } of letters) {
    events.emit('deadletter', {
      object,
      key: key ?? '',
      hubspotId: hubspotId ?? undefined,
      direction,
      code,
    });
  }
  for (const { object, key, property, winner, hubspotId } of conflicts) {
    events.emit('conflict', {
      object,
      key,
      hubspotId: hubspotId ?? undefined,
      property,
      winner,
    });
  }
}
