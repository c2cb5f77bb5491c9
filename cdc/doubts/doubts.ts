/**
 * The walk beside delivery: reads and judges what is in doubt, finds out what wanted ids are, and
 * makes the comparisons that were asked for. None of it happens in normal traffic.
 */
import { batchSizes } from '../../shared/hubspot/hubspot.ts';
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import { makeComparisons } from '../../shared/postgres/compare.ts';
import { SyncError } from '../../shared/service/errors.ts';
import { type Loop, startLoop } from '../../shared/service/loop.ts';
import { backoff } from '../records/backoff.ts';
import type { DeliverContext } from '../records/context.ts';
import { judgeReadings } from './judge.ts';
import { createPauses, type Pauses } from './pauses.ts';
import { type Doubtful, type Reading, readDoubtful } from './read.ts';
import { createReadBacks } from './read-back.ts';
import { resolveWanted } from './wanted.ts';

const IDLE_MS = 100;

/** A table whose round failed is left alone for a growing time; the others go on. */
interface Walk {
  readonly table: TableMapping;
  readonly pauses: Pauses;
  failures: number;
  until: number;
}

export function startDoubts(context: DeliverContext): Loop {
  const walks = context.mapping.tables.map(
    (table): Walk => ({ table, pauses: createPauses(), failures: 0, until: 0 }),
  );
  const readBacks = createReadBacks(context);
  const round = async () => {
    let more = false;
    for (const walk of walks) {
      if (walk.until > Date.now()) continue;
      try {
        await readBacks.due(walk.table);
        more = (await resolveTable(context, walk.table, walk.pauses)) || more;
        walk.failures = 0;
      } catch (error) {
        const { disposition } = error as { disposition?: string };
        if (error instanceof SyncError && disposition === 'stop' && !isHubSpots(error)) throw error;
        const retryInMs = backoff(walk.failures);
        walk.failures += 1;
        walk.until = Date.now() + retryInMs;
        context.log.warn(
          { err: error, object: walk.table.object, retryInMs },
          'doubts could not be read or judged; they are tried again',
        );
      }
    }
    return more;
  };
  const loop = startLoop({ name: 'reading of doubts', log: context.log, idleMs: IDLE_MS }, round);
  return {
    ...loop,
    async stop() {
      readBacks.stop();
      await loop.stop();
    },
  };
}

/** A token that HubSpot refuses may be accepted again; delivery waits for that as well. */
function isHubSpots(error: SyncError): boolean {
  return error.code.startsWith('HUBSPOT_');
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
