/**
 * Takes events out of the inbox. The many go together, a transaction for each object type; what was
 * held by somebody several times is waited for record by record, beside them. A batch that fails as
 * a whole is taken apart, so that one record never stops the others.
 */
import type { TableMapping } from '../shared/mapping/mapping.ts';
import { buryDeadLetters } from '../shared/postgres/journal.ts';
import { inTransaction } from '../shared/postgres/pool.ts';
import { startLoop } from '../shared/service/loop.ts';
import { applyEvents } from './apply.ts';
import type { ApplyContext } from './context.ts';
import {
  claimEvents,
  delayOf,
  findDue,
  findHeld,
  holdEvents,
  type InboxRow,
  pruneInbox,
  settleEvents,
} from './inbox.ts';

const BATCH = 500;
const IDLE_MS = 150;
/** Records that are waited for at the same time, a connection each. */
const PATIENT_RECORDS = 4;
const PRUNE_MS = 10 * 60_000;
/** Deadlocks and the like: the same transaction again. */
const TRIES = 4;
/** So often an event that fails by itself is tried, before it becomes a dead letter. */
const MOST_ATTEMPTS = 8;

export interface Worker {
  /** Rejects on an error that no repetition mends. */
  readonly promise: Promise<void>;
  /** Events were stored. */
  wake(): void;
  /** Ends what is claimed, takes nothing new. */
  stop(): Promise<void>;
}

export function startWorker(context: ApplyContext): Worker {
  const { log, pool, tables } = context;
  const many = startLoop({ name: 'applying of events', log, idleMs: IDLE_MS }, async () => {
    const due = await findDue(pool, tables, BATCH);
    let settled = 0;
    for (const [table, rows] of byTable(context, due)) {
      settled += await applyTogether(context, table, rows);
    }
    return due.length === BATCH && settled > 0;
  });
  const held = startLoop({ name: 'applying of held events', log, idleMs: IDLE_MS }, async () => {
    const records = await findHeld(pool, tables, PATIENT_RECORDS);
    const settled = await Promise.all(
      records.map(async (rows) => {
        const [only] = byTable(context, rows);
        return only ? applyAlone(context, only[0], only[1]) : 0;
      }),
    );
    return settled.some((count) => count > 0);
  });
  const prune = startLoop({ name: 'pruning of the inbox', log, idleMs: PRUNE_MS }, async () => {
    return (await pruneInbox(pool, tables)) > 0;
  });
  const loops = [many, held, prune];
  return {
    promise: Promise.race(loops.map(({ promise }) => promise)),
    wake: () => many.wake(),
    async stop() {
      await Promise.all(loops.map((loop) => loop.stop()));
    },
  };
}

/** In the mapping's order: parents are most often named first. */
function byTable(
  { mapping }: ApplyContext,
  rows: readonly InboxRow[],
): [TableMapping, InboxRow[]][] {
  const groups: [TableMapping, InboxRow[]][] = [];
  for (const table of mapping.tables) {
    const own = rows.filter(({ object }) => object === table.object);
    if (own.length > 0) groups.push([table, own]);
  }
  const known = new Set(mapping.tables.map(({ object }) => object));
  const rest = rows.filter(({ object }) => !known.has(object));
  const [first] = mapping.tables;
  // Of an object that left the mapping: any transaction settles them as such.
  if (first && rest.length > 0) groups.push([first, rest]);
  return groups;
}

async function applyTogether(
  context: ApplyContext,
  table: TableMapping,
  rows: readonly InboxRow[],
): Promise<number> {
  for (let tries = 1; ; tries++) {
    try {
      return await applyEvents(context, table, rows);
    } catch (error) {
      if (isConnection(error)) throw error;
      if (isTransient(error) && tries < TRIES) continue;
      context.log.warn(
        { err: error, object: table.object, events: rows.length },
        'a batch of events failed: its records are applied one by one',
      );
      break;
    }
  }
  let settled = 0;
  for (const one of byRecord(rows)) settled += await applyAlone(context, table, one, false);
  return settled;
}

function byRecord(rows: readonly InboxRow[]): InboxRow[][] {
  const records = new Map<string, InboxRow[]>();
  for (const row of rows) {
    const group = records.get(row.hubspotId);
    if (group) group.push(row);
    else records.set(row.hubspotId, [row]);
  }
  return [...records.values()];
}

/** The events of one record. What fails is left for later, and buried when it fails for good. */
async function applyAlone(
  context: ApplyContext,
  table: TableMapping,
  rows: readonly InboxRow[],
  patient = true,
): Promise<number> {
  for (let tries = 1; ; tries++) {
    try {
      return await applyEvents(context, table, rows, { patient });
    } catch (error) {
      if (isConnection(error)) throw error;
      const transient = isTransient(error);
      if (transient && !isLockTimeout(error) && tries < TRIES) continue;
      const { code } = error as { code?: string };
      const final = transient ? [] : rows.filter(({ attempts }) => attempts + 1 >= MOST_ATTEMPTS);
      const later = rows.filter((row) => !final.includes(row));
      await holdEvents(
        context.pool,
        context.tables,
        later.map(({ id, attempts }) => ({
          id,
          delayMs: delayOf(attempts),
          tried: true,
          reason: transient ? 'locked by somebody' : `failed (${code ?? 'unexpected'})`,
        })),
      );
      if (!transient) context.log.error({ err: error, object: table.object }, 'events failed');
      if (final.length > 0) await buryEvents(context, table, final, error);
      return 0;
    }
  }
}

async function buryEvents(
  { pool, tables, events }: ApplyContext,
  table: TableMapping,
  rows: readonly InboxRow[],
  error: unknown,
): Promise<void> {
  await inTransaction(pool, async (client) => {
    const claimed = await claimEvents(
      client,
      tables,
      rows.map(({ id }) => id),
    );
    const own = rows.filter(({ id }) => claimed.has(id));
    await buryDeadLetters(
      client,
      tables,
      own.map(({ hubspotId, payload }) => ({
        direction: 'inbound',
        object: table.object,
        key: null,
        hubspotId,
        code: 'EVENT_FAILED',
        message: String((error as Error).message),
        advice: 'Read the log of the time of the failure; retry the letter when its cause is gone.',
        payload,
      })),
    );
    await settleEvents(client, tables, new Map(own.map(({ id }) => [id, 'dead'])));
  });
  for (const { hubspotId } of rows) {
    const code = 'EVENT_FAILED';
    events.emit('deadletter', {
      object: table.object,
      key: '',
      hubspotId,
      direction: 'inbound',
      code,
    });
  }
}

/** Deadlock, serialization, lock time-out: nothing is wrong with the events. */
function isTransient(error: unknown): boolean {
  return /^(40|55P03|55006|57014)/.test((error as { code?: string }).code ?? '');
}

function isLockTimeout(error: unknown): boolean {
  return (error as { code?: string }).code === '55P03';
}

/** The database is away: of no use to try event by event. */
function isConnection(error: unknown): boolean {
  const { code = '', message = '' } = error as { code?: string; message?: string };
  if (/^(08|57P|53)/.test(code)) return true;
  return /^E[A-Z]+$/.test(code) || /connection|timeout exceeded|Cannot use a pool/i.test(message);
}
