/**
 * Outwards, first half: the WAL to the durable outbox. One round is one connection to the slot, from
 * the look for gaps to whatever ended it; rounds follow each other until the room is stopped or an
 * error comes that a new connection can't cure.
 */
import pg from 'pg';
import type { Mapping, TableMapping } from '../../shared/mapping/mapping.ts';
import { describeCatalog, readSlot } from '../../shared/postgres/catalog.ts';
import { formatLsn } from '../../shared/postgres/lsn.ts';
import { readMarkSecret } from '../../shared/postgres/mark.ts';
import type { Pool } from '../../shared/postgres/pool.ts';
import type { Tables } from '../../shared/postgres/schema.ts';
import type { Config } from '../../shared/service/config.ts';
import { SyncError } from '../../shared/service/errors.ts';
import type { Events } from '../../shared/service/events.ts';
import type { Handle } from '../../shared/service/lifecycle.ts';
import type { Logger } from '../../shared/service/logger.ts';
import { consumeStream } from './consume.ts';
import { readCheckpoint } from './flush.ts';
import { createGatherer } from './gather.ts';
import { checkPreconditions } from './preflight.ts';
import { checkForGap, checkPublication } from './publication.ts';
import { openSlot, type SlotStream, slotError } from './slot.ts';

export interface IngestOptions {
  readonly config: Config;
  readonly mapping: Mapping;
  readonly pool: Pool;
  readonly tables: Tables;
  readonly log: Logger;
  readonly events: Events;
  /** Term of the lease: only its holder streams. */
  readonly term: number;
}

/** Backoff between connections, ms; the first one comes at once. */
const PAUSE = { first: 100, most: 15_000 };
/** How often the publication is looked at and the lag is measured. */
const WATCH_MS = 5_000;

/**
 * Streams until stopped. `promise` rejects on what a new connection can't cure: a gap, a lost lease,
 * a dropped column.
 */
export function startIngest(options: IngestOptions): Handle {
  const { config, log, events } = options;
  const { slot } = config.cdc;
  const stopping = new AbortController();
  let current: SlotStream | undefined;
  let caughtUp = false;

  async function run(): Promise<void> {
    for (let failures = 0; !stopping.signal.aborted; ) {
      const startedAt = Date.now();
      try {
        await streamOnce({
          ...options,
          signal: stopping.signal,
          terminateOther: failures > 1,
          onStream: (stream) => {
            current = stream;
          },
          onCaughtUp: () => {
            caughtUp = true;
          },
        });
      } catch (error) {
        if (stopping.signal.aborted) return;
        if (error instanceof SyncError && error.disposition === 'stop') throw error;
        // One that worked for a while was a good connection: its end starts the count anew.
        failures = Date.now() - startedAt > PAUSE.most ? 1 : failures + 1;
        const pause = pauseAfter(failures);
        const reason = error instanceof SyncError ? error.code : 'SQL_ERROR';
        events.emit('slot:state', { slot, state: 'reconnecting', reason });
        log.warn({ err: error, slot, pauseMs: pause }, 'the stream ended; connecting again');
        await sleep(pause, stopping.signal);
      } finally {
        current = undefined;
        caughtUp = false;
      }
    }
  }

  const promise = run();
  // Whoever holds the handle awaits it; until then a rejection is none that nobody handles.
  promise.catch(() => undefined);
  const stop = async () => {
    stopping.abort();
    current?.close();
    await promise.catch(() => undefined);
  };
  return {
    promise,
    stop,
    ready: async () => ({
      ready: caughtUp,
      checks: {
        stream: { ok: current !== undefined, ...(current ? {} : { detail: 'not connected' }) },
        caughtUp: { ok: caughtUp, ...(caughtUp ? {} : { detail: 'behind the WAL' }) },
      },
    }),
    [Symbol.asyncDispose]: stop,
  };
}

/** Doubles with each failure, with jitter so that several don't come back in step. */
export function pauseAfter(failures: number, random = Math.random): number {
  const full = Math.min(PAUSE.most, PAUSE.first * 2 ** (failures - 1));
  return Math.round(full * (0.5 + random() / 2));
}

interface Round extends IngestOptions {
  readonly signal: AbortSignal;
  /** Somebody still holds the slot at the second try: our lease says that it is nobody alive. */
  readonly terminateOther: boolean;
  readonly onStream: (stream: SlotStream) => void;
  readonly onCaughtUp: () => void;
}

/** One connection. Throws what ended it, except after `stop`. */
async function streamOnce(round: Round): Promise<void> {
  const { config, mapping, pool, tables, log, events, term, signal } = round;
  const { slot, publication } = config.cdc;
  const names = { slot, publication };
  let stream: SlotStream | undefined;
  // A session whose end tells that the server shuts down: a walsender waits for us to confirm all
  // there is, which nobody can store any more, and would hold up the shutdown.
  const watch = new pg.Client({
    connectionString: config.databaseUrl,
    application_name: 'pg-hubspot-sync watch',
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
  });
  let watchEnded: Error | undefined;
  const onWatchEnd = (cause?: Error) => {
    watchEnded ??= slotError(
      'SLOT_DISCONNECTED',
      'the SQL session beside the stream ended',
      { slot },
      cause,
    );
    stream?.close(watchEnded);
  };
  watch.on('error', onWatchEnd);
  watch.on('end', () => onWatchEnd());
  let timer: NodeJS.Timeout | undefined;
  try {
    await watch.connect();
    const found = await checkForGap(watch, tables, names);
    if (found.slot.activePid !== null && round.terminateOther) {
      await watch
        .query('select pg_terminate_backend($1)', [found.slot.activePid])
        .catch((error: unknown) => log.warn({ err: error, slot }, 'the slot is held by another'));
    }
    checkPreconditions(found.server, mapping.tables, await describeCatalog(watch, mapping.tables));
    const secret = await readMarkSecret(watch, tables);
    const stored = await readCheckpoint(watch, tables, slot);
    if (watchEnded) throw watchEnded;
    if (signal.aborted) return;
    stream = openSlot({
      databaseUrl: config.databaseUrl,
      ...names,
      start: stored.confirmed,
      walSenderTimeoutMs: found.server.walSenderTimeoutMs,
      onStart: () => {
        log.info({ slot, from: formatLsn(stored.confirmed) }, 'streaming');
        events.emit('slot:state', { slot, state: 'streaming' });
      },
    });
    round.onStream(stream);
    timer = setInterval(() => void look(), WATCH_MS);
    await consumeStream({
      stream,
      gatherer: createGatherer({ mapping, secret, log, from: stored }),
      context: { pool, tables, mapping, slot, term, settings: config.cdc },
      events,
      stored,
      existingColumns: (table) => readColumnNames(watch, table),
      onCaughtUp: round.onCaughtUp,
    });
  } finally {
    clearInterval(timer);
    stream?.close();
    await stream?.closed;
    await watch.end().catch(() => undefined);
  }

  async function look(): Promise<void> {
    try {
      await checkPublication(watch, tables, names);
      const facts = await readSlot(watch, slot);
      if (!facts || !stream) return;
      const confirmedLsn = formatLsn(stream.acker.confirmed);
      events.emit('slot:progress', { slot, confirmedLsn, lagBytes: facts.lagBytes });
    } catch (error) {
      stream?.close(error as Error);
    }
  }
}

async function readColumnNames(
  client: pg.Client,
  table: TableMapping,
): Promise<ReadonlySet<string>> {
  const facts = await describeCatalog(client, [table]);
  const [found] = facts.values();
  return new Set(found?.columns.map(({ name }) => name) ?? []);
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}
