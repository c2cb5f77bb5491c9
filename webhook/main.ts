/**
 * HubSpot to Postgres: the receiver that stores events, and the worker that applies them. Builds both
 * and answers a handle for the room.
 */
import type { Mapping, TableMapping } from '../shared/mapping/mapping.ts';
import { readMarkSecret } from '../shared/postgres/mark.ts';
import { createPool, type Pool } from '../shared/postgres/pool.ts';
import { type ColumnType, readColumnTypes } from '../shared/postgres/rows.ts';
import { type Tables, tablesOf } from '../shared/postgres/schema.ts';
import type { Config } from '../shared/service/config.ts';
import { serviceError } from '../shared/service/errors.ts';
import type { Events } from '../shared/service/events.ts';
import type { ServerExtras } from '../shared/service/health.ts';
import type { Handle, Readiness } from '../shared/service/lifecycle.ts';
import type { Logger } from '../shared/service/logger.ts';
import { createApp, serve } from './server.ts';
import { startWorker } from './worker.ts';

export interface WebhookOptions extends ServerExtras {
  readonly config: Pick<Config, 'databaseUrl' | 'schema' | 'hubspot' | 'webhook'>;
  readonly mapping: Mapping;
  readonly log: Logger;
  readonly events: Events;
}

export interface WebhookHandle extends Handle {
  /** Where it listens, without a path. */
  readonly url: string;
}

/**
 * Starts to listen and to apply.
 * @throws SyncError NOT_INITIALISED, PORT_IN_USE
 */
export async function startWebhook(options: WebhookOptions): Promise<WebhookHandle> {
  const { config, mapping, log, events } = options;
  const { hubspot, webhook, databaseUrl, schema } = config;
  const tables = tablesOf(schema);
  // The worker's sessions may all wait for locks: the receiver has sessions of its own.
  const work = createPool({ databaseUrl, applicationName: 'pg-hubspot-sync apply', max: 8, log });
  const inbox = createPool({ databaseUrl, applicationName: 'pg-hubspot-sync inbox', max: 5, log });
  const endPools = async () => {
    await Promise.all([work.end(), inbox.end()]);
  };
  try {
    const secret = await readSecret(work, tables);
    const { rows } = await work.query('show server_encoding');
    const ascii = rows[0]?.server_encoding !== 'UTF8';
    const appId = hubspot.appId === undefined ? undefined : String(hubspot.appId);
    if (hubspot.portalId === undefined) {
      log.warn('HUBSPOT_PORTAL_ID is not known: signed events of every account are taken');
    }
    const worker = startWorker({
      pool: work,
      tables,
      mapping,
      secret,
      appId,
      log,
      events,
      typesOf: createColumnTypes(work),
    });
    let stopping = false;
    const ready = () => readiness(inbox, stopping);
    const app = createApp(
      {
        pool: inbox,
        tables,
        mapping,
        appId,
        ascii,
        portalId: hubspot.portalId === undefined ? undefined : String(hubspot.portalId),
        publicUrl: webhook.publicUrl,
        secrets: hubspot.clientSecrets,
        events,
        log,
        onStored: () => worker.wake(),
      },
      { ...options, ready: options.ready ?? ready },
    );
    const server = await serve(app, webhook).catch(async (error: unknown) => {
      await worker.stop();
      throw error;
    });
    log.info({ url: server.url, signedUrl: webhook.publicUrl }, 'listening for webhooks');
    let resolve: () => void = () => undefined;
    const promise = new Promise<void>((done, fail) => {
      resolve = done;
      worker.promise.catch(fail);
    });
    promise.catch(() => undefined); // the owner awaits it; no unhandled rejection until then
    let stopped: Promise<void> | undefined;
    const stop = () => {
      stopping = true;
      stopped ??= (async () => {
        await server.close();
        await worker.stop();
        await endPools();
        resolve();
      })();
      return stopped;
    };
    return { url: server.url, promise, ready, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await endPools();
    throw error;
  }
}

async function readSecret(pool: Pool, tables: Tables): Promise<Buffer> {
  const { rows } = await pool.query('select to_regclass($1) as found', [tables.secret]);
  if (rows[0]?.found === null) {
    const { schema } = tables;
    throw serviceError('NOT_INITIALISED', `The database has no tables of the sync in ${schema}.`, {
      schema,
    });
  }
  return readMarkSecret(pool, tables).catch((error: unknown) => {
    // A role without rights: init wouldn't help.
    if ((error as { code?: string }).code === '42501') throw error;
    throw serviceError('NOT_INITIALISED', 'The database has no key for marks.', undefined, error);
  });
}

const TYPES_MAX_AGE_MS = 30_000;

/** The columns' types, read again now and then: the application may change its tables. */
function createColumnTypes(pool: Pool) {
  const cache = new Map<string, { readAt: number; types: ReadonlyMap<string, ColumnType> }>();
  return async (table: TableMapping): Promise<ReadonlyMap<string, ColumnType>> => {
    const cached = cache.get(table.sql);
    if (cached && performance.now() - cached.readAt < TYPES_MAX_AGE_MS) return cached.types;
    const types = await readColumnTypes(pool, table);
    cache.set(table.sql, { readAt: performance.now(), types });
    return types;
  };
}

async function readiness(pool: Pool, stopping: boolean): Promise<Readiness> {
  const database = await pool.query('select 1').then(
    () => ({ ok: true }),
    (error: { code?: string }) => ({ ok: false, detail: error.code ?? 'no answer' }),
  );
  const checks = { database, ...(stopping ? { draining: { ok: false } } : {}) };
  return { ready: database.ok && !stopping, checks };
}
