/**
 * Work that commands hand over: only the holder of the lease calls HubSpot, so that there is one
 * limiter. A command puts a row into `job` and follows it.
 */

import { doubtAll } from '../shared/postgres/doubt-all.ts';
import type { Tables } from '../shared/postgres/schema.ts';
import { type Loop, startLoop } from '../shared/service/loop.ts';
import type { DeliverContext } from './records/context.ts';

const IDLE_MS = 250;

export function startJobs(context: DeliverContext): Loop {
  const { pool, tables, log } = context;
  return startLoop({ name: 'jobs', log, idleMs: IDLE_MS }, async () => {
    const { rows } = await pool.query(
      `update ${tables.job} set state = 'running', started_at = coalesce(started_at, now())
        where id = (select id from ${tables.job} where state in ('new', 'running') order by id limit 1)
        returning id, kind, arguments`,
    );
    const job = rows[0];
    if (!job) return false;
    try {
      const result = await runJob(context, job.kind, job.arguments);
      await pool.query(
        `update ${tables.job} set state = 'done', result = $2, ended_at = now() where id = $1`,
        [job.id, JSON.stringify(result)],
      );
    } catch (error) {
      const { code, message } = error as Error & { code?: string };
      await pool.query(
        `update ${tables.job} set state = 'failed', error = $2, ended_at = now() where id = $1`,
        [job.id, `${code ?? 'UNEXPECTED'}: ${message}`],
      );
    }
    return true;
  });
}

async function runJob(context: DeliverContext, kind: string, given: unknown): Promise<unknown> {
  switch (kind) {
    case 'reconcile': {
      const { object } = (given ?? {}) as { object?: string };
      const objects = context.mapping.tables
        .map((table) => table.object)
        .filter((name) => object === undefined || name === object);
      return { doubted: await doubtAll(context.pool, context.tables, objects) };
    }
    default:
      throw new Error(`there is no job ${kind}`);
  }
}

const PRUNE_EVERY_MS = 3_600_000;
const PRUNE_BATCH = 5000;

/** Removes rows of `sync_log` that are older than SYNC_LOG_RETENTION_DAYS, once an hour, in batches. */
export function startPruning(
  { pool, tables, log }: Pick<DeliverContext, 'pool' | 'tables' | 'log'>,
  retentionDays: number,
): Loop {
  return startLoop({ name: 'pruning', log, idleMs: PRUNE_EVERY_MS }, async () => {
    const pruned = await pruneSyncLog(pool, tables, retentionDays);
    if (pruned > 0) log.info({ pruned, retentionDays }, 'old rows of sync_log were removed');
    return pruned === PRUNE_BATCH;
  });
}

/** One batch, oldest first. @returns how many rows it removed */
export async function pruneSyncLog(
  pool: DeliverContext['pool'],
  tables: Tables,
  retentionDays: number,
): Promise<number> {
  const { rowCount } = await pool.query(
    `delete from ${tables.syncLog} where id in (
       select id from ${tables.syncLog}
       where completed_at < now() - make_interval(days => least($1, 100000)::int)
       order by completed_at limit ${PRUNE_BATCH})`,
    [retentionDays],
  );
  return rowCount ?? 0;
}
