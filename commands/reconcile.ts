/**
 * `reconcile`: every linked record is read from HubSpot and judged. Only the process that holds the lease
 * calls HubSpot, so this hands it a job and follows it; without one the records are marked, to be read when
 * cdc runs next, and the command fails.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { doubtAll } from '../shared/postgres/doubt-all.ts';
import { createPool, type Pool } from '../shared/postgres/pool.ts';
import { type Tables, tablesOf } from '../shared/postgres/schema.ts';
import { SyncError, serviceError } from '../shared/service/errors.ts';
import { readOverview } from '../status/overview.ts';
import { chooseMapping } from './mapping.ts';
import { reachDatabase } from './reach.ts';
import type { CommandBody } from './run.ts';

interface Reconciled {
  /** Records that became doubts. */
  readonly doubted: number;
  /** How many of them are read and judged; fewer only where nobody runs cdc. */
  readonly judged: number;
}

const runReconcile: CommandBody = async ({ config, log }) => {
  const { mapping } = await chooseMapping(config);
  const { databaseUrl, schema, cdc } = config;
  await reachDatabase(databaseUrl);
  const pool = createPool({
    databaseUrl,
    applicationName: 'pg-hubspot-sync reconcile',
    max: 2,
    log,
  });
  try {
    const tables = tablesOf(schema);
    const { lease } = await readOverview({ pool, schema, slot: cdc.slot });
    if (lease === null) {
      const objects = mapping.tables.map(({ object }) => object);
      await doubtAll(pool, tables, objects);
      // Those of an earlier run too: none of them is read yet.
      const doubted = await countWaiting(pool, tables);
      const result: Reconciled = { doubted, judged: 0 };
      return {
        result,
        failure: serviceError(
          'CDC_NOT_RUNNING',
          `Nothing was compared: no cdc runs. ${doubted} records are marked and wait for it.`,
        ),
      };
    }
    const doubted = await followJob(pool, tables);
    await followDoubts(pool, tables, (left) => log.info({ left }, 'records are being read'));
    const result: Reconciled = { doubted, judged: doubted };
    return { result, text: `${doubted} records were read from HubSpot and judged.` };
  } finally {
    await pool.end();
  }
};

/** @returns how many records the holder of the lease made doubts of */
async function followJob(pool: Pool, tables: Tables): Promise<number> {
  const { rows } = await pool.query(
    `insert into ${tables.job} (kind) values ('reconcile') returning id`,
  );
  for (;;) {
    const { rows: jobs } = await pool.query(
      `select state, result, error from ${tables.job} where id = $1`,
      [rows[0].id],
    );
    const job = jobs[0];
    if (job?.state === 'done') return Number(job.result?.doubted ?? 0);
    if (job?.state === 'failed') {
      throw new SyncError('JOB_FAILED', `cdc could not do it: ${job.error}`, {
        disposition: 'stop',
        advice: 'Read the log of cdc, then run reconcile again.',
      });
    }
    await delay(100);
  }
}

async function followDoubts(
  pool: Pool,
  tables: Tables,
  say: (left: number) => void,
): Promise<void> {
  for (let round = 0; ; round += 1) {
    const left = await countWaiting(pool, tables);
    if (left === 0) return;
    if (round % 20 === 0) say(left);
    await delay(250);
  }
}

/** Records that are marked to be compared, and not read yet. */
async function countWaiting(pool: Pool, tables: Tables): Promise<number> {
  const { rows } = await pool.query(
    `select count(*)::int as left from ${tables.record}
     where doubt_since is not null and state -> 'doubt' ? 'reconcile'`,
  );
  return rows[0].left;
}

export default runReconcile;
