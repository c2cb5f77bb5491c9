/**
 * `GET /api/hubspot/sync-status`: what the sync's own tables say, as JSON. It reads the database only,
 * so it answers the same whether the rooms run as one process or several.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import express, { type Request, type RequestHandler, type Router } from 'express';
import type pg from 'pg';

/** A row of `sync_log` as it is shown. */
export interface RecentLog {
  readonly id: number;
  readonly object_type: string;
  readonly object_id: string;
  readonly direction: 'outbound' | 'inbound';
  readonly status: string;
  readonly message: string | null;
  readonly created_at: string;
  readonly completed_at: string | null;
}

export interface SyncStatus {
  readonly success: true;
  readonly stats: Readonly<Record<string, unknown>>;
  readonly recentLogs: readonly RecentLog[];
}

/** @param schema the sync's own, checked by the settings to be a plain name */
export async function readSyncStatus(
  pool: Pick<pg.Pool, 'query'>,
  schema: string,
  limit = 20,
): Promise<SyncStatus> {
  const [stats, logs] = await Promise.all([
    pool.query(`select * from "${schema}".get_sync_stats()`),
    pool.query(
      `select id, object_type, object_id, direction, status, message, created_at, completed_at
       from "${schema}".sync_log order by id desc limit $1`,
      [limit],
    ),
  ]);
  const numbers = Object.entries((stats.rows[0] ?? {}) as Record<string, unknown>).map(
    // Counts are bigint in the database, which pg hands over as text.
    ([name, value]) => [name, typeof value === 'string' && /^\d+$/.test(value) ? +value : value],
  );
  return {
    success: true,
    stats: Object.fromEntries(numbers),
    recentLogs: logs.rows.map((row) => ({ ...row, id: Number(row.id) })),
  };
}

export interface StatusOptions {
  readonly pool: Pick<pg.Pool, 'query'>;
  readonly schema: string;
  readonly statusToken: string | undefined;
}

export function statusRoutes({ pool, schema, statusToken }: StatusOptions): Router {
  const router = express.Router();
  router.get('/api/hubspot/sync-status', guard(statusToken), async (_request, response) => {
    response.set('cache-control', 'no-store');
    try {
      response.json(await readSyncStatus(pool, schema));
    } catch {
      // The reason is the database's; its text may quote values and stays inside.
      response.status(503).json({ success: false, error: 'the database does not answer' });
    }
  });
  return router;
}

/**
 * Lets loopback in, and everybody else with the token: as bearer, or as the password of HTTP Basic
 * (which a browser asks for). A proxy on the same host connects from loopback too, so a request counts
 * as loopback only with a loopback `Host` and without a header that a proxy adds.
 */
export function guard(statusToken: string | undefined): RequestHandler {
  return (request, response, next) => {
    if (isLoopback(request) || (statusToken && carries(request, statusToken))) {
      next();
      return;
    }
    response
      .status(401)
      .set('www-authenticate', 'Basic realm="pg-hubspot-sync", charset="UTF-8"')
      .json({ success: false, error: 'STATUS_TOKEN is needed from here' });
  };
}

function isLoopback(request: Request): boolean {
  const names = Object.keys(request.headers);
  if (names.some((name) => name === 'forwarded' || name.startsWith('x-forwarded-'))) return false;
  const address = request.socket.remoteAddress ?? '';
  const near = address === '::1' || /^(::ffff:)?127\./.test(address);
  const host = (request.headers.host ?? '').replace(/:\d+$/, '').toLowerCase();
  return near && (host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host));
}

function carries(request: Request, statusToken: string): boolean {
  const [scheme = '', value = ''] = (request.headers.authorization ?? '').split(' ');
  if (/^bearer$/i.test(scheme)) return equal(value, statusToken);
  if (!/^basic$/i.test(scheme)) return false;
  const decoded = Buffer.from(value, 'base64').toString('utf8');
  return equal(decoded.slice(decoded.indexOf(':') + 1), statusToken);
}

/** Compares digests, so that neither length nor content shows in the time it takes. */
function equal(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
