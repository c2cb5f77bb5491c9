/**
 * Postgres to HubSpot, the whole route: take the lease, stream the WAL into the outbox (ingest/),
 * deliver what is due (deliver/), read and judge what is in doubt (doubts/). Whatever ends a term,
 * the lease is given up and taken anew; only what no repetition can mend ends the room.
 */
import { hostname } from 'node:os';
import type { Registry } from 'prom-client';
import { createHubSpot } from '../shared/hubspot/client.ts';
import type { HubSpot } from '../shared/hubspot/hubspot.ts';
import type { Mapping, TableMapping } from '../shared/mapping/mapping.ts';
import { takeLease } from '../shared/postgres/lease.ts';
import { readMarkSecret } from '../shared/postgres/mark.ts';
import { createPool, type Pool } from '../shared/postgres/pool.ts';
import { type ColumnType, readColumnTypes } from '../shared/postgres/rows.ts';
import { type Tables, tablesOf } from '../shared/postgres/schema.ts';
import type { Config } from '../shared/service/config.ts';
import { SyncError, serviceError } from '../shared/service/errors.ts';
import type { Events } from '../shared/service/events.ts';
import { startHealthServer } from '../shared/service/health.ts';
import type { Handle, Readiness } from '../shared/service/lifecycle.ts';
import type { Logger } from '../shared/service/logger.ts';
import type { Loop } from '../shared/service/loop.ts';
import { startDeliver } from './deliver/deliver.ts';
import { startDoubts } from './doubts/doubts.ts';
import { startIngest } from './ingest/ingest.ts';
import { startJobs, startPruning } from './jobs.ts';
import { createDroppedProperties, type DeliverContext } from './records/context.ts';

export interface CdcOptions {
  readonly config: Config;
  readonly mapping: Mapping;
  readonly log: Logger;
  readonly events: Events;
  readonly registry?: Registry | undefined;
}

export interface CdcHandle extends Handle {
  /** Of health and metrics. */
  readonly url: string;
}

/** What ends a term but may pass: another process took over, the database didn't take an answer. */
const PASSING = new Set(['LEASE_LOST', 'SETTLEMENT_FAILED']);
const PAUSE_FIRST_MS = 500;
const PAUSE_MOST_MS = 15_000;

interface Parts extends CdcOptions {
  readonly pool: Pool;
  readonly tables: Tables;
  readonly hubspot: HubSpot;
}

