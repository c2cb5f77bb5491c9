/**
 * HubSpot ids that were announced and belong to no row yet: which row each is, or that it wants one.
 * The record's key property tells; what is found out makes the record a doubt, and the reading that
 * follows links it or inserts its row.
 */
import { batchSizes, type RecordAnswer } from '../../shared/hubspot/hubspot.ts';
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import { idRef, lockIds } from '../../shared/postgres/hubspot-ids.ts';
import { buryDeadLetters, type DeadLetter } from '../../shared/postgres/journal.ts';
import { fence } from '../../shared/postgres/lease.ts';
import { inTransaction } from '../../shared/postgres/pool.ts';
import { lockRecords, refId, saveRecords } from '../../shared/postgres/records.ts';
import { noteCreated } from '../../shared/protocol/existence-inward.ts';
import type { DeliverContext } from '../records/context.ts';
import { noKeyLetter, strangerLetter } from './letters.ts';
import { sourceProperties } from './read.ts';
import { isAutomatic, isOurs, keyFor } from './wanted-key.ts';

/** An own creation's answer is most likely on its way: its id is left alone for so long. */
const PATIENCE_MS = 1500;

/** @returns whether anything was found out. */
export async function resolveWanted(
  context: DeliverContext,
  table: TableMapping,
): Promise<boolean> {
  const { pool, tables } = context;
  const { object } = table;
  const { rows } = await pool.query(
    `select hubspot_id as id, extract(epoch from clock_timestamp() - wanted_at) * 1000 as age
       from ${tables.hubspotId}
      where wanted_at is not null and object_type = $1 order by wanted_at limit $2`,
    [object, batchSizes.read],
  );
  if (rows.length === 0) return false;
  const ids = rows.map((row) => row.id as string);
  const found = await readWanted(context, table, ids);
  const young = new Set(rows.filter((row) => Number(row.age) < PATIENCE_MS).map((row) => row.id));
  const ripe = ids.filter((id) => {
    const result = found.get(id);
    return !(result && young.has(id) && isOurs(context, result));
  });
  if (ripe.length === 0) return false;
  const types = await context.typesOf(table);
  await inTransaction(pool, async (client) => {
    await fence(client, tables, context.term);
    const letters: DeadLetter[] = [];
    const keyOf = new Map<string, string>();
    for (const id of ripe) {
      const result = found.get(id);
      if (!result) continue;
      const key = await keyFor(client, context, table, types, result);
      if (key !== undefined) keyOf.set(id, key);
      else if (isOurs(context, result) && result.properties[table.idProperty]) {
        letters.push(strangerLetter(table, id));
      } else if (table.automation === 'rows' || !isAutomatic(context, table, result)) {
        letters.push(noKeyLetter(table, id));
      }
    }
    const refs = [...keyOf.values()].map((key) => ({ object, key }));
    const records = await lockRecords(client, tables, refs, { create: true });
    const known = await lockIds(
      client,
      tables,
      ripe.map((id) => ({ object, id })),
    );
    for (const [id, key] of keyOf) {
      const record = records.get(refId({ object, key }));
      const { linkedTo, dead } = known.get(idRef({ object, id })) ?? {};
      if (!record || linkedTo) continue;
      const result = found.get(id) as RecordAnswer;
      const createdByUs = isOurs(context, result) && Boolean(result.properties[table.idProperty]);
      record.state = noteCreated(record.state, id, { createdByUs, tombstone: dead ?? null });
    }
    await saveRecords(client, tables, records.values());
    await client.query(
      `update ${tables.hubspotId} set wanted_at = null
        where object_type = $1 and hubspot_id = any ($2::text[])`,
      [object, ripe],
    );
    await buryDeadLetters(client, tables, letters);
  });
  return true;
}

/** Live ones, and archived ones that we had made: their row must learn of it. */
async function readWanted(
  context: DeliverContext,
  table: TableMapping,
  ids: readonly string[],
): Promise<Map<string, RecordAnswer>> {
  const { hubspot } = context;
  const properties = [table.idProperty, ...sourceProperties];
  const live = await hubspot.readBatch(table.object, { ids, properties }, { lane: 'retry' });
  const found = new Map(live.results.map((result) => [result.id, result]));
  const absent = ids.filter((id) => !found.has(id));
  if (absent.length === 0) return found;
  const request = { ids: absent, properties, archived: true };
  const archived = await hubspot.readBatch(table.object, request, { lane: 'retry' });
  for (const result of archived.results) {
    if (isOurs(context, result) && result.properties[table.idProperty]) {
      found.set(result.id, { ...result, archived: true });
    }
  }
  return found;
}
