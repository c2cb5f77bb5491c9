/**
 * Makes gathered steps durable: the outbox, the records and the stream's position in one transaction,
 * so that everything is ingested exactly once. The checkpoint's row is locked first: a consumer that
 * was taken for dead and comes back finds another term or another position, and stores nothing.
 */
import type { Mapping, TableMapping } from '../../shared/mapping/mapping.ts';
import {
  type ConflictRow,
  type SyncLogRow,
  writeConflicts,
  writeSyncLog,
} from '../../shared/postgres/journal.ts';
import { fence } from '../../shared/postgres/lease.ts';
import { formatLsn, type Lsn, parseLsn } from '../../shared/postgres/lsn.ts';
import { type Client, inTransaction, type Pool } from '../../shared/postgres/pool.ts';
import {
  lockRecords,
  type RecordRef,
  refId,
  type StoredRecord,
  saveRecords,
} from '../../shared/postgres/records.ts';
import type { Tables } from '../../shared/postgres/schema.ts';
import { errorTable } from '../../shared/service/errors.ts';
import type { Step } from './change.ts';
import { type Folded, foldStep } from './fold.ts';
import type { Position } from './gather.ts';
import { moveRecord } from './move.ts';
import type { WaitSettings } from './waiting.ts';

export const checkpointError = errorTable({
  CHECKPOINT_MOVED: {
    disposition: 'retry',
    advice: 'Nothing: the stream starts anew from what is stored.',
  },
  NOT_INITIALISED: { disposition: 'stop', advice: 'Run `pg-hubspot-sync init`.' },
});

export interface FlushContext {
  readonly pool: Pool;
  readonly tables: Tables;
  readonly mapping: Mapping;
  readonly slot: string;
  readonly term: number;
  readonly settings: WaitSettings;
}

/** A step and what it came to. */
export type FoldedStep = Folded & { readonly step: Step };

/** Positions that a flush moves: from what is stored to what is stored after it. */
export interface Advance {
  readonly from: Position;
  readonly to: Position;
  /** Confirmed to the server once this is stored, at most. */
  readonly confirm: Lsn;
}

/** What the checkpoint says. @throws NOT_INITIALISED */
export async function readCheckpoint(
  client: Pick<Client, 'query'>,
  tables: Tables,
  slot: string,
): Promise<Position & { readonly confirmed: Lsn; readonly systemIdentifier: string }> {
  const { rows } = await client.query(
    `select commit_lsn::text, partial_lsn::text, partial_ordinal::int as partial_ordinal,
            confirmed_lsn::text, system_identifier
       from ${tables.checkpoint} where slot = $1`,
    [slot],
  );
  const [row] = rows;
  if (!row) throw checkpointError('NOT_INITIALISED', `the slot ${slot} is not set up`, { slot });
  return {
    commitLsn: parseLsn(row.commit_lsn),
    partial: row.partial_lsn && {
      lsn: parseLsn(row.partial_lsn),
      ordinal: row.partial_ordinal as number,
    },
    confirmed: parseLsn(row.confirmed_lsn),
    systemIdentifier: row.system_identifier,
  };
}

/** Stores the steps and the position. Answers what each step came to, once it is committed. */
export function flushSteps(
  context: FlushContext,
  steps: readonly Step[],
  advance: Advance,
): Promise<FoldedStep[]> {
  return repeatLosers(() =>
    inTransaction(context.pool, async (client) => {
      await lockCheckpoint(client, context, advance.from);
      const folded = await foldSteps(client, context, steps);
      await saveCheckpoint(client, context, advance);
      return folded;
    }),
  );
}

/** Stores that the position will be confirmed, with nothing else to store before it. */
export async function storePosition(context: FlushContext, advance: Advance): Promise<void> {
  await flushSteps(context, [], advance);
}

/** How many records a truncated table's rows are dealt with in one transaction. */
const TRUNCATE_CHUNK = 1000;

/**
 * A TRUNCATE is a deletion of every row that is known. In chunks; repeating it after a crash finds
 * only what is left.
 */
export async function flushTruncate(
  context: FlushContext,
  table: TableMapping,
  place: Pick<Step, 'lsn' | 'ordinal' | 'at'>,
  from: Position,
  onStored: (folded: readonly FoldedStep[]) => void,
): Promise<void> {
  for (;;) {
    const folded = await repeatLosers(() =>
      inTransaction(context.pool, async (client) => {
        await lockCheckpoint(client, context, from);
        const { rows } = await client.query(
          `select key from ${context.tables.record}
            where object_type = $1 and image is not null order by key limit $2`,
          [table.object, TRUNCATE_CHUNK],
        );
        const steps = rows.map(
          ({ key }): Step => ({ ...place, table, key, kind: 'delete', marked: false }),
        );
        return foldSteps(client, context, steps);
      }),
    );
    if (folded.length === 0) return;
    onStored(folded);
  }
}

async function lockCheckpoint(
  client: Client,
  { tables, slot, term }: FlushContext,
  expected: Position,
): Promise<void> {
  // Rather than waiting for ever for a lock while the walsender waits for us.
  await client.query("set local lock_timeout = '10s'; set local statement_timeout = '60s'");
  await fence(client, tables, term);
  await client.query(`select from ${tables.checkpoint} where slot = $1 for update`, [slot]);
  const stored = await readCheckpoint(client, tables, slot);
  if (!isSamePosition(stored, expected)) {
    throw checkpointError('CHECKPOINT_MOVED', 'the stored position is not the one expected', {
      slot,
      stored: formatLsn(stored.commitLsn),
      expected: formatLsn(expected.commitLsn),
    });
  }
}