/** @throws SyncError NOT_INITIALISED, PORT_IN_USE */
export async function startCdc(options: CdcOptions): Promise<CdcHandle> {
  const { config, log, events } = options;
  const tables = tablesOf(config.schema);
  const pool = createPool({
    databaseUrl: config.databaseUrl,
    applicationName: 'pg-hubspot-sync cdc',
    max: 16,
    log,
  });
  const hubspot = createHubSpot({ settings: config.hubspot, events });
  const stopping = new AbortController();
  let standby = false;
  let current: Term | undefined;
  const ready = async (): Promise<Readiness> => {
    if (standby) return { ready: true, checks: { lease: { ok: true, detail: 'standing by' } } };
    return current
      ? current.ready()
      : { ready: false, checks: { lease: { ok: false, detail: 'not held yet' } } };
  };
  let server: Awaited<ReturnType<typeof startHealthServer>>;
  try {
    await readMarkSecret(pool, tables).catch((error: Error) => {
      const { code } = error as { code?: string };
      if (code !== undefined && code !== '42P01' && code !== '3F000') throw error;
      throw serviceError(
        'NOT_INITIALISED',
        `schema ${config.schema} is not set up`,
        undefined,
        error,
      );
    });
    const { registry } = options;
    server = await startHealthServer({ ...config.cdc, ready, registry });
  } catch (error) {
    hubspot.close();
    await pool.end();
    throw error;
  }
  const parts: Parts = { ...options, pool, tables, hubspot };

  const run = async () => {
    for (let failures = 0; !stopping.signal.aborted; ) {
      const began = Date.now();
      try {
        const lease = await takeLease({
          databaseUrl: config.databaseUrl,
          tables,
          holder: `${hostname()} pid ${process.pid}`,
          log,
          signal: stopping.signal,
          onStandby: () => {
            standby = true;
          },
        });
        standby = false;
        try {
          current = await startTerm(parts, lease.term);
          const ended = current.ended;
          const lost = lease.lost.then((reason) => Promise.reject(reason));
          const stopped = new Promise<void>((resolve) => {
            stopping.signal.addEventListener('abort', () => resolve(), { once: true });
            if (stopping.signal.aborted) resolve();
          });
          await Promise.race([ended, lost, stopped]);
        } finally {
          await current?.stop();
          current = undefined;
          await lease.release();
        }
      } catch (error) {
        standby = false;
        if (stopping.signal.aborted) return;
        if (isFinal(error)) throw error;
        failures = Date.now() - began > 60_000 ? 0 : failures + 1;
        const most = Math.min(PAUSE_MOST_MS, PAUSE_FIRST_MS * 2 ** failures);
        const ms = Math.round(most * (0.5 + Math.random() / 2));
        log.warn({ err: error, retryInMs: ms }, 'the term ended; the lease is taken anew');
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms);
          stopping.signal.addEventListener('abort', () => {
            clearTimeout(timer);
            resolve();
          });
        });
      }
    }
  };

  const promise = run().finally(async () => {
    hubspot.close();
    await server.close();
    await pool.end();
  });
  promise.catch(() => undefined);
  const stop = async () => {
    stopping.abort(new Error('stopped'));
    await promise.catch(() => undefined);
  };
  return { url: server.url, promise, ready, stop, [Symbol.asyncDispose]: stop };
}

/** Errors that a repetition can't mend: a lost slot, a changed publication, a wrong mapping. */
function isFinal(error: unknown): boolean {
  return error instanceof SyncError && error.disposition === 'stop' && !PASSING.has(error.code);
}

/** The work of one lease. */
interface Term {
  /** Rejects when a part fails. */
  readonly ended: Promise<void>;
  ready(): Promise<Readiness>;
  stop(): Promise<void>;
}

async function startTerm(parts: Parts, term: number): Promise<Term> {
  const { config, mapping, pool, tables, log, events, hubspot } = parts;
  const types = new Map<string, Promise<ReadonlyMap<string, ColumnType>>>();
  const typesOf = (table: TableMapping) => {
    const known = types.get(table.sql);
    if (known) return known;
    const read = readColumnTypes(pool, table);
    types.set(table.sql, read);
    read.catch(() => types.delete(table.sql));
    return read;
  };
  const context: DeliverContext = {
    pool,
    tables,
    mapping,
    hubspot,
    secret: await readMarkSecret(pool, tables),
    term,
    appId: config.hubspot.appId === undefined ? undefined : String(config.hubspot.appId),
    log,
    events,
    typesOf,
    dropped: createDroppedProperties(),
  };
  const ingest = await startIngest({ config, mapping, pool, tables, log, events, term });
  const loops: Loop[] = [];
  try {
    loops.push(await startDeliver(context), startDoubts(context), startJobs(context));
    loops.push(startPruning(context, config.syncLogRetentionDays));
  } catch (error) {
    await ingest.stop();
    throw error;
  }
  const ended = Promise.race([ingest.promise, ...loops.map((loop) => loop.promise)]);
  ended.catch(() => undefined);
  return {
    ended,
    async ready() {
      const answer = await ingest.ready();
      return typeof answer === 'boolean'
        ? { ready: answer, checks: { slot: { ok: answer } } }
        : answer;
    },
    async stop() {
      // Takes nothing new in first; what is under way to HubSpot is settled before the lease goes.
      await ingest.stop();
      await Promise.all(loops.map((loop) => loop.stop()));
    },
  };
}
