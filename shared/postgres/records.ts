/**
 * The record table and the outbox: fetches what is remembered of records under their locks, and
 * stores what the protocol decided. Every writer goes through here, in one lock order: user rows,
 * then `record` by key, then `outbox` by key.
 */
import type { Cause, PendingOperation, RecordState } from '../protocol/state.ts';
import { newRecord } from '../protocol/state.ts';
import type { Client, Queryable } from './pool.ts';
import type { Tables } from './schema.ts';

export interface RecordRef {
  /** HubSpot's path name of the type. */
  readonly object: string;
  /** encodeKey of the row's key columns. */
  readonly key: string;
}

/** Text of the mapped columns as consumed last, by column; a column that is missing is unknown. */
export type Image = Readonly<Record<string, string | null>>;

/** A property that waits: its value is the image's. */
export interface PendingMark {
  /** Changes whenever a later change replaces it: settle knows by it what was really sent. */
  readonly seq: string;
  readonly cause: Cause;
}

export interface OutboxRow {
  /** What waits for the record as a whole; null: only properties wait. */
  readonly operation: PendingOperation | null;
  readonly pending: Readonly<Record<string, PendingMark>>;
  /** Commit LSN of the first and the last change folded in, as text. */
  readonly firstLsn: string;
  readonly lastLsn: string;
  /** Their commit times, epoch ms of the server's clock. */
  readonly firstAt: number;
  readonly lastAt: number;
  /** Not sent before; epoch ms. */
  readonly dueAt: number;
  readonly attempts: number;
  readonly error: string | null;
}

export interface StoredRecord extends RecordRef {
  state: RecordState;
  /** Null: there is no row, as far as the WAL was consumed. */
  image: Image | null;
  outbox: OutboxRow | null;
  /** Commit LSN of the last change consumed, as text. */
  lastLsn: string | null;
  syncError: string | null;
  /** Epoch ms of the last settled operation in either direction. */
  lastSyncedAt: number | null;
  /** False for one that is not stored yet. */
  readonly stored: boolean;
}

export function refId({ object, key }: RecordRef): string {
  return `${object}\u0000${key}`;
}

/** Key order, the same in every process: by bytes, as the server's "C" collation sorts. */
function sortedRefs<R extends RecordRef>(refs: Iterable<R>): R[] {
  const unique = new Map<string, R>();
  for (const ref of refs) unique.set(refId(ref), ref);
  return [...unique.values()].sort((a, b) =>
    Buffer.compare(Buffer.from(refId(a)), Buffer.from(refId(b))),
  );
}

const ms = (column: string) => `(extract(epoch from ${column}) * 1000)::float8`;

/**
 * Locks the records, in key order, and then their outbox rows. One that isn't stored yet comes back
 * as a new one; with `create` it is inserted first, so that its lock holds too.
 * With `skipLocked` a record that somebody else holds is left out of the answer.
 */
