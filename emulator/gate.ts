// The way of an API request: token, scopes, limits, body, fault, and only then the CRM. What comes out is
// answered or cut, and logged.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Express, Request, Response } from 'express';
import type { Behaviour } from './behaviour.ts';
import { type Answer, carryOut, type LateWrites, type StoredRequest } from './carry-out.ts';
import type { Fault, Faults } from './faults.ts';
import type { Journal } from './journal.ts';
import type { Limits } from './limits.ts';
import { type DescribedPath, describePath, type NameType } from './paths.ts';
import type { RequestLog } from './requests.ts';
import { refuseMissingScopes } from './scopes.ts';

export type Gate = {
  api: Express;
  journal: Journal;
  behaviour: Behaviour;
  limits: Limits;
  faults: Faults;
  lateWrites: LateWrites;
  requestLog: RequestLog;
  nameType: NameType;
  /** The one bearer token that is accepted. */
  token: string;
  now: () => number;
  /** Ends the delays of faults when the emulator stops. */
  stopping: AbortSignal;
};

/** `cut`: the connection is closed without an answer. */
type Outcome = Answer | 'cut';

/** `req.body` is the raw body as a Buffer, or undefined without one. */
export async function passThrough(gate: Gate, req: Request, res: Response): Promise<void> {
  const time = gate.now();
  const started = performance.now();
  const path = describePath(req.path, gate.nameType);
  const requestText = Buffer.isBuffer(req.body) ? req.body.toString() : '';
  const parsed = parseBody(requestText, req.headers['content-type']);

  const { outcome, rateLimited } = await decide(gate, req, path, parsed);

  // Before the answer: who has it finds the call in the log. A reset has emptied the log meanwhile.
  if (!gate.stopping.aborted) {
    gate.requestLog.record({
      time,
      method: req.method,
      url: req.originalUrl,
      path,
      inputs: countInputs(parsed, path),
      status: outcome === 'cut' ? null : outcome.status,
      requestText,
      responseText: outcome === 'cut' ? '' : outcome.text,
      durationMs: Math.round(performance.now() - started),
      rateLimited,
      ...(outcome === 'cut' ? { note: 'cut' } : {}),
    });
  }
  if (outcome === 'cut') {
    req.socket.destroy();
    return;
  }
  res.status(outcome.status).setHeader('Date', new Date(gate.now()).toUTCString());
  for (const [name, value] of Object.entries(outcome.headers)) res.setHeader(name, value);
  res.end(outcome.text);
}

/** Carries out a write whose caller is long gone, and logs it beside the requests. */
export async function carryOutLate(gate: Gate, request: StoredRequest): Promise<void> {
  const time = gate.now();
  const started = performance.now();
  const answer = await carryOut(gate.api, gate.journal, request);
  gate.requestLog.record({
    time,
    method: request.method,
    url: request.url,
    path: describePath(request.url.split('?')[0] ?? '', gate.nameType),
    inputs: 0,
    status: answer.status,
    requestText: request.body === undefined ? '' : JSON.stringify(request.body),
    responseText: answer.text,
    durationMs: Math.round(performance.now() - started),
    note: 'late',
    counted: false,
  });
}

async function decide(
  gate: Gate,
  req: Request,
  path: DescribedPath,
  parsed: ParsedBody,
): Promise<{ outcome: Outcome; rateLimited: boolean }> {
  const { behaviour } = gate;
  const unauthorised = refuseToken(req.headers.authorization, gate.token, behaviour);
  if (unauthorised) return { outcome: unauthorised, rateLimited: false };

  const missing = refuseMissingScopes(req.method, path, behaviour.missingScopes);
  if (missing) return { outcome: json(403, missing), rateLimited: false };

  const { headers, refusal } = gate.limits.take(path);
  if (refusal) return { outcome: json(429, refusal, headers), rateLimited: true };

  const outcome = await answer(gate, req, path, parsed);
  if (outcome !== 'cut') outcome.headers = { ...headers, ...outcome.headers };
  return { outcome, rateLimited: false };
}

async function answer(
  gate: Gate,
  req: Request,
  path: DescribedPath,
  parsed: ParsedBody,
): Promise<Outcome> {
  const fault = gate.faults.take(req.method, path);
  if ('refusal' in parsed) return parsed.refusal;
  const request: StoredRequest = {
    method: req.method,
    url: req.originalUrl,
    headers: { host: req.headers.host ?? '', 'content-type': 'application/json' },
    ...(parsed.body === undefined ? {} : { body: parsed.body }),
  };
  if (fault === undefined) return carryOut(gate.api, gate.journal, request);
  return answerWithFault(gate, fault, request);
}