function isSamePosition(a: Position, b: Position): boolean {
  return (
    a.commitLsn === b.commitLsn &&
    a.partial?.lsn === b.partial?.lsn &&
    a.partial?.ordinal === b.partial?.ordinal
  );
}

async function saveCheckpoint(
  client: Client,
  { tables, slot }: FlushContext,
  { to, confirm }: Advance,
): Promise<void> {
  await client.query(
    `update ${tables.checkpoint}
        set commit_lsn = $2, partial_lsn = $3, partial_ordinal = $4,
            confirmed_lsn = greatest(confirmed_lsn, $5), updated_at = clock_timestamp()
      where slot = $1`,
    [
      slot,
      formatLsn(to.commitLsn),
      to.partial && formatLsn(to.partial.lsn),
      to.partial?.ordinal ?? 0,
      formatLsn(confirm),
    ],
  );
}

async function foldSteps(
  client: Client,
  context: FlushContext,
  steps: readonly Step[],
): Promise<FoldedStep[]> {
  if (steps.length === 0) return [];
  const { tables, settings } = context;
  const refs: RecordRef[] = steps.flatMap((step) => {
    const ref = { object: step.table.object, key: step.key };
    return step.kind === 'rekey' ? [ref, { ...ref, key: step.from }] : [ref];
  });
  const records = await lockRecords(client, tables, refs, { create: true });
  const links = await findLinks(client, tables, steps);
  const linkOf = (object: string, key: string) => links.get(refId({ object, key }));
  const moved: RecordRef[] = [];
  const folded: FoldedStep[] = [];
  for (const step of steps) {
    const record = recordOf(records, step, step.key);
    if (step.kind === 'rekey') {
      const from = recordOf(records, step, step.from);
      moveRecord(settings, from, record, step);
      moved.push(from, record);
    }
    folded.push({ step, ...foldStep({ ...settings, linkOf }, record, step) });
  }
  await giveUpLinks(client, tables, moved);
  await saveRecords(client, tables, records.values());
  await writeConflicts(client, tables, folded.flatMap(toConflictRows(records)));
  await writeSyncLog(client, tables, folded.flatMap(toLogRow));
  return folded;
}

function recordOf(records: ReadonlyMap<string, StoredRecord>, step: Step, key: string) {
  const record = records.get(refId({ object: step.table.object, key }));
  if (!record) throw new Error(`the record ${step.table.object} ${key} was not locked`);
  return record;
}

/** A link stands at one record at a time, also while they are being stored one after the other. */
async function giveUpLinks(client: Client, tables: Tables, moved: readonly RecordRef[]) {
  if (moved.length === 0) return;
  await client.query(
    `update ${tables.record} r set hubspot_id = null
       from unnest($1::text[], $2::text[]) as t (o, k)
      where r.object_type = t.o and r.key = t.k`,
    [moved.map(({ object }) => object), moved.map(({ key }) => key)],
  );
}

/** HubSpot ids of the records that the foreign keys of compared rows name. Not locked: only read. */
async function findLinks(
  client: Client,
  tables: Tables,
  steps: readonly Step[],
): Promise<Map<string, string>> {
  const refs = steps.flatMap((step) =>
    step.kind === 'compare' && step.row
      ? step.table.associations.flatMap(({ column, toObject }) => {
          const key = step.row?.[column];
          return typeof key === 'string' ? [{ object: toObject, key }] : [];
        })
      : [],
  );
  if (refs.length === 0) return new Map();
  const { rows } = await client.query(
    `select r.object_type as object, r.key, r.hubspot_id
       from ${tables.record} r
       join unnest($1::text[], $2::text[]) as t (o, k) on r.object_type = t.o and r.key = t.k
      where r.hubspot_id is not null`,
    [refs.map(({ object }) => object), refs.map(({ key }) => key)],
  );
  return new Map(rows.map((row) => [refId(row), row.hubspot_id as string]));
}

function toConflictRows(records: ReadonlyMap<string, StoredRecord>) {
  return ({ step, conflicts }: FoldedStep): ConflictRow[] =>
    conflicts.map(({ property, local, hubspot }) => ({
      object: step.table.object,
      key: step.key,
      hubspotId: recordOf(records, step, step.key).state.existence.link,
      property,
      postgresValue: local,
      hubspotValue: hubspot,
      winner: 'hubspot',
      rule: 'mark',
    }));
}

function toLogRow({ step, conflicts }: FoldedStep): SyncLogRow[] {
  if (conflicts.length === 0) return [];
  const properties = conflicts.map(({ property }) => property);
  return [
    {
      object: step.table.object,
      key: step.key,
      direction: 'outbound',
      status: 'conflict',
      message: `HubSpot changed ${properties.join(', ')} too: its values stand`,
      metadata: { properties, lsn: step.lsn },
      startedAt: step.at,
    },
  ];
}

/** Deadlock, serialization failure, lock time-out: nothing was stored, and the next try may pass. */
const LOST = new Set(['40P01', '40001', '55P03']);

async function repeatLosers<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries >= 5 || !LOST.has((error as { code?: string }).code ?? '')) throw error;
    }
  }
}
