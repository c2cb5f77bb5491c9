/**
 * Work that commands hand over: only the holder of the lease calls HubSpot, so that there is one
 * limiter. A command puts a row into `job` and follows it.
 */

import { doubtAll } from '../shared/postgres/doubt-all.ts';
import type { DeliverContext } from './deliver/context.ts';
import { type Loop, startLoop } from './loop.ts';

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
