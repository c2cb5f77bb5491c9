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
import { type Doubtful, readDoubtful } from './read.ts';
import { resolveWanted } from './wanted.ts';

const IDLE_MS = 100;

export function startDoubts(context: DeliverContext): Loop {
  const round = async () => {
    let more = false;
    for (const table of context.mapping.tables) {
      const compared = await makeComparisons(context, table);
      const judged = await judgeDoubts(context, table);
      const resolved = await resolveWanted(context, table);
      more ||= compared > 0 || judged > 0 || resolved;
    }
    return more;
  };
  return startLoop({ name: 'reading of doubts', log: context.log, idleMs: IDLE_MS }, round);
}

/** @returns how many were judged. */
async function judgeDoubts(context: DeliverContext, table: TableMapping): Promise<number> {
  const { pool, tables, hubspot } = context;
  const { rows } = await pool.query<Doubtful>(
    `select key, state from ${tables.record}
      where doubt_since is not null and call_since is null and object_type = $1
      order by doubt_since limit $2`,
    [table.object, batchSizes.history],
  );
  if (rows.length === 0) return 0;
  const started = performance.now();
  const readings = await readDoubtful(hubspot, table, rows);
  const judged = await judgeReadings(context, table, readings);
  const reasons: Record<string, number> = {};
  for (const { state } of rows) {
    for (const reason of state.doubt) reasons[reason] = (reasons[reason] ?? 0) + 1;
  }
  context.log.info(
    {
      object: table.object,
      records: rows.length,
      judged,
      reasons,
      tookMs: Math.round(performance.now() - started),
    },
    'doubts read',
  );
  return judged;
}
