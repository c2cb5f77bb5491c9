/** Dead letters of the way inwards: what HubSpot holds and the row can't, and when that has ended. */
import type { DeadLetter } from '../shared/postgres/journal.ts';
import type { Client } from '../shared/postgres/pool.ts';
import type { Tables } from '../shared/postgres/schema.ts';
import type { RefusedRow } from '../shared/postgres/write-inbound.ts';
import type { Decision } from './decide.ts';
import type { Written } from './write.ts';

export function unconvertibleLetter(
  object: string,
  key: string,
  { property, reason, event }: Decision['unconvertible'][number],
): DeadLetter {
  const { time } = event.event;
  const value = event.event.kind === 'property' ? event.event.value : null;
  return {
    direction: 'inbound',
    object,
    key,
    hubspotId: event.hubspotId,
    code: 'VALUE_UNCONVERTIBLE',
    message: `${property}: ${reason}`,
    advice: `Add HubSpot's value to the mapping of ${property}, or correct it in HubSpot; its next change is applied again.`,
    payload: { property, value, time },
  };
}

export function refusedLetter(
  object: string,
  { write, code, detail, error }: RefusedRow,
): DeadLetter {
  return {
    direction: 'inbound',
    object,
    key: write.key,
    hubspotId: write.hubspotId,
    code: 'ROW_REFUSED',
    message: `${error.message} (${code})`,
    advice: `Correct the record in HubSpot, or ${detail}; its next change is applied again.`,
    payload: { kind: write.kind, values: write.values },
  };
}

/** Closes the open letters whose every property was applied since, or whose row is gone now. */
export async function cureLetters(
  client: Client,
  tables: Tables,
  written: readonly Written[],
): Promise<void> {
  const done = written.filter(({ applied, removed }) => applied.length > 0 || removed);
  if (done.length === 0) return;
  const { rows } = await client.query(
    `select d.id, d.object_type as object, d.key, d.payload from ${tables.deadLetter} d
       join unnest($1::text[], $2::text[]) as t (o, k) on d.object_type = t.o and d.key = t.k
      where d.direction = 'inbound' and d.state = 'open'`,
    [done.map(({ record }) => record.object), done.map(({ record }) => record.key)],
  );
  const cured = rows.filter(({ object, key, payload }) => {
    const one = done.find(({ record }) => record.object === object && record.key === key);
    if (one?.removed) return true;
    const names = propertiesOf(payload);
    return names.length > 0 && names.every((name) => one?.applied.includes(name));
  });
  if (cured.length === 0) return;
  await client.query(
    `update ${tables.deadLetter} set state = 'cured', updated_at = now() where id = any ($1::bigint[])`,
    [cured.map(({ id }) => id)],
  );
}

function propertiesOf(payload: unknown): string[] {
  const { property, values } = (payload ?? {}) as { property?: string; values?: object };
  return property ? [property] : Object.keys(values ?? {});
}