export async function lockRecords(
  client: Client,
  tables: Tables,
  refs: Iterable<RecordRef>,
  { create = false, skipLocked = false }: { create?: boolean; skipLocked?: boolean } = {},
): Promise<Map<string, StoredRecord>> {
  const sorted = sortedRefs(refs);
  const found = new Map<string, StoredRecord>();
  if (sorted.length === 0) return found;
  const objects = sorted.map((ref) => ref.object);
  const keys = sorted.map((ref) => ref.key);
  if (create) {
    await client.query(
      `insert into ${tables.record} (object_type, key, state)
       select o, k, $3 from unnest($1::text[], $2::text[]) with ordinality as t (o, k, n) order by n
       on conflict do nothing`,
      [objects, keys, JSON.stringify(newRecord)],
    );
  }
  const { rows } = await client.query(
    `select r.object_type, r.key, r.state, r.image, r.last_lsn::text as last_lsn, r.sync_error,
            ${ms('r.last_synced_at')} as last_synced_at
       from ${tables.record} r
       join unnest($1::text[], $2::text[]) as t (o, k) on r.object_type = t.o and r.key = t.k
      order by r.object_type collate "C", r.key collate "C"
        for update of r ${skipLocked ? 'skip locked' : ''}`,
    [objects, keys],
  );
  for (const row of rows) {
    found.set(refId({ object: row.object_type, key: row.key }), {
      object: row.object_type,
      key: row.key,
      state: row.state,
      image: row.image,
      outbox: null,
      lastLsn: row.last_lsn,
      syncError: row.sync_error,
      lastSyncedAt: row.last_synced_at,
      stored: true,
    });
  }
  const { rows: waiting } = await client.query(
    `select o.object_type, o.key, o.operation, o.pending, o.first_lsn::text as first_lsn,
            o.last_lsn::text as last_lsn, ${ms('o.first_at')} as first_at, ${ms('o.last_at')} as last_at,
            ${ms('o.due_at')} as due_at, o.attempts, o.error
       from ${tables.outbox} o
       join unnest($1::text[], $2::text[]) as t (o, k) on o.object_type = t.o and o.key = t.k
      order by o.object_type collate "C", o.key collate "C"
        for update of o`,
    [[...found.values()].map((r) => r.object), [...found.values()].map((r) => r.key)],
  );
  for (const row of waiting) {
    const record = found.get(refId({ object: row.object_type, key: row.key }));
    if (!record) continue;
    record.outbox = {
      operation: row.operation,
      pending: row.pending,
      firstLsn: row.first_lsn,
      lastLsn: row.last_lsn,
      firstAt: row.first_at,
      lastAt: row.last_at,
      dueAt: row.due_at,
      attempts: row.attempts,
      error: row.error,
    };
  }
  if (!skipLocked) {
    for (const ref of sorted) {
      if (!found.has(refId(ref))) found.set(refId(ref), newStoredRecord(ref));
    }
  }
  return found;
}

export function newStoredRecord({ object, key }: RecordRef): StoredRecord {
  return {
    object,
    key,
    state: newRecord,
    image: null,
    outbox: null,
    lastLsn: null,
    syncError: null,
    lastSyncedAt: null,
    stored: false,
  };
}

/**
 * Stores records and their outbox rows as they stand now; an outbox of null removes the row. Keeps
 * `hubspot_id` in step with the ids a record knows. The caller holds the locks.
 */
export async function saveRecords(
  client: Client,
  tables: Tables,
  records: Iterable<StoredRecord>,
): Promise<void> {
  const all = sortedRefs(records);
  if (all.length === 0) return;
  const column = <T>(pick: (record: StoredRecord) => T) => all.map(pick);
  await client.query(
    `insert into ${tables.record} as r (object_type, key, hubspot_id, state, image, doubt_since, call_since, compare_since, last_lsn, last_synced_at, sync_error)
     select o, k, h, s, i, case when d then now() end, case when c then now() end, case when w then now() end, l, to_timestamp(y / 1000.0), e
       from unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::jsonb[], $6::bool[], $7::bool[], $8::bool[], $9::pg_lsn[], $10::float8[], $11::text[])
            as t (o, k, h, s, i, d, c, w, l, y, e)
     on conflict (object_type, key) do update set
       hubspot_id = excluded.hubspot_id, state = excluded.state, image = excluded.image,
       doubt_since = case when excluded.doubt_since is null then null else coalesce(r.doubt_since, excluded.doubt_since) end,
       call_since = case when excluded.call_since is null then null else coalesce(r.call_since, excluded.call_since) end,
       compare_since = case when excluded.compare_since is null then null else coalesce(r.compare_since, excluded.compare_since) end,
       last_lsn = excluded.last_lsn, last_synced_at = excluded.last_synced_at, sync_error = excluded.sync_error`,
    [
      column((r) => r.object),
      column((r) => r.key),
      column((r) => r.state.existence.link),
      column((r) => JSON.stringify(r.state)),
      column((r) => (r.image === null ? null : JSON.stringify(r.image))),
      column((r) => r.state.doubt.length > 0),
      column((r) => r.state.call !== null),
      column((r) => r.state.compareWanted),
      column((r) => r.lastLsn),
      column((r) => r.lastSyncedAt),
      column((r) => r.syncError),
    ],
  );
  await saveIds(client, tables, all);
  await saveOutbox(client, tables, all);
}

