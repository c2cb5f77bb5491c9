// What came in: the recent requests with their bodies, and counts per kind of call. Tests and people
// read here what a program really sent.
import type { Journal } from './journal.ts';
import type { DescribedPath } from './paths.ts';

/** One request as `GET /_emulator/requests` shows it. */
export type LoggedRequest = {
  /** Arrival, epoch milliseconds. */
  time: number;
  method: string;
  /** As sent, with the query. */
  path: string;
  /** Null when the connection was cut instead of answered. */
  status: number | null;
  requestBody: unknown;
  responseBody: unknown;
  durationMs: number;
  /** How the request ended, where it isn't simply answered: `cut`, or `late` for a write carried out later. */
  note?: string;
};

export type CallCount = {
  count: number;
  /** Records named by the calls: batch inputs, or 1 for a call about one record. */
  inputs: number;
  /** Per status; `cut` counts connections that got no answer. */
  status: Record<string, number>;
};

type LoggedText = Omit<LoggedRequest, 'requestBody' | 'responseBody'> & {
  requestText: string;
  responseText: string;
};

export type RequestLog = {
  /** `counted: false` shows it among the recent requests without counting it as a call. */
  record(request: {
    time: number;
    method: string;
    url: string;
    path: DescribedPath;
    inputs: number;
    status: number | null;
    requestText: string;
    responseText: string;
    durationMs: number;
    note?: string;
    counted?: boolean;
    rateLimited?: boolean;
  }): void;
  /** The last `limit` requests, newest last. */
  recent(limit: number): LoggedRequest[];
  readCalls(): Record<string, CallCount>;
  /** Requests refused by the emulator's own limits. */
  readRateLimited(): number;
};

const KEPT_REQUESTS = 2000;
/** Bodies of the kept requests together, in characters. */
const KEPT_CHARACTERS = 48_000_000;

export function createRequestLog(journal: Journal): RequestLog {
  const calls = journal.map<CallCount>('call-count');
  const totals = journal.map<number>('request-total');
  let recent: LoggedText[] = [];
  let characters = 0;
  let first = 0;

  const keep = (request: LoggedText): void => {
    recent.push(request);
    characters += request.requestText.length + request.responseText.length;
    while (recent.length - first > KEPT_REQUESTS || characters > KEPT_CHARACTERS) {
      const oldest = recent[first];
      if (oldest === undefined) break;
      characters -= oldest.requestText.length + oldest.responseText.length;
      first += 1;
    }
    if (first > KEPT_REQUESTS) {
      recent = recent.slice(first);
      first = 0;
    }
  };

  return {
    record({ url, path, inputs, counted = true, rateLimited = false, ...rest }) {
      keep({ ...rest, path: url });
      if (!counted) return;
      const key = `${rest.method} ${path.pattern}`;
      const call = calls.get(key) ?? { count: 0, inputs: 0, status: {} };
      const status = rest.status === null ? 'cut' : String(rest.status);
      calls.set(key, {
        count: call.count + 1,
        inputs: call.inputs + inputs,
        status: { ...call.status, [status]: (call.status[status] ?? 0) + 1 },
      });
      if (rateLimited) totals.set('rateLimited', (totals.get('rateLimited') ?? 0) + 1);
    },
    recent(limit) {
      const from = Math.max(first, recent.length - limit);
      return recent.slice(from).map(({ requestText, responseText, ...request }) => ({
        ...request,
        requestBody: readBody(requestText),
        responseBody: readBody(responseText),
      }));
    },
    readCalls: () => Object.fromEntries(calls.entries()),
    readRateLimited: () => totals.get('rateLimited') ?? 0,
  };
}

/** JSON where it is JSON, else the text; undefined for an empty body. */
function readBody(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
