/**
 * One request over the official client's own connection: its token, its base path, its headers. The
 * client's limiter and retries stay off (limiter.ts is the only owner of both), and its typed calls
 * are not used: they know no dated path, throw away the errors of a 200, and fail on an unexpected 2xx.
 */
import { Client } from '@hubspot/api-client';
import type { Events } from '../service/events.ts';
import { type CallFacts, errorOfFailure, type RawAnswer } from './classify.ts';
import { HubSpotError } from './errors.ts';

export interface Request extends CallFacts {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly lane: string;
  readonly signal?: AbortSignal | undefined;
}

export interface TransportOptions {
  readonly accessToken: string;
  readonly baseUrl: string;
  readonly timeoutMs: number;
  readonly events: Events;
}

/** An answer and when its call began and ended, by our own clock. */
export interface TimedAnswer extends RawAnswer {
  readonly sentAt: number;
  readonly receivedAt: number;
}

/**
 * Sends and waits for the whole body, `timeoutMs` at most.
 * @throws HubSpotError where no answer came: not sent, cut off, timed out, aborted. Whatever HubSpot
 * does answer is returned, the client's caller judges it.
 */
export type Transport = (request: Request) => Promise<TimedAnswer>;

export function createTransport(options: TransportOptions): Transport {
  const client = new Client({
    accessToken: options.accessToken,
    basePath: options.baseUrl.replace(/\/+$/, ''),
    numberOfApiCallRetries: 0,
  });

  async function exchange(request: Request): Promise<RawAnswer> {
    const { method, path, query, body } = request;
    const response = await client.apiRequest({
      method,
      path,
      ...(query === undefined ? {} : { qs: query }),
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.text();
    // A POST that was redirected has become a GET of something else.
    if (response.redirected) {
      throw new HubSpotError('HUBSPOT_UNREADABLE', `${request.call} was redirected`, {
        write: request.write,
        status: response.status,
      });
    }
    return { status: response.status, headers: response.headers, body: parse(text) };
  }

  return async (request) => {
    const sentAt = Date.now();
    const started = performance.now();
    let status: number | 'unknown' = 'unknown';
    try {
      const answer = await limited(exchange(request), request, options.timeoutMs);
      status = answer.status;
      const took = Math.round(performance.now() - started);
      return { ...answer, sentAt, receivedAt: sentAt + took };
    } catch (thrown) {
      throw thrown instanceof HubSpotError ? thrown : errorOfFailure(thrown, request);
    } finally {
      options.events.emit('hubspot:call', {
        call: request.call,
        status,
        tookMs: Math.round(performance.now() - started),
        lane: request.lane,
      });
    }
  };
}

/**
 * The client can't take a request back. One that is given up goes on unheard, so that it may still be
 * carried out: which is what "unknown" says.
 */
function limited<T>(work: Promise<T>, request: Request, timeoutMs: number): Promise<T> {
  const { call, write, signal } = request;
  return new Promise((resolve, reject) => {
    const giveUp = (code: 'HUBSPOT_TIMEOUT' | 'HUBSPOT_ABORTED_UNDER_WAY', what: string) => {
      reject(new HubSpotError(code, `${call} ${what}`, { write }));
    };
    const timer = setTimeout(
      () => giveUp('HUBSPOT_TIMEOUT', `had no answer within ${timeoutMs} ms`),
      timeoutMs,
    );
    const onAbort = () =>
      giveUp('HUBSPOT_ABORTED_UNDER_WAY', 'was given up while it was under way');
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted) onAbort();
    work.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    });
  });
}

/** JSON whatever the content type says: proxies and HubSpot's edge leave it out or set another. */
function parse(text: string): unknown {
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