/** An id that a record had once doesn't take it from the record that is linked to it now. */
async function saveIds(client: Client, tables: Tables, records: readonly StoredRecord[]) {
  const ids = records.flatMap((r) =>
    r.state.existence.ids.map(({ id, dead }) => ({ object: r.object, key: r.key, id, dead })),
  );
  if (ids.length === 0) return;
  await client.query(
    `insert into ${tables.hubspotId} as h (object_type, hubspot_id, key, dead_low, dead_high)
     select o, i, k, l, u from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[]) as t (o, i, k, l, u)
     on conflict (object_type, hubspot_id) do update
       set key = excluded.key, dead_low = excluded.dead_low, dead_high = excluded.dead_high, wanted_at = null
     where ((h.key, h.dead_low, h.dead_high) is distinct from (excluded.key, excluded.dead_low, excluded.dead_high)
            or h.wanted_at is not null)
       and not exists (
         select from ${tables.record} r
          where r.object_type = h.object_type and r.hubspot_id = h.hubspot_id and r.key <> excluded.key)`,
    [
      ids.map((i) => i.object),
      ids.map((i) => i.id),
      ids.map((i) => i.key),
      ids.map((i) => i.dead?.low ?? null),
      ids.map((i) => i.dead?.high ?? null),
    ],
  );
}

async function saveOutbox(client: Client, tables: Tables, records: readonly StoredRecord[]) {
  const gone = records.filter((r) => r.outbox === null);
  if (gone.length > 0) {
    await client.query(
      `delete from ${tables.outbox} o using unnest($1::text[], $2::text[]) as t (o, k)
        where o.object_type = t.o and o.key = t.k`,
      [gone.map((r) => r.object), gone.map((r) => r.key)],
    );
  }
  const kept = records.filter((r): r is StoredRecord & { outbox: OutboxRow } => r.outbox !== null);
  if (kept.length === 0) return;
  const column = <T>(pick: (row: OutboxRow) => T) => kept.map((r) => pick(r.outbox));
  await client.query(
    `insert into ${tables.outbox} (object_type, key, operation, pending, first_lsn, last_lsn, first_at, last_at, due_at, attempts, error)
     select o, k, p, j, f, l, to_timestamp(fa / 1000.0), to_timestamp(la / 1000.0), to_timestamp(d / 1000.0), a, e
       from unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::pg_lsn[], $6::pg_lsn[], $7::float8[], $8::float8[], $9::float8[], $10::int[], $11::text[])
            as t (o, k, p, j, f, l, fa, la, d, a, e)
     on conflict (object_type, key) do update set
       operation = excluded.operation, pending = excluded.pending, first_lsn = excluded.first_lsn,
       last_lsn = excluded.last_lsn, first_at = excluded.first_at, last_at = excluded.last_at,
       due_at = excluded.due_at, attempts = excluded.attempts, error = excluded.error`,
    [
      kept.map((r) => r.object),
      kept.map((r) => r.key),
      column((o) => o.operation),
      column((o) => JSON.stringify(o.pending)),
      column((o) => o.firstLsn),
      column((o) => o.lastLsn),
      column((o) => o.firstAt),
      column((o) => o.lastAt),
      column((o) => o.dueAt),
      column((o) => o.attempts),
      column((o) => o.error),
    ],
  );
}

/**
 * Of a record without a row in the table: the WAL hasn't told yet that the row was deleted, or which
 * key it has now. Nothing is decided about the record until it has: what HubSpot says may be meant for
 * a row that only changed its key.
 */
export function isAheadOfStream({ image, outbox }: StoredRecord): boolean {
  return image !== null && outbox?.operation !== 'delete';
}

/** The keys that HubSpot ids belong or belonged to; an id without a row is missing in the answer. */
export async function findKeys(
  client: Queryable,
  tables: Tables,
  object: string,
  hubspotIds: readonly string[],
): Promise<Map<string, string>> {
  const { rows } = await client.query(
    `select hubspot_id, key from ${tables.hubspotId}
      where object_type = $1 and hubspot_id = any ($2::text[]) and key is not null`,
    [object, [...hubspotIds]],
  );
  return new Map(rows.map((row) => [row.hubspot_id, row.key]));
}
