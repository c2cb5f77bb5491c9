/** What people read afterwards: sync_log, dead letters and conflicts, written set-based. */
import type { Client } from './pool.ts';
import type { Tables } from './schema.ts';

export type Direction = 'outbound' | 'inbound';
export type SyncStatus = 'success' | 'error' | 'conflict' | 'stale' | 'held' | 'skipped';

/** One record operation, at its end. Names of properties, never values. */
export interface SyncLogRow {
  readonly object: string;
  /** The row's key; the HubSpot id where no row is known. */
  readonly key: string;
  readonly direction: Direction;
  readonly status: SyncStatus;
  readonly message: string;
  readonly errorDetails?: Readonly<Record<string, unknown>>;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** The first change's commit or the event's arrival, epoch ms. */
  readonly startedAt: number;
}

export async function writeSyncLog(
  client: Client,
  tables: Tables,
  rows: readonly SyncLogRow[],
): Promise<void> {
  if (rows.length === 0) return;
  await client.query(
    `insert into ${tables.syncLog} (object_type, object_id, direction, status, message, error_details, metadata, created_at, completed_at)
     select o, k, d, s, m, e, a, to_timestamp(c / 1000.0), clock_timestamp()
       from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::jsonb[], $7::jsonb[], $8::float8[])
            as t (o, k, d, s, m, e, a, c)`,
    [
      rows.map((r) => r.object),
      rows.map((r) => r.key),
      rows.map((r) => r.direction),
      rows.map((r) => r.status),
      rows.map((r) => r.message),
      rows.map((r) => (r.errorDetails ? JSON.stringify(r.errorDetails) : null)),
      rows.map((r) => JSON.stringify(r.metadata)),
      rows.map((r) => r.startedAt),
    ],
  );
}

export interface DeadLetter {
  readonly direction: Direction;
  readonly object: string;
  readonly key: string | null;
  readonly hubspotId: string | null;
  readonly code: string;
  /** May quote values: it stands here and nowhere else. */
  readonly message: string;
  readonly advice: string;
  readonly correlationId?: string | undefined;
  readonly payload?: unknown;
}

/** A letter that is open already, word for word, isn't written twice. */
export async function buryDeadLetters(
  client: Client,
  tables: Tables,
  letters: readonly DeadLetter[],
): Promise<void> {
  for (const letter of letters) {
    await client.query(
      `insert into ${tables.deadLetter} (direction, object_type, key, hubspot_id, code, message, advice, correlation_id, payload)
       select $1, $2, $3::text, $4::text, $5, $6, $7, $8::text, $9::text::json
        where not exists (
          select from ${tables.deadLetter} d
           where d.object_type = $2 and (d.key = $3 or ($3 is null and d.key is null))
             and d.state = 'open' and d.direction = $1 and d.hubspot_id is not distinct from $4
             and d.code = $5 and d.message = $6 and d.payload::text is not distinct from $9)`,
      [
        letter.direction,
        letter.object,
        letter.key,
        letter.hubspotId,
        letter.code,
        // A message may quote a value with \u0000, which no text column takes.
        letter.message.replaceAll('\u0000', '\uFFFD'),
        letter.advice,
        letter.correlationId ?? null,
        letter.payload === undefined ? null : JSON.stringify(letter.payload),
      ],
    );
  }
}

/** A record, and what of it is equal on both sides since now. */
export interface Cured {
  readonly object: string;
  readonly key: string;
  readonly properties: readonly string[];
  /**
   * What happened to the record as a whole: what is about none of its properties in particular ends
   * with its next delivery, what kept its row from being made ends with the row; a record that is
   * gone on both sides needs no letter any more.
   */
  readonly whole?: 'delivered' | 'inserted' | 'gone' | undefined;
}

interface OpenLetter {
  readonly id: string;
  readonly object: string;
  readonly key: string;
  readonly direction: Direction;
  readonly payload: unknown;
}

/**
 * Closes the open letters, of either direction, whose every property is equal on both sides since
 * now, and takes the error from records that have no open letter left. To be called in the
 * transaction that stores the records, after them and after the letters of the same step.
 */
export async function cureDeadLetters(
  client: Client,
  tables: Tables,
  cured: readonly Cured[],
): Promise<void> {
  if (cured.length === 0) return;
  const keys = [cured.map((c) => c.object), cured.map((c) => c.key)];
  // The payload is looked at here: it may quote \u0000, which no function of the database takes.
  const { rows } = await client.query(
    `select d.id, d.object_type as object, d.key, d.direction, d.payload from ${tables.deadLetter} d
      where d.state = 'open'
        and (d.object_type, d.key) in (select * from unnest($1::text[], $2::text[]))`,
    keys,
  );
  if (rows.length > 0) {
    const byRecord = new Map<string, Cured[]>();
    for (const one of cured) {
      const id = JSON.stringify([one.object, one.key]);
      byRecord.set(id, [...(byRecord.get(id) ?? []), one]);
    }
    const ended = rows.filter((letter: OpenLetter) =>
      byRecord.get(JSON.stringify([letter.object, letter.key]))?.some((one) => ends(letter, one)),
    );
    await client.query(
      `update ${tables.deadLetter} set state = 'cured', updated_at = now() where id = any ($1::bigint[])`,
      [ended.map(({ id }) => id)],
    );
  }
  await client.query(
    `update ${tables.record} r set sync_error = null
       from unnest($1::text[], $2::text[]) as t (o, k)
      where r.object_type = t.o and r.key = t.k and r.sync_error is not null
        and not exists (select from ${tables.deadLetter} d
                         where d.object_type = r.object_type and d.key = r.key and d.state = 'open')`,
    keys,
  );
}

function ends({ direction, payload }: OpenLetter, { properties, whole }: Cured): boolean {
  if (whole === 'gone') return true;
  const about = (payload ?? {}) as {
    readonly kind?: string;
    readonly property?: string;
    readonly properties?: readonly string[];
    readonly values?: object;
  };
  if (about.kind === 'insert' && whole === 'inserted') return true;
  const names = about.property
    ? [about.property]
    : (about.properties ?? Object.keys(about.values ?? {}));
  if (names.length === 0) return direction === 'outbound' && whole === 'delivered';
  return names.every((name) => properties.includes(name));
}

export interface ConflictRow {
  readonly object: string;
  readonly key: string;
  readonly hubspotId: string | null;
  readonly property: string;
  readonly postgresValue: string;
  readonly hubspotValue: string;
  readonly winner: 'hubspot' | 'postgres';
  readonly rule: string;
}

export async function writeConflicts(
  client: Client,
  tables: Tables,
  conflicts: readonly ConflictRow[],
): Promise<void> {
  if (conflicts.length === 0) return;
  await client.query(
    `insert into ${tables.conflict} (object_type, key, hubspot_id, property, postgres_value, hubspot_value, winner, rule)
     select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])`,
    [
      conflicts.map((c) => c.object),
      conflicts.map((c) => c.key),
      conflicts.map((c) => c.hubspotId),
      conflicts.map((c) => c.property),
      conflicts.map((c) => c.postgresValue),
      conflicts.map((c) => c.hubspotValue),
      conflicts.map((c) => c.winner),
      conflicts.map((c) => c.rule),
    ],
  );
}
