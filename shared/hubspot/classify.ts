/**
 * From what came back, or didn't, to the row of the error table: answers of HubSpot by status and
 * body, failures of the connection by their code.
 */
import { readErrors, wordOf } from './error-bodies.ts';
import {
  HubSpotError,
  type HubSpotErrorCode,
  hubspotErrorKinds,
  type ItemError,
} from './errors.ts';

/** The call an answer belongs to, as far as its errors depend on it. */
export interface CallFacts {
  /** `POST /crm/v3/objects/deals/batch/update`. */
  readonly call: string;
  readonly write: boolean;
  readonly idProperty?: string | undefined;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed where it is JSON, whatever its content type; else the text; undefined when empty. */
  readonly body: unknown;
}

/** HubSpot's rolling window; no refusal of it lasts longer. */
export const WINDOW_MS = 10_000;

/** Statuses that mean the same whatever the body says. */
const codesByStatus: Readonly<Record<number, HubSpotErrorCode>> = {
  401: 'HUBSPOT_TOKEN_REFUSED',
  408: 'HUBSPOT_SERVER_ERROR',
  413: 'HUBSPOT_TOO_LARGE',
  423: 'HUBSPOT_LOCKED',
  477: 'HUBSPOT_MIGRATING',
  // Cloudflare reached no server of HubSpot: 521 down, 522 no connection, 523 no route, 525 and 526 no
  // TLS; 530 also answers a token of a wrong form.
  521: 'HUBSPOT_UNAVAILABLE',
  522: 'HUBSPOT_UNAVAILABLE',
  523: 'HUBSPOT_UNAVAILABLE',
  525: 'HUBSPOT_UNAVAILABLE',
  526: 'HUBSPOT_UNAVAILABLE',
  530: 'HUBSPOT_UNAVAILABLE',
};

/** Of several troubles with one call the first of these says what happens next. */
const precedence: readonly HubSpotErrorCode[] = [
  'HUBSPOT_KEY_NOT_UNIQUE',
  'HUBSPOT_DUPLICATE_IDS',
  'HUBSPOT_PROPERTY_REFUSED',
  'HUBSPOT_LOCKED',
  'HUBSPOT_CONFLICT',
  'HUBSPOT_NOT_FOUND',
  'HUBSPOT_VALUES_REFUSED',
];

/**
 * The error that an answer outside of the accepted statuses stands for.
 * @param waitMs how long the limiter holds back what was refused, instead of the header's wish.
 */
export function errorOfAnswer(answer: RawAnswer, facts: CallFacts, waitMs?: number): HubSpotError {
  const { status, headers, body } = answer;
  const source = isBody(body) ? body : {};
  const items = body === undefined ? [] : readErrors(body, facts);
  const policyName = status === 429 ? policyOf(source) : undefined;
  const code = codeOf(status, items, policyName);
  const about = items.filter((item) => item.code === code);
  const category = wordOf(source.category);
  return new HubSpotError(code, describe(status, code, category ?? policyName, about, facts), {
    status,
    write: facts.write,
    // The body may say 404 or 409 of one record where the status is about the call, so both stay.
    items: items.map((item) =>
      about.length > 0 ? item : { ...item, code, disposition: hubspotErrorKinds[code].disposition },
    ),
    ...optional('category', category),
    ...optional('policyName', policyName),
    ...optional('correlationId', wordOf(source.correlationId) ?? headerId(headers)),
    ...optional('retryAfterMs', waitMs ?? readRetryAfter(headers.get('retry-after'), status, code)),
  });
}

function codeOf(
  status: number,
  items: readonly ItemError[],
  policyName: string | undefined,
): HubSpotErrorCode {
  if (status === 429) {
    return policyName === 'DAILY' ? 'HUBSPOT_DAILY_LIMIT' : 'HUBSPOT_RATE_LIMITED';
  }
  const fixed = codesByStatus[status];
  if (fixed !== undefined) return fixed;
  // 502, 503, 504 and 524 included: a gateway that gave up says nothing of what went on behind it.
  if (status >= 500) return 'HUBSPOT_SERVER_ERROR';
  if (status < 400) return 'HUBSPOT_UNREADABLE';
  const found = new Set(items.map((item) => item.code));
  if (status === 403) {
    return found.has('HUBSPOT_SCOPE_MISSING') ? 'HUBSPOT_SCOPE_MISSING' : 'HUBSPOT_FORBIDDEN';
  }
  if (status === 404 && !items.some((item) => item.ids.length > 0 || item.traceIds.length > 0)) {
    return 'HUBSPOT_PATH_UNKNOWN';
  }
  if (status === 409) return 'HUBSPOT_CONFLICT';
  return precedence.find((code) => found.has(code)) ?? 'HUBSPOT_REQUEST_REFUSED';
}

