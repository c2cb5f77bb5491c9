/**
 * The inbox: each event once, durable before HubSpot is answered. The receiver stores, the worker
 * takes and settles.
 */
import { createHash } from 'node:crypto';
import { type Client, inTransaction, type Pool, type Queryable } from '../shared/postgres/pool.ts';
import type { Tables } from '../shared/postgres/schema.ts';
import type { EventFields, WebhookEvent } from './parse.ts';

/** An event on its way into the inbox. */
export interface Arrival {
  readonly fields: EventFields;
  readonly event: WebhookEvent;
  /** As received. */
  readonly raw: unknown;
}

/**
 * What makes two notifications the same event. Event ids alone repeat by chance (they are of 32
 * bits); the attempt number differs between two tellings of one event.
 */
export function identityOf(fields: EventFields): Buffer {
  const named = [
    fields.portalId,
    fields.subscriptionType,
    fields.objectTypeId,
    fields.objectId,
    fields.fromObjectTypeId,
    fields.fromObjectId,
    fields.toObjectTypeId,
    fields.toObjectId,
    fields.associationType,
    fields.associationCategory,
    fields.associationTypeId,
    fields.associationRemoved,
    fields.primaryObjectId,
    fields.mergedObjectIds,
    fields.newObjectId,
    fields.propertyName,
    fields.propertyValue,
    fields.occurredAt,
    fields.eventId,
  ].map((value) => value ?? null);
  return createHash('sha256').update(JSON.stringify(named)).digest();
}

/**
 * Stores events that aren't stored yet, in one durable transaction.
 * @param ascii for a database that isn't UTF8: every other character is escaped.
 * @returns how many were new.
 */
export async function storeEvents(
  pool: Pool,
  tables: Tables,
  arrivals: readonly Arrival[],
  { ascii = false }: { readonly ascii?: boolean } = {},
): Promise<number> {
  if (arrivals.length === 0) return 0;
  const write = (raw: unknown) => (ascii ? toAscii(JSON.stringify(raw)) : JSON.stringify(raw));
  // In one order in every request: two requests with the same events would else lock each other out.
  const rows = arrivals
    .map((arrival) => ({ ...arrival, identity: identityOf(arrival.fields) }))
    .sort((a, b) => Buffer.compare(a.identity, b.identity));
  return inTransaction(pool, async (client) => {
    const { rowCount } = await client.query(
      `insert into ${tables.inbox} (identity, subscription_type, object_type, object_id, occurred_at, payload)
       select i, s, t, o, to_timestamp(a / 1000.0), p
         from unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::json[]) as v (i, s, t, o, a, p)
       on conflict (identity) do nothing`,
      [
        rows.map((row) => row.identity),
        rows.map((row) => row.fields.subscriptionType),
        rows.map((row) => row.event.table.object),
        rows.map((row) => row.event.ids[0]),
        rows.map((row) => row.fields.occurredAt),
        rows.map((row) => write(row.raw)),
      ],
    );
    return rowCount ?? 0;
  });
}

