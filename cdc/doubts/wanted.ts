/**
 * HubSpot ids that were announced and belong to no row yet: which row each is, or that it wants one.
 * The record's key property tells; what is found out makes the record a doubt, and the reading that
 * follows links it or inserts its row.
 */
import { batchSizes, type RecordAnswer } from '../../shared/hubspot/hubspot.ts';
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import { buryDeadLetters, type DeadLetter } from '../../shared/postgres/journal.ts';
import { fence } from '../../shared/postgres/lease.ts';
import { inTransaction } from '../../shared/postgres/pool.ts';
import { lockRecords, refId, saveRecords } from '../../shared/postgres/records.ts';
import { noteCreated } from '../../shared/protocol/existence-inward.ts';
import type { DeliverContext } from '../deliver/context.ts';
import { sourceProperties } from './read.ts';

/** An own creation's answer is most likely on its way: its id is left alone for so long. */
const PATIENCE_MS = 1500;

/** @returns whether anything was found out. */
export async function resolveWanted(
  context: DeliverContext,
  table: TableMapping,
): Promise<boolean> {
  const { pool, tables, hubspot } = context;
  const { rows } = await pool.query(
    `select hubspot_id as id, extract(epoch from clock_timestamp() - wanted_at) * 1000 as age
       from ${tables.hubspotId}
      where wanted_at is not null and object_type = $1 order by wanted_at limit $2`,
    [table.object, batchSizes.read],
  );
  if (rows.length === 0) return false;
  const ids = rows.map((row) => row.id as string);
  const answer = await hubspot.readBatch(
    table.object,
    { ids, properties: [table.idProperty, ...sourceProperties] },
    { lane: 'retry' },
  );
  const found = new Map(answer.results.map((result) => [result.id, result]));
  const young = new Set(rows.filter((row) => Number(row.age) < PATIENCE_MS).map((row) => row.id));
  let done = 0;
  await inTransaction(pool, async (client) => {
    await fence(client, tables, context.term);
    const settled: string[] = [];
    const letters: DeadLetter[] = [];
    for (const id of ids) {
      const result = found.get(id);
      const ours = result !== undefined && isOurs(context, result);
      if (ours && young.has(id)) continue;
      settled.push(id);
      if (!result) continue;
      const key = await keyFor(context, client, table, result, ours);
      if (key === undefined) {
        if (table.automation === 'rows' || !isAutomatic(result)) letters.push(noKey(table, id));
        continue;
      }
      const ref = { object: table.object, key };
      const record = (await lockRecords(client, tables, [ref], { create: true })).get(refId(ref));
      if (!record) continue;
      record.state = noteCreated(record.state, id, {
        createdByUs: ours && Boolean(result.properties[table.idProperty]),
      });
      await saveRecords(client, tables, [record]);
    }
    await client.query(
      `update ${tables.hubspotId} set wanted_at = null
        where object_type = $1 and hubspot_id = any ($2::text[])`,
      [table.object, settled],
    );
    await buryDeadLetters(client, tables, letters);
    done = settled.length;
  });
  return done > 0;
}

function isOurs({ appId }: DeliverContext, { properties }: RecordAnswer): boolean {
  return (
    properties.hs_object_source === 'INTEGRATION' &&
    appId !== undefined &&
    properties.hs_object_source_id === appId
  );
}

/** HubSpot made it by itself: a company from a contact's email domain, for example. */
function isAutomatic({ properties }: RecordAnswer): boolean {
  const people = [
    'CRM_UI',
    'CRM_UI_BULK_ACTION',
    'INTEGRATION',
    'IMPORT',
    'API',
    'FORM',
    'CRM',
    'MOBILE_IOS',
    'MOBILE_ANDROID',
    'CONVERSATIONS',
    'MEETINGS',
    'EXTENSION',
  ];
  return !people.includes(properties.hs_object_source ?? 'CRM_UI');
}

/** The row that holds the record's key value, else the key that the id template gives it. */
async function keyFor(
  { tables }: DeliverContext,
  client: Parameters<typeof lockRecords>[0],
  table: TableMapping,
  result: RecordAnswer,
  ours: boolean,
): Promise<string | undefined> {
  const value = result.properties[table.idProperty];
  if (value) {
    const { rows } = await client.query(
      `select key from ${tables.record}
        where object_type = $1 and (key = $2 or lower(key) = lower($2)) order by key = $2 desc limit 1`,
      [table.object, value],
    );
    if (rows[0]) return rows[0].key;
    if (ours) return value;
  }
  if (table.automation === 'ignore' && isAutomatic(result)) return undefined;
  return table.rowId?.format(result.id);
}

function noKey(table: TableMapping, id: string): DeadLetter {
  return {
    direction: 'inbound',
    object: table.object,
    key: null,
    hubspotId: id,
    code: 'NO_ROW_ID',
    message: `a record was created in HubSpot, and the mapping of ${table.name} says no id for its row`,
    advice: 'Give the table an `id` template in the mapping, such as `id: hs_{id}`.',
  };
}