/** Says what happened in names and codes; HubSpot's own text stays in the items. */
function describe(
  status: number,
  code: HubSpotErrorCode,
  word: string | undefined,
  about: readonly ItemError[],
  { call }: CallFacts,
): string {
  const reasons = [...new Set(about.flatMap((item) => item.reasons))];
  const properties = [...new Set(about.flatMap((item) => item.properties))];
  const details = [
    reasons.slice(0, 5).join(', '),
    properties.length > 0 ? `of ${properties.slice(0, 10).join(', ')}` : '',
  ]
    .filter(Boolean)
    .join(' ');
  const verb = status < 400 ? 'was answered with an unexpected' : 'was answered with';
  return `${call} ${verb} ${status}${word ? ` ${word}` : ''}${details ? ` (${details})` : ''}: ${code}`;
}

/** Documented name first, then the sentence: some answers carry only one of the two. */
function policyOf(source: Readonly<Record<string, unknown>>): string | undefined {
  const policy = wordOf(source.policyName);
  if (policy !== undefined) return policy;
  const hit = /your (\w+) limit/i.exec(typeof source.message === 'string' ? source.message : '');
  return hit?.[1]?.toUpperCase();
}

/**
 * Milliseconds to wait at least. HubSpot documents seconds for 477 only; elsewhere both seconds and
 * milliseconds are met, and a refusal of the rolling or secondly limit is over when its window is.
 */
export function readRetryAfter(
  header: string | null,
  status: number,
  code: HubSpotErrorCode,
): number | undefined {
  if (code === 'HUBSPOT_LOCKED') return Math.max(2000, numberOf(header, status) ?? 0);
  const wished = numberOf(header, status);
  if (code === 'HUBSPOT_RATE_LIMITED' && wished !== undefined) return Math.min(wished, WINDOW_MS);
  return wished;
}

function numberOf(header: string | null, status: number): number | undefined {
  if (header === null || !/^\d+(\.\d+)?$/.test(header.trim())) return undefined;
  const value = Number(header);
  return status !== 477 && value >= 1000 ? value : value * 1000;
}

const unreachable = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'EMFILE',
  'UND_ERR_CONNECT_TIMEOUT',
  'ERR_INVALID_URL',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
]);

/**
 * The error of a request that brought no answer. Only a failure to connect proves that nothing was
 * sent; everything else leaves a write's outcome open.
 */
export function errorOfFailure(thrown: unknown, facts: CallFacts): HubSpotError {
  const causes = causesOf(thrown);
  const system = causes.map((cause) => wordOf(cause.code)).find((code) => code !== undefined);
  const connecting = causes.some(
    ({ code, syscall }) =>
      syscall === 'connect' || syscall === 'getaddrinfo' || unreachable.has(String(code)),
  );
  const code = connecting ? 'HUBSPOT_NO_CONNECTION' : 'HUBSPOT_CONNECTION_LOST';
  const what = connecting ? 'could not be sent' : 'lost its connection before the answer';
  return new HubSpotError(code, `${facts.call} ${what}${system ? ` (${system})` : ''}`, {
    write: facts.write,
    facts: { system },
    cause: thrown,
  });
}

interface Failure {
  readonly code?: unknown;
  readonly syscall?: unknown;
  readonly cause?: unknown;
  readonly errors?: unknown;
}

/** `fetch failed` hides what happened in its cause, and several addresses in an AggregateError. */
function causesOf(thrown: unknown): readonly Failure[] {
  const causes: Failure[] = [];
  const collect = (failure: unknown): void => {
    if (typeof failure !== 'object' || failure === null || causes.length > 10) return;
    const { cause, errors } = failure as Failure;
    causes.push(failure as Failure);
    collect(cause);
    if (Array.isArray(errors)) errors.forEach(collect);
  };
  collect(thrown);
  return causes;
}

function headerId(headers: Headers): string | undefined {
  return wordOf(headers.get('x-hubspot-correlation-id'));
}

function isBody(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function optional<K extends string, V>(name: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [name]: value } as { [P in K]?: V });
}