async function answerWithFault(gate: Gate, fault: Fault, request: StoredRequest): Promise<Outcome> {
  const instead: Outcome = fault.status === undefined ? 'cut' : describeFault(fault, fault.status);
  if (fault.lateMs !== undefined) {
    gate.lateWrites.add(request, fault.lateMs);
    return instead;
  }
  if (fault.delayMs !== undefined) {
    const awaited = delay(fault.delayMs, true, { signal: gate.stopping }).catch(() => false);
    if (!(await awaited)) return 'cut';
  }
  if (fault.drop === 'before') return instead;
  if (fault.drop === 'after') {
    await carryOut(gate.api, gate.journal, request);
    return instead;
  }
  if (fault.status !== undefined) return instead;
  const answered = await carryOut(gate.api, gate.journal, request);
  const changed = fault.body === undefined ? answered : withBody(answered, fault.body);
  return { ...changed, headers: { ...changed.headers, ...lowerCased(fault.headers) } };
}

/** A fault without a body gets one of the form that HubSpot uses for its status. */
function describeFault(fault: Fault, status: number): Answer {
  const plain =
    fault.body === undefined
      ? json(status, defaultBody(status))
      : withBody({ status, headers: {}, text: '' }, fault.body);
  return { ...plain, headers: { ...plain.headers, ...lowerCased(fault.headers) } };
}

function withBody(answered: Answer, body: unknown): Answer {
  if (typeof body !== 'string') return json(answered.status, body, answered.headers);
  const type = body.trimStart().startsWith('<') ? 'text/html' : 'text/plain';
  return {
    status: answered.status,
    headers: { ...answered.headers, 'content-type': `${type}; charset=utf-8` },
    text: body,
  };
}

function defaultBody(status: number): Record<string, unknown> {
  if (status === 429) {
    return {
      status: 'error',
      message: 'You have reached your ten_secondly_rolling limit.',
      errorType: 'RATE_LIMIT',
      correlationId: randomUUID(),
      policyName: 'TEN_SECONDLY_ROLLING',
    };
  }
  return { status: 'error', message: 'internal error', correlationId: randomUUID() };
}

/** The header names that answers bear are lower-cased, so that a fault's header replaces and not doubles. */
function lowerCased(headers: Record<string, string> = {}): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
}

function refuseToken(
  header: string | undefined,
  token: string,
  behaviour: Behaviour,
): Answer | undefined {
  const given = /^Bearer (\S+)$/.exec(header ?? '')?.[1];
  if (given === token) return undefined;
  if (
    given !== undefined &&
    !given.startsWith('pat-') &&
    behaviour.malformedTokenStatus === '530'
  ) {
    return {
      status: 530,
      headers: { 'content-type': 'text/html' },
      text: '<html>error code: 1016</html>',
    };
  }
  return json(401, {
    status: 'error',
    message:
      'Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview',
    correlationId: randomUUID(),
    category: 'INVALID_AUTHENTICATION',
  });
}

type ParsedBody = { body?: unknown } | { refusal: Answer };

/** The bodies of these refusals have no `category`, as the recorded one. */
function parseBody(text: string, contentType: string | undefined): ParsedBody {
  if (text === '') return {};
  if (!/^application\/json\b/i.test(contentType ?? '')) {
    return {
      refusal: json(415, {
        status: 'error',
        message: 'HTTP 415 Unsupported Media Type',
        correlationId: randomUUID(),
      }),
    };
  }
  try {
    return { body: JSON.parse(text) as unknown };
  } catch (error) {
    const { line, column } = placeOf(error as Error, text);
    return {
      refusal: json(400, {
        status: 'error',
        message: `Invalid input JSON on line ${line}, column ${column}: the body could not be read`,
        correlationId: randomUUID(),
      }),
    };
  }
}

/** V8 names the position of most syntax errors; where it doesn't, the text ended too soon. */
function placeOf(error: Error, text: string): { line: number; column: number } {
  const position = Number(/position (\d+)/.exec(error.message)?.[1] ?? text.length);
  const lines = text.slice(0, position).split('\n');
  return { line: lines.length, column: (lines.at(-1) ?? '').length + 1 };
}

function countInputs(parsed: ParsedBody, path: DescribedPath): number {
  const body = 'body' in parsed ? parsed.body : undefined;
  const inputs = (body as { inputs?: unknown } | null | undefined)?.inputs;
  if (Array.isArray(inputs)) return inputs.length;
  return path.single ? 1 : 0;
}

function json(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  return {
    status,
    headers: { ...headers, 'content-type': 'application/json; charset=utf-8' },
    text: JSON.stringify(body),
  };
}
