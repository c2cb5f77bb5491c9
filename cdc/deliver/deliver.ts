/**
 * Outbox to HubSpot: claims what is due, makes batches, sends several at a time (the limiter paces
 * them) and settles each. No transaction stays open across a call.
 */
import { HubSpotError } from '../../shared/hubspot/errors.ts';
import { batchSizes } from '../../shared/hubspot/hubspot.ts';
import { fence } from '../../shared/postgres/lease.ts';
import { inTransaction } from '../../shared/postgres/pool.ts';
import { lockRecords, saveRecords } from '../../shared/postgres/records.ts';
import { isAbandoned } from '../../shared/protocol/record.ts';
import { giveUp } from '../../shared/protocol/settle.ts';
import { errorTable } from '../../shared/service/errors.ts';
import { type Loop, startLoop } from '../../shared/service/loop.ts';
import type { DeliverContext } from '../records/context.ts';
import { keepWaiting, waitingOf } from '../records/outbox-row.ts';
import { type Batch, makeBatches } from './batch.ts';
import { claimDue } from './claim.ts';
import type { Outcome } from './claimed.ts';
import { sendBatch } from './send.ts';
import { settleBatch } from './settle.ts';

/** Batches that are sent and settled at one time; HubSpot's pace needs no more. */
const UNDER_WAY = 8;
/** Shortest time after which an empty outbox is looked at again. */
const IDLE_MS = 100;
const SETTLE_ATTEMPTS = 8;

export const deliverError = errorTable({
  SETTLEMENT_FAILED: {
    disposition: 'stop',
    advice: 'Check the database; the calls are read back from HubSpot when delivery begins anew.',
  },
});

/** Deadlock, serialization failure, lock time-out: the next try most likely passes. */
const LOST = new Set(['40P01', '40001', '55P03']);

/** Starts delivery. Calls that a dead process left are given up first: their outcome is unknown. */
export async function startDeliver(context: DeliverContext): Promise<Loop> {
  await recoverCalls(context);
  const underWay = new Set<Promise<void>>();
  let fatal: unknown;
  const loop = startLoop(
    { name: 'delivery', log: context.log, idleMs: IDLE_MS },
    async (signal) => {
      if (fatal) throw fatal;
      const room = UNDER_WAY - underWay.size;
      if (room <= 0) {
        await Promise.race(underWay);
        return true;
      }
      const claimed = await claimDue(context, room * batchSizes.write);
      for (const batch of makeBatches(claimed)) {
        const work = deliverBatch(context, batch, signal)
          .catch((error: unknown) => {
            fatal ??= error;
          })
          .finally(() => {
            underWay.delete(work);
            loop.wake();
          });
        underWay.add(work);
      }
      return claimed.length > 0;
    },
  );
  const off = context.events.on('outbound:change', () => loop.wake());
  return {
    promise: loop.promise,
    wake: loop.wake,
    async stop() {
      off();
      await loop.stop();
      await Promise.allSettled(underWay);
    },
  };
}

async function deliverBatch(context: DeliverContext, batch: Batch, stopping: AbortSignal) {
  const [first] = batch;
  const outcomes = await sendBatch(
    { hubspot: context.hubspot, events: context.events, asHubSpotError },
    batch,
    { lane: first && first.attempts > 0 ? 'retry' : 'live' },
  );
  await settleSurely(context, batch, outcomes);
  logBatch(context, batch, outcomes, stopping.aborted);
}

/**
 * A settlement that fails for a passing reason is tried again; one that can't be stored at all ends
 * the term, and the calls are found as abandoned at the next one and read back.
 */
async function settleSurely(
  context: DeliverContext,
  batch: Batch,
  outcomes: ReadonlyMap<string, Outcome>,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await settleBatch(context, batch, outcomes);
      return;
    } catch (error) {
      const { disposition, code } = error as { disposition?: string; code?: string };
      if (disposition === 'stop') throw error;
      if (attempt === SETTLE_ATTEMPTS) {
        throw deliverError('SETTLEMENT_FAILED', 'a batch can’t be settled', { code }, error);
      }
      const level = LOST.has(code ?? '') ? 'debug' : 'warn';
      context.log[level]({ err: error, sqlstate: code, attempt }, 'settling a batch failed');
      await new Promise((resolve) => setTimeout(resolve, Math.min(5000, 50 * 2 ** attempt)));
    }
  }
}

/** The client throws nothing else; what isn't its own is a fault of ours after the call was made. */
function asHubSpotError(thrown: unknown): HubSpotError {
  if (thrown instanceof HubSpotError) return thrown;
  return new HubSpotError('HUBSPOT_UNREADABLE', 'the answer could not be taken in', {
    write: true,
    cause: thrown,
  });
}

function logBatch(
  { log }: DeliverContext,
  batch: Batch,
  outcomes: ReadonlyMap<string, Outcome>,
  draining: boolean,
): void {
  const [first] = batch;
  if (!first) return;
  const counts: Record<string, number> = {};
  for (const item of batch) {
    const kind = outcomes.get(item.request)?.kind ?? 'unknown';
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  const { object, operation } = first;
  log.info({ object, operation, size: batch.length, outcomes: counts, draining }, 'batch sent');
  for (const item of batch) {
    const outcome = outcomes.get(item.request);
    const line = {
      object,
      key: item.key,
      hubspotId: item.hubspotId ?? undefined,
      operation,
      request: item.request,
      lsn: item.lastLsn,
      outcome: outcome?.kind,
      code: outcome && 'code' in outcome ? outcome.code : undefined,
    };
    if (outcome?.kind === 'refused') log.warn(line, 'HubSpot refuses the record');
    else log.debug(line, 'record sent');
  }
}

/** Calls of earlier terms: whoever made them died, and nobody knows what became of them. */
async function recoverCalls(context: DeliverContext): Promise<void> {
  const { pool, tables, mapping, term, log } = context;
  for (;;) {
    const { rows } = await pool.query(
      `select object_type as object, key from ${tables.record}
        where call_since is not null and (state -> 'call' ->> 'term')::bigint <> $1 limit 500`,
      [term],
    );
    if (rows.length === 0) return;
    log.warn(
      { records: rows.length },
      'calls of a process that ended: their records are read back',
    );
    await inTransaction(pool, async (client) => {
      await fence(client, tables, term);
      const records = await lockRecords(client, tables, rows);
      for (const record of records.values()) {
        const { call } = record.state;
        if (!call || !isAbandoned(call, term)) continue;
        const table = mapping.objectOf(record.object);
        if (!table) {
          record.state = { ...record.state, call: null };
          continue;
        }
        const waiting = waitingOf(table, record);
        const given = giveUp(record.state, waiting.pendings, call.request);
        record.state = given.record;
        keepWaiting(record, waiting.op, given.pendings, waiting.associations, Date.now());
      }
      await saveRecords(client, tables, records.values());
    });
  }
}
