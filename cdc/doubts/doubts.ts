/**
 * The walk beside delivery: reads and judges what is in doubt, finds out what wanted ids are, and
 * makes the comparisons that were asked for. None of it happens in normal traffic.
 */
import { batchSizes } from '../../shared/hubspot/hubspot.ts';
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import { makeComparisons } from '../../shared/postgres/compare.ts';
import type { DeliverContext } from '../deliver/context.ts';
import { type Loop, startLoop } from '../loop.ts';
import { judgeReadings } from './judge.ts';
import { createPauses, type Pauses } from './pauses.ts';
import { type Doubtful, type Reading, readDoubtful } from './read.ts';
import { resolveWanted } from './wanted.ts';

const IDLE_MS = 100;

export function startDoubts(context: DeliverContext): Loop {
  const pauses = new Map(context.mapping.tables.map((table) => [table, createPauses()]));
  const round = async () => {
    let more = false;
    let failure: unknown;
    for (const [table, paused] of pauses) {
      try {
        more = (await resolveTable(context, table, paused)) || more;
      } catch (error) {
        const { disposition } = error as { disposition?: string };
        if (disposition === 'stop') throw error;
        // The other tables go on.
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
    return more;
  };
  return startLoop({ name: 'reading of doubts', log: context.log, idleMs: IDLE_MS }, round);
}

/** One round for one table. @returns whether anything was done, so that there may be more. */
export async function resolveTable(
  context: DeliverContext,
  table: TableMapping,
  pauses: Pauses,
): Promise<boolean> {
  const compared = await makeComparisons(context, table);
  const judged = await judgeDoubts(context, table, pauses);
  const resolved = await resolveWanted(context, table);
  return compared > 0 || judged > 0 || resolved;
}

/** @returns how many were judged. */
async function judgeDoubts(
  context: DeliverContext,
  table: TableMapping,
  pauses: Pauses,
): Promise<number> {
  const { pool, tables } = context;
  const { rows } = await pool.query<Doubtful>(
    `select key, state from ${tables.record}
      where doubt_since is not null and call_since is null and object_type = $1
        and key <> all ($3::text[])
      order by doubt_since limit $2`,
    [table.object, batchSizes.history, pauses.names()],
  );
  if (rows.length === 0) return 0;
  const started = performance.now();
  const judged = await judgeReadings(context, table, await readAll(context, table, rows));
  for (const { key } of rows) {
    if (judged.has(key)) pauses.end(key);
    else pauses.add(key);
  }
  const reasons: Record<string, number> = {};
  for (const { state } of rows) {
    for (const reason of state.doubt) reasons[reason] = (reasons[reason] ?? 0) + 1;
  }
  context.log.info(
    {
      object: table.object,
      records: rows.length,
      judged: judged.size,
      reasons,
      tookMs: Math.round(performance.now() - started),
    },
    'doubts read',
  );
  return judged.size;
}

/** One that HubSpot refuses to read must not keep the others from being read. */
async function readAll(
  context: DeliverContext,
  table: TableMapping,
  doubtful: readonly Doubtful[],
): Promise<Reading[]> {
  try {
    return await readDoubtful(context.hubspot, context.mapping, table, doubtful);
  } catch (error) {
    const { disposition } = error as { disposition?: string };
    if (disposition !== 'split') throw error;
    const [only] = doubtful;
    if (doubtful.length === 1 && only) {
      context.log.warn(
        { err: error, object: table.object, key: only.key },
        'HubSpot refuses to read the record; it is tried again later',
      );
      return [];
    }
    const half = Math.ceil(doubtful.length / 2);
    const first = await readAll(context, table, doubtful.slice(0, half));
    return [...first, ...(await readAll(context, table, doubtful.slice(half)))];
  }
}
