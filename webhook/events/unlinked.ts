/**
 * Events of HubSpot ids that belong to no row: what is remembered of each id, so that the answer or
 * the reading that brings the id along finds it, and that an id which wants a row is read.
 */
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import type { Client } from '../../shared/postgres/pool.ts';
import type { Tables } from '../../shared/postgres/schema.ts';
import { receiveUnlinked, type UnlinkedId } from '../../shared/protocol/existence-inward.ts';
import type { ApplyContext, Findings, RecordEvent } from '../context.ts';

/** How long an event waits for the answer that may link its id. */
const WAIT_MS = 250;

/**
 * When the oldest upsert under way began, epoch ms; undefined while there is none. To be asked
 * before the ids are looked up: an answer that is settled in between has linked its id then.
 */
export async function oldestUpsert(
  client: Client,
  tables: Tables,
  object: string,
): Promise<number | undefined> {
  const { rows } = await client.query(
    `select (extract(epoch from min(call_since)) * 1000)::float8 as since from ${tables.record}
      where object_type = $1 and call_since is not null and state -> 'call' ->> 'operation' = 'upsert'`,
    [object],
  );
  return rows[0]?.since ?? undefined;
}

/** @param byId events by HubSpot id, each in order */
export async function rememberUnlinked(
  client: Client,
  { tables, events: listeners }: Pick<ApplyContext, 'tables' | 'events'>,
  table: TableMapping,
  byId: ReadonlyMap<string, readonly RecordEvent[]>,
  upsertSince: number | undefined,
  findings: Findings,
): Promise<void> {
  if (byId.size === 0) return;
  const ids = [...byId.keys()].sort();
  const { rows } = await client.query(
    `select hubspot_id, key, dead_low, dead_high, wanted_at is not null as wanted from ${tables.hubspotId}
      where object_type = $1 and hubspot_id = any ($2::text[]) order by hubspot_id for update`,
    [table.object, ids],
  );
  const known = new Map(rows.map((row) => [row.hubspot_id as string, row]));
  const next = new Map<string, UnlinkedId>();
  for (const id of ids) {
    const row = known.get(id);
    const events = byId.get(id) ?? [];
    if (row?.key != null) {
      // Linked since it was looked up: the next round finds its record.
      for (const one of events) findings.held.push(waitFor(one, 'its record is just being linked'));
      continue;
    }
    const dead =
      row?.dead_high == null ? null : { low: Number(row.dead_low), high: Number(row.dead_high) };
    const before: UnlinkedId | null = row ? { dead, wanted: row.wanted } : null;
    const after = events.reduce((state, one) => receive(state, one, upsertSince, findings), before);
    if (after && after !== before) next.set(id, after);
  }
  await save(client, tables, table, next, byId, findings);
  const held = new Set(findings.held.map(({ id }) => id));
  for (const [hubspotId, events] of byId) {
    for (const { id, event } of events) {
      if (held.has(id)) continue;
      const eventId = event.eventId === undefined ? {} : { eventId: event.eventId };
      findings.told.push(() =>
        listeners.emit('inbound:settled', {
          object: table.object,
          hubspotId,
          outcome: 'ignored',
          ...eventId,
        }),
      );
    }
  }
}

function receive(
  known: UnlinkedId | null,
  one: RecordEvent,
  upsertSince: number | undefined,
  findings: Findings,
): UnlinkedId | null {
  const { event, hubspotId: id } = one;
  const { time, ours, kind } = event;
  switch (kind) {
    case 'creation':
    case 'deletion':
    case 'restore':
      findings.outcomes.set(one.id, 'remembered');
      return receiveUnlinked(known, { kind, id, time, ours });
    case 'privacy':
      findings.outcomes.set(one.id, 'ignored');
      return known;
    case 'merge': {
      findings.outcomes.set(one.id, 'remembered');
      const survives = id === event.ids[0];
      return survives ? receiveUnlinked(known, { kind: 'creation', id, time, ours }) : known;
    }
    case 'property':
    case 'association':
      // A creation of ours may be about to name this id: its answer alone doesn't tell of a change.
      if (upsertSince !== undefined && upsertSince <= one.receivedAt) {
        findings.held.push(waitFor(one, 'an answer that may name its record is on its way'));
        return known;
      }
      findings.outcomes.set(one.id, 'ignored');
      if (known?.wanted || (known?.dead && time <= known.dead.high)) return known;
      // Whatever changes exists, and is read like a record whose creation is announced.
      return receiveUnlinked(known, { kind: 'creation', id, time, ours });
  }
}

function waitFor({ id }: RecordEvent, reason: string) {
  return { id, delayMs: WAIT_MS, tried: false, reason };
}

async function save(
  client: Client,
  tables: Tables,
  table: TableMapping,
  next: ReadonlyMap<string, UnlinkedId>,
  byId: ReadonlyMap<string, readonly RecordEvent[]>,
  findings: Findings,
): Promise<void> {
  if (next.size === 0) return;
  const { rows } = await client.query(
    `insert into ${tables.hubspotId} as h (object_type, hubspot_id, dead_low, dead_high, wanted_at)
     select $1, i, l, u, case when w then clock_timestamp() end
       from unnest($2::text[], $3::bigint[], $4::bigint[], $5::bool[]) as v (i, l, u, w)
     on conflict (object_type, hubspot_id) do update
       set dead_low = excluded.dead_low, dead_high = excluded.dead_high, attempts = 0, error = null,
           wanted_at = case when excluded.wanted_at is not null then coalesce(h.wanted_at, excluded.wanted_at) end
     where h.key is null
     returning hubspot_id`,
    [
      table.object,
      [...next.keys()],
      [...next.values()].map(({ dead }) => dead?.low ?? null),
      [...next.values()].map(({ dead }) => dead?.high ?? null),
      [...next.values()].map(({ wanted }) => wanted),
    ],
  );
  const saved = new Set(rows.map((row) => row.hubspot_id));
  for (const id of next.keys()) {
    if (saved.has(id)) continue;
    // Linked by somebody just now.
    for (const one of byId.get(id) ?? []) {
      findings.held.push(waitFor(one, 'its record is just being linked'));
    }
  }
}