/** JSON that any database takes, whatever its encoding. */
function toAscii(json: string): string {
  return json.replace(
    /[\u007f-\uffff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A stored event that isn't settled. */
export interface InboxRow {
  readonly id: string;
  readonly object: string;
  readonly hubspotId: string;
  readonly payload: unknown;
  readonly attempts: number;
  /** Epoch milliseconds of the server's clock. */
  readonly receivedAt: number;
}

/** From this many attempts on an event's record is waited for alone. */
export const PATIENT_FROM = 3;

const columns = `id::text as id, object_type as object, object_id as "hubspotId", payload, attempts,
  (extract(epoch from received_at) * 1000)::float8 as "receivedAt"`;

const running = (tables: Tables) =>
  `not exists (select from ${tables.control} where direction = 'inbound' and state = 'paused')`;

/** The oldest due events, unlocked; none while the inbound direction is paused. */
export async function findDue(pool: Queryable, tables: Tables, limit: number): Promise<InboxRow[]> {
  const { rows } = await pool.query<InboxRow>(
    `select ${columns} from ${tables.inbox}
      where state = 'new' and due_at <= clock_timestamp() and attempts < $2 and ${running(tables)}
      order by occurred_at, id limit $1`,
    [limit, PATIENT_FROM],
  );
  return rows;
}

/** Due events of up to `limit` records that were tried before, by record. */
export async function findHeld(
  pool: Queryable,
  tables: Tables,
  limit: number,
): Promise<InboxRow[][]> {
  const { rows } = await pool.query<InboxRow>(
    `with held as (
       select object_type as t, object_id as o, min(due_at) as since from ${tables.inbox}
        where state = 'new' and attempts >= $2 and due_at <= clock_timestamp() and ${running(tables)}
        group by 1, 2 order by 3 limit $1)
     select ${columns} from ${tables.inbox} i join held on i.object_type = held.t and i.object_id = held.o
      where state = 'new' order by occurred_at, id limit 1000`,
    [limit, PATIENT_FROM],
  );
  const records = new Map<string, InboxRow[]>();
  for (const row of rows) {
    const record = `${row.object}/${row.hubspotId}`;
    records.set(record, [...(records.get(record) ?? []), row]);
  }
  return [...records.values()];
}

/** Locks those that are still unsettled and that no other process works on. */
export async function claimEvents(
  client: Client,
  tables: Tables,
  ids: readonly string[],
): Promise<Set<string>> {
  const { rows } = await client.query(
    `select id::text as id from ${tables.inbox}
      where id = any ($1::bigint[]) and state = 'new' order by id for update skip locked`,
    [[...ids]],
  );
  return new Set(rows.map((row) => row.id));
}

/** How an event left the inbox. */
export type Outcome =
  | 'applied'
  | 'echo'
  | 'same'
  | 'stale'
  | 'doubt'
  | 'ignored'
  | 'skipped'
  | 'remembered'
  | 'dead';

export async function settleEvents(
  client: Client,
  tables: Tables,
  outcomes: ReadonlyMap<string, Outcome>,
): Promise<void> {
  if (outcomes.size === 0) return;
  await client.query(
    `update ${tables.inbox} i
        set state = case v.o when 'dead' then 'dead' else 'done' end, outcome = v.o, settled_at = clock_timestamp()
       from unnest($1::bigint[], $2::text[]) as v (i, o) where i.id = v.i`,
    [[...outcomes.keys()], [...outcomes.values()]],
  );
}

/** Why an event stays for later. */
export interface Held {
  readonly id: string;
  readonly delayMs: number;
  /** It counts as tried: after some tries its record is waited for alone. */
  readonly tried: boolean;
  readonly reason: string;
}

/** Pause before an event is tried again, milliseconds. */
export function delayOf(attempts: number): number {
  return Math.min(5000, 100 * 2 ** attempts);
}

export async function holdEvents(
  client: Queryable,
  tables: Tables,
  held: readonly Held[],
): Promise<void> {
  if (held.length === 0) return;
  await client.query(
    `update ${tables.inbox} i
        set due_at = clock_timestamp() + v.d * interval '1 millisecond', attempts = attempts + v.t, error = v.e
       from unnest($1::bigint[], $2::float8[], $3::int[], $4::text[]) as v (i, d, t, e) where i.id = v.i`,
    [
      held.map((row) => row.id),
      held.map((row) => row.delayMs),
      held.map((row) => (row.tried ? 1 : 0)),
      held.map((row) => row.reason),
    ],
  );
}

/** HubSpot repeats a notification for a day at most; settled ones are kept a little longer. */
export async function pruneInbox(pool: Queryable, tables: Tables, keepDays = 3): Promise<number> {
  const { rowCount } = await pool.query(
    `delete from ${tables.inbox} where id in (
       select id from ${tables.inbox}
        where state <> 'new' and settled_at < now() - $1 * interval '1 day' and state = 'done' limit 10000)`,
    [keepDays],
  );
  return rowCount ?? 0;
}
