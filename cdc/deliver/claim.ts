/**
 * Takes what is due from the outbox. Candidates are looked up without locks, then locked in the one
 * order (record, then outbox) skipping what others hold; the protocol says what is sent, and the
 * ledger is written before any call is made.
 */
import { cureDeadLetters } from '../../shared/postgres/journal.ts';
import { fence } from '../../shared/postgres/lease.ts';
import { inTransaction } from '../../shared/postgres/pool.ts';
import { lockRecords, saveRecords } from '../../shared/postgres/records.ts';
import type { DeliverContext } from '../records/context.ts';
import { newFindings, tellFindings, writeFindings } from '../records/findings.ts';
import type { ClaimFindings } from '../records/not-sent.ts';
import { claimOne } from './claim-record.ts';
import type { Claimed } from './claimed.ts';
import { completeImages } from './complete.ts';
import { lookAround } from './surroundings.ts';

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
  const findings: ClaimFindings = { ...newFindings(), claimed: [], equal: [], incomplete: [] };
  await inTransaction(pool, async (client) => {
    await fence(client, tables, context.term);
    const records = await lockRecords(client, tables, rows, { skipLocked: true });
    const surroundings = await lookAround(client, context, [...records.values()]);
    for (const record of records.values()) {
      const table = mapping.objectOf(record.object);
      if (table) claimOne(context, table, record, surroundings, findings);
    }
    await saveRecords(client, tables, records.values());
    await writeFindings(client, context, findings);
    await cureDeadLetters(client, tables, findings.equal);
  });
  tellFindings(context, findings);
  await completeImages(context, findings.incomplete);
  return findings.claimed;
}
