// Carries out a request inside the process and hands back the answer, apart from any connection. So a
// request can be executed and its answer lost, or executed long after its connection was cut.
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Express } from 'express';
import type { Journal } from './journal.ts';

/** A request that can be kept in the journal. */
export type StoredRequest = {
  method: string;
  /** Path and query. */
  url: string;
  headers: Record<string, string>;
  /** The parsed JSON body; absent when there was none. */
  body?: unknown;
};

export type Answer = { status: number; headers: Record<string, string>; text: string };

/**
 * Runs the request through the app. Everything that a handler writes before it first waits is one line of
 * the journal, so that a kill leaves all or nothing of it.
 */
export function carryOut(app: Express, journal: Journal, request: StoredRequest): Promise<Answer> {
  return new Promise((resolve) => {
    const incoming = new IncomingMessage(new Socket());
    incoming.method = request.method;
    incoming.url = request.url;
    incoming.headers = request.headers;
    incoming.complete = true;
    incoming.push(null);
    if (request.body !== undefined) Object.assign(incoming, { body: request.body });

    const response = new ServerResponse(incoming);
    const chunks: Buffer[] = [];
    const keep = (chunk: unknown, encoding: unknown): void => {
      if (typeof chunk === 'string') {
        chunks.push(
          Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8'),
        );
      } else if (chunk instanceof Uint8Array) chunks.push(Buffer.from(chunk));
    };
    response.write = (chunk: unknown, encoding?: unknown): boolean => {
      keep(chunk, encoding);
      return true;
    };
    response.end = (chunk?: unknown, encoding?: unknown): ServerResponse => {
      keep(chunk, encoding);
      const headers: Record<string, string> = {};
      for (const [name, value] of Object.entries(response.getHeaders())) {
        if (value !== undefined && name !== 'content-length') headers[name] = String(value);
      }
      resolve({ status: response.statusCode, headers, text: Buffer.concat(chunks).toString() });
      return response;
    };
    journal.together(() => app(incoming, response));
  });
}

/** A write whose caller is gone; `dueAt` is epoch milliseconds. */
type LateWrite = { dueAt: number; request: StoredRequest };

export type LateWrites = {
  /** Keeps the request and carries it out `lateMs` from now. */
  add(request: StoredRequest, lateMs: number): void;
  readonly size: number;
  /** Forgets the timers; what is pending stays in the journal. */
  stop(): void;
};

/**
 * The requests to be carried out after their connection was cut. They live in the journal: those that a
 * killed emulator left are taken up at once, the overdue ones immediately.
 */
export function createLateWrites(
  journal: Journal,
  execute: (request: StoredRequest) => Promise<void>,
): LateWrites {
  const writes = journal.map<LateWrite>('late-write');
  const timers = new Set<NodeJS.Timeout>();
  let lastKey = Math.max(0, ...[...writes.keys()].map(Number));

  const schedule = (key: string, write: LateWrite): void => {
    const timer = setTimeout(
      () => {
        timers.delete(timer);
        // In one line with what it writes: a kill must not leave it both done and pending.
        journal.together(() => {
          writes.delete(key);
          void execute(write.request);
        });
      },
      Math.max(0, write.dueAt - Date.now()),
    );
    timers.add(timer);
  };

  for (const [key, write] of [...writes.entries()]) schedule(key, write);

  return {
    add(request, lateMs) {
      lastKey += 1;
      const write = { dueAt: Date.now() + lateMs, request };
      writes.set(String(lastKey), write);
      schedule(String(lastKey), write);
    },
    get size() {
      return writes.size;
    },
    stop() {
      for (const timer of timers) clearTimeout(timer);
      timers.clear();
    },
  };
}
