/**
 * Stores what became of a batch, in one transaction: what was sent leaves the outbox (a newer value
 * stays), link and answered values become known, whatever the answer doesn't prove becomes a doubt.
 */
import { addDoubt } from '../../shared/postgres/doubt-all.ts';
import { lockIds } from '../../shared/postgres/hubspot-ids.ts';
import { cureDeadLetters } from '../../shared/postgres/journal.ts';
import { fence } from '../../shared/postgres/lease.ts';
import { type Client, inTransaction } from '../../shared/postgres/pool.ts';
import {
  lockRecords,
  refId,
  type StoredRecord,
  saveRecords,
} from '../../shared/postgres/records.ts';
import { writeHubspotIds } from '../../shared/postgres/rows.ts';
import type { DeliverContext } from '../records/context.ts';
import { wantDependents } from '../records/dependents.ts';
import { tellFindings, writeFindings } from '../records/findings.ts';
import type { Claimed, Outcome } from './claimed.ts';
import { newSettleFindings, type SettleFindings, settleOne } from './settle-record.ts';

/** Throws when the lease was lost: another process settles then, by reading. */
export async function settleBatch(
  context: DeliverContext,
  batch: readonly Claimed[],
  outcomes: ReadonlyMap<string, Outcome>,
): Promise<void> {
  const { pool, tables } = context;
  const findings = newSettleFindings();
  await inTransaction(pool, async (client) => {
    await fence(client, tables, context.term);
    const records = await lockRecords(client, tables, batch);
    const ids = await lockIds(client, tables, answeredIds(batch, outcomes));
    for (const claimed of batch) {
      const record = records.get(refId(claimed));
      const outcome = outcomes.get(claimed.request);
      if (!record || record.state.call?.request !== claimed.request) continue;
      settleOne(
        context,
        claimed,
        record,
        outcome ?? { kind: 'unknown', code: 'HUBSPOT_UNANSWERED' },
        ids,
        findings,
      );
    }
    await saveRecords(client, tables, records.values());
    await wantDependents(client, context, findings.linked);
    for (const { object, hubspotId } of findings.suspects) {
      await addDoubt(client, tables, object, 'reconcile', { hubspotIds: [hubspotId] });
    }
    await writeFindings(client, context, findings);
    await cureDeadLetters(client, tables, findings.equal);
    await writeIds(client, context, findings.linked);
  });
  tellFindings(context, findings);
  tell(context, findings);
}

/** Ids that the answers of upserts bring. */
function answeredIds(batch: readonly Claimed[], outcomes: ReadonlyMap<string, Outcome>) {
  return batch.flatMap(({ object, operation, request }) => {
    const outcome = outcomes.get(request);
    if (operation !== 'upsert' || outcome?.kind !== 'answered') return [];
    return [{ object, id: outcome.answer.id }];
  });
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

function tell({ events, log }: DeliverContext, findings: SettleFindings): void {
  const { delivered, linked, doubted, dropped } = findings;
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
  for (const { object, key, hubspotId, reason } of doubted) {
    events.emit('doubt', { object, key, hubspotId, reason });
  }
  for (const { object, property, reason } of dropped) {
    log.error(
      { object, property, code: reason },
      'HubSpot refuses the property: it is out of the mapping until the next start',
    );
    events.emit('property:dropped', { object, property, reason });
  }
}
