/**
 * One call from its name to its answer: the request of the version's table, a turn in the limiter, the
 * judgement by status, and patience with limits that pass within seconds.
 */
import { ZodError } from 'zod';
import type { Events } from '../service/events.ts';
import { errorOfAnswer } from './classify.ts';
import { HubSpotError } from './errors.ts';
import type { CallOptions, DateBracket } from './hubspot.ts';
import type { Limiter } from './limiter.ts';
import type { TimedAnswer, Transport } from './transport.ts';
import type { CallName, CallSpec } from './versions.ts';

/** What a call needs besides its name. */
export interface Ask {
  readonly from?: string;
  readonly to?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly idProperty?: string | undefined;
  readonly options?: CallOptions | undefined;
}

/** A good answer, and what its `Date` header says of when the call was carried out. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly date: DateBracket;
  readonly correlationId?: string;
}

/** Asks, and reads the answer; a body that can't be read is HUBSPOT_UNREADABLE. */
export type AskHubSpot = <T>(name: CallName, ask: Ask, read: (answer: Answer) => T) => Promise<T>;

export interface AskParts {
  readonly calls: Readonly<Record<CallName, CallSpec>>;
  readonly limiter: Limiter;
  readonly send: Transport;
  readonly events: Events;
}

/** A refusal of the rolling or secondly limit is waited out so often before it is thrown. */
const patience = 3;

export function createAsk(parts: AskParts): AskHubSpot {
  return async (name, request, read) => {
    const spec = parts.calls[name];
    const answer = await askInTurn(spec, request, parts);
    try {
      return read(answer);
    } catch (thrown) {
      if (!(thrown instanceof ZodError || thrown instanceof TypeError)) throw thrown;
      throw unreadable(spec, request, answer.status, thrown);
    }
  };
}

async function askInTurn(
  spec: CallSpec,
  { from = '', to = '', query, body, idProperty, options = {} }: Ask,
  { limiter, send, events }: AskParts,
): Promise<Answer> {
  const { method, write, kind } = spec;
  const { lane = 'live', signal } = options;
  const path = spec.path(from, to);
  const call = `${method} ${path}`;
  const request = {
    ...{ call, write, idProperty, method, path, body, lane, signal },
    ...(query === undefined ? {} : { query }),
  };
  for (let tries = 1; ; tries += 1) {
    const answer = await limiter.run({ call, lane, kind, signal }, () => send(request));
    limiter.noteAnswer(answer.headers, kind);
    if (spec.accepts.includes(answer.status)) {
      const missing = spec.body === 'yes' && typeof answer.body !== 'object';
      if (missing) throw errorOfAnswer({ ...answer, body: undefined }, request);
      return toAnswer(answer);
    }
    const error = errorOfAnswer(answer, request);
    if (answer.status !== 429) throw error;
    events.emit('hubspot:limited', { call, policy: error.policyName });
    const waitMs = limiter.noteLimited(error.policyName, kind, error.retryAfterMs);
    if (error.code === 'HUBSPOT_DAILY_LIMIT' || tries >= patience) {
      throw errorOfAnswer(answer, request, waitMs);
    }
  }
}

function toAnswer(answer: TimedAnswer): Answer {
  const { status, body, headers } = answer;
  const correlationId = headers.get('x-hubspot-correlation-id');
  return { status, body, date: dateOf(answer), ...(correlationId ? { correlationId } : {}) };
}

/**
 * The header is cut to the second and set when the answer begins. How long we waited is known exactly,
 * whatever our own clock says, so that a slow call widens the bracket at its lower end.
 */
function dateOf({ headers, sentAt, receivedAt }: TimedAnswer): DateBracket {
  const date = Date.parse(headers.get('date') ?? '');
  // Without the header there is only our own clock; a proxy that strips it is rare.
  if (Number.isNaN(date)) return { low: sentAt - 5000, high: receivedAt + 5000 };
  return { low: date - (receivedAt - sentAt) - 1000, high: date + 1000 };
}

function unreadable(
  { method, path, write }: CallSpec,
  { from = '', to = '' }: Ask,
  status: number,
  thrown: Error,
): HubSpotError {
  const place = thrown instanceof ZodError ? thrown.issues[0]?.path.join('.') : undefined;
  const call = `${method} ${path(from, to)}`;
  return new HubSpotError(
    'HUBSPOT_UNREADABLE',
    `${call} was answered with ${status} and a body of another shape${place ? ` (at ${place})` : ''}`,
    { status, write, facts: { place } },
  );
}
