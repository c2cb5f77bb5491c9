/** Which row a HubSpot record stands for that nobody linked yet. */
import type { RecordAnswer } from '../../shared/hubspot/hubspot.ts';
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import type { Client } from '../../shared/postgres/pool.ts';
import { type ColumnType, existingKeys } from '../../shared/postgres/rows.ts';
import type { DeliverContext } from '../records/context.ts';

export function isOurs({ appId }: DeliverContext, { properties }: RecordAnswer): boolean {
  return (
    properties.hs_object_source === 'INTEGRATION' &&
    appId !== undefined &&
    properties.hs_object_source_id === appId
  );
}

/** Sources that stand for a person or for another program; anything else is HubSpot itself. */
const PEOPLE = new Set([
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
]);

/**
 * HubSpot made it by itself: a company from a contact's email domain, for example. It may do so in
 * our name; but what we make has the key property.
 */
export function isAutomatic(
  context: DeliverContext,
  table: TableMapping,
  result: RecordAnswer,
): boolean {
  if (isOurs(context, result)) return !result.properties[table.idProperty];
  return !PEOPLE.has(result.properties.hs_object_source ?? 'CRM_UI');
}

/**
 * The row whose key the record bears, else the key that the id template gives it. Undefined: it gets
 * no row.
 */
export async function keyFor(
  client: Client,
  context: DeliverContext,
  table: TableMapping,
  types: ReadonlyMap<string, ColumnType>,
  result: RecordAnswer,
): Promise<string | undefined> {
  const value = result.properties[table.idProperty]?.trim().toLowerCase();
  if (value) {
    const known = await knownKey(client, context, table, value);
    if (known !== undefined) return known;
    // Nobody knows of a row with that key, but there may be one that hasn't changed since `init`.
    if (await isRow(client, table, types, value)) return value;
    if (isOurs(context, result)) return undefined;
  }
  if (result.archived) return undefined;
  if (table.automation === 'ignore' && isAutomatic(context, table, result)) return undefined;
  const key = table.rowId?.format(result.id);
  if (key === undefined) return undefined;
  // A template that doesn't fit the key's type would fail every later look at the table.
  return (await isRow(client, table, types, key)) === undefined ? undefined : key;
}

async function knownKey(
  client: Client,
  { tables }: DeliverContext,
  table: TableMapping,
  value: string,
): Promise<string | undefined> {
  const { rows } = await client.query(
    `select key from ${tables.record}
      where object_type = $1
        and lower(regexp_replace(key collate "C", '[^!-~]', '', 'g')) = lower(regexp_replace($2::text collate "C", '[^!-~]', '', 'g'))
      order by hubspot_id is not null desc, created_at, key collate "C"`,
    [table.object, value],
  );
  return rows.map(({ key }) => key as string).find((key) => isKeyOf(table, key, value));
}

function isKeyOf(table: TableMapping, key: string, value: string): boolean {
  try {
    return table.keyValue(key) === value;
  } catch {
    return false;
  }
}

/** Undefined where the text can't be a key of the table. */
async function isRow(
  client: Client,
  table: TableMapping,
  types: ReadonlyMap<string, ColumnType>,
  key: string,
): Promise<boolean | undefined> {
  await client.query('savepoint key');
  try {
    const found = await existingKeys(client, table, types, [key]);
    await client.query('release savepoint key');
    return found.has(key);
  } catch (error) {
    const { code = '' } = error as { code?: string };
    // A composite key that isn't JSON has no code at all.
    if (code !== '' && !code.startsWith('22')) throw error;
    await client.query('rollback to savepoint key; release savepoint key');
    return undefined;
  }
}
