/**
 * The receiver: keeps the raw body, verifies it, reads it event by event, stores what concerns us,
 * and answers. What is signed is answered 2xx whatever it says; only a failed insert is a 503, so
 * that HubSpot sends it again.
 */
import { createServer } from 'node:http';
import express, {
  type ErrorRequestHandler,
  type Express,
  type RequestHandler,
  type Router,
} from 'express';
import helmet from 'helmet';
import type { Mapping } from '../shared/mapping/mapping.ts';
import type { Pool } from '../shared/postgres/pool.ts';
import type { Tables } from '../shared/postgres/schema.ts';
import type { Events } from '../shared/service/events.ts';
import {
  healthRoutes,
  listen,
  type RunningServer,
  type ServerExtras,
} from '../shared/service/health.ts';
import type { Logger } from '../shared/service/logger.ts';
import { type Arrival, storeEvents } from './inbox.ts';
import { createLargeBodyGate } from './large-bodies.ts';
import { readFields, understand } from './parse.ts';
import { type Verdict, type VerifyOptions, verifySignature, verifyTime } from './verify.ts';

/** 100 events with a value of 65,536 characters each, escaped. */
export const BODY_LIMIT_BYTES = 32 * 1024 * 1024;

/** HubSpot gives up after 5 s; an answer must have left by then. */
const STORE_TIMEOUT_MS = 4000;

export interface ReceiverOptions extends VerifyOptions {
  readonly pool: Pool;
  readonly tables: Tables;
  readonly mapping: Mapping;
  /** As HubSpot writes it into sources. */
  readonly appId: string | undefined;
  /** Events of another account change nothing. Undefined: every signed account is ours. */
  readonly portalId: string | undefined;
  /** The database can't hold every character. */
  readonly ascii: boolean;
  readonly events: Events;
  readonly log: Logger;
  /** New events are in the inbox. */
  onStored(): void;
}

export function createApp(
  options: ReceiverOptions,
  { registry, ready, routes = [] }: ServerExtras & { readonly ready: () => Promise<unknown> },
): Express {
  const app = express();
  app.disable('x-powered-by');
  app.use(helmet());
  app.use('/webhooks/hubspot', receiver(options));
  app.use(healthRoutes({ ready: ready as never, registry }));
  for (const router of routes) app.use(router);
  app.use((_request, response) => {
    response.status(404).json({ error: 'not found' });
  });
  app.use(errorAnswer(options.log));
  return app;
}

/** @throws SyncError PORT_IN_USE */
export function serve(
  app: Express,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<RunningServer> {
  const server = createServer(app);
  server.headersTimeout = 10_000;
  server.requestTimeout = 30_000;
  return listen(server, { host, port, variable: 'PORT' });
}

function receiver(options: ReceiverOptions): Router {
  const router = express.Router();
  router
    .route('/')
    .post(
      refuseEarly(options),
      createLargeBodyGate(),
      express.raw({ type: () => true, limit: BODY_LIMIT_BYTES, inflate: false }),
      receive(options),
    )
    .all((_request, response) => {
      response.status(405).set('allow', 'POST').json({ error: 'POST only' });
    });
  return router;
}

/** What is unsigned or too old isn't read at all. */
function refuseEarly(options: ReceiverOptions): RequestHandler {
  return (request, response, next) => {
    const started = performance.now();
    const verdict = verifyTime(headersOf(request), Date.now());
    if (verdict.ok) next();
    else refuse(options, verdict, started, response);
  };
}

function headersOf(request: Parameters<RequestHandler>[0]) {
  return {
    signature: request.get('x-hubspot-signature-v3'),
    timestamp: request.get('x-hubspot-request-timestamp'),
  };
}

function refuse(
  { events, log }: ReceiverOptions,
  verdict: Verdict,
  started: number,
  response: Parameters<RequestHandler>[1],
): void {
  const reason = verdict.ok ? undefined : verdict.reason;
  log.warn({ reason }, 'a webhook request was refused');
  events.emit('webhook:received', {
    status: 401,
    events: 0,
    stored: 0,
    tookMs: performance.now() - started,
  });
  response.status(401).json({ error: 'not signed for this address' });
}

function receive(options: ReceiverOptions): RequestHandler {
  const { pool, tables, ascii, events, log, onStored } = options;
  return async (request, response) => {
    const started = performance.now();
    const body: Buffer = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    const { method } = request;
    const verdict = verifySignature({ method, ...headersOf(request), body }, options);
    if (!verdict.ok) {
      refuse(options, verdict, started, response);
      return;
    }
    const elements = readElements(body);
    if (!elements) log.warn({ bytes: body.length }, 'a signed webhook request holds no JSON list');
    const arrivals = sort(options, elements ?? []);
    let status = 204;
    let stored = 0;
    try {
      stored = await withinTime(storeEvents(pool, tables, arrivals, { ascii }), STORE_TIMEOUT_MS);
    } catch (error) {
      status = 503;
      log.error({ err: error, events: arrivals.length }, 'events could not be stored');
    }
    const tookMs = performance.now() - started;
    events.emit('webhook:received', { status, events: elements?.length ?? 0, stored, tookMs });
    if (status === 503) {
      response.status(503).set('retry-after', '10').json({ error: 'try again' });
      return;
    }
    response.status(204).end();
    if (stored > 0) onStored();
  };
}

/** The body's events; one event alone counts as a list of it. Undefined: not JSON. */
function readElements(body: Buffer): unknown[] | undefined {
  try {
    const json: unknown = JSON.parse(body.toString('utf8'));
    if (Array.isArray(json)) return json;
    return typeof json === 'object' && json !== null ? [json] : undefined;
  } catch {
    return undefined;
  }
}

/** Those to be stored; the others are counted. */
function sort(options: ReceiverOptions, elements: readonly unknown[]): Arrival[] {
  const { mapping, appId, portalId, events, log } = options;
  const arrivals: Arrival[] = [];
  const odd = new Set<string>();
  for (const raw of elements) {
    const fields = readFields(raw);
    if (!fields) {
      odd.add('shape');
      events.emit('inbound:settled', { outcome: 'ignored' });
      continue;
    }
    const eventId =
      fields.eventId === undefined || fields.eventId === null ? {} : { eventId: fields.eventId };
    if (portalId !== undefined && fields.portalId !== portalId) {
      odd.add('portal');
      events.emit('inbound:settled', { outcome: 'foreign', ...eventId });
      continue;
    }
    const event = understand(fields, mapping, appId);
    if (event) arrivals.push({ fields, event, raw });
    else events.emit('inbound:settled', { outcome: 'ignored', ...eventId });
  }
  if (odd.size > 0) log.warn({ odd: [...odd] }, 'events of an odd shape or another account came');
  return arrivals;
}

/** The work goes on behind a rejection: an event that is stored after all is known when it returns. */
function withinTime<T>(work: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not done within ${ms} ms`)), ms);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** A request that can't be read is answered as its sender's fault; the rest is ours. */
function errorAnswer(log: Logger): ErrorRequestHandler {
  return (error, _request, response, next) => {
    if (response.headersSent) {
      next(error);
      return;
    }
    const { status } = error as { status?: number };
    const code = status && status >= 400 && status < 500 ? status : 500;
    if (code === 500) log.error({ err: error }, 'a request failed');
    else
      log.warn({ status: code, type: (error as { type?: string }).type }, 'a request was refused');
    response.status(code).json({ error: code === 500 ? 'failed' : 'refused' });
  };
}
