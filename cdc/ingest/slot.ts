/**
 * One connection to the replication slot: what it sends, in the order of arrival, and what is told
 * to it. The only importer of the replication library, which needs care: its own acknowledging, its
 * own timer and its own queue are all off, and each connection is a new service that starts where
 * the server's slot stands.
 */
import type { Socket } from 'node:net';
import type pg from 'pg';
import { LogicalReplicationService, PgoutputPlugin } from 'pg-logical-replication';
import { type Lsn, parseLsn } from '../../shared/postgres/lsn.ts';
import { errorTable } from '../../shared/service/errors.ts';
import { type Acker, createAcker } from './acker.ts';
import type { WalMessage } from './change.ts';
import { decodePgoutput, keepText, type PgoutputMessage } from './decode-pgoutput.ts';

export const slotError = errorTable({
  SLOT_DISCONNECTED: {
    disposition: 'retry',
    advice: 'Nothing: it connects again by itself. If it never succeeds, check the server.',
  },
  SLOT_SILENT: {
    disposition: 'retry',
    advice: 'Nothing: it connects again by itself. Check the network if it happens again.',
  },
  SLOT_UNREADABLE: {
    disposition: 'stop',
    advice: 'This is a bug or a server that is too new: please report it with the log.',
  },
  PUBLICATION_MISSING: {
    disposition: 'stop',
    advice: 'Run `pg-hubspot-sync init`, then `pg-hubspot-sync reconcile --full`.',
  },
});

/**
 * The text of values depends on these settings of the session; the same ones as in pooled
 * transactions, or the same value would be two different texts.
 */
const SESSION_OPTIONS =
  '-c datestyle=ISO,MDY -c timezone=UTC -c extra_float_digits=1 -c bytea_output=hex -c intervalstyle=postgres';

/** What may wait before the socket is paused, in messages and in bytes; taking it lets it go on. */
const HIGH_WATER = { messages: 20_000, bytes: 16 * 1024 * 1024 };

export interface SlotOptions {
  readonly databaseUrl: string;
  readonly slot: string;
  readonly publication: string;
  /** What the slot has confirmed. */
  readonly start: Lsn;
  /** The server's wal_sender_timeout in ms; 0 where it is off. */
  readonly walSenderTimeoutMs: number;
  /** The server has begun to stream. */
  readonly onStart?: () => void;
}

export interface SlotStream {
  readonly acker: Acker;
  /** Everything that arrived since the last call, at least one; undefined after `close`. */
  next(): Promise<readonly WalMessage[] | undefined>;
  /** Ends the connection at once; `next` throws the reason, or answers undefined without one. */
  close(reason?: Error): void;
  /** Resolves when the socket is closed. */
  readonly closed: Promise<void>;
}

/** Opens the stream. Errors of the connection come out of `next`. */
export function openSlot(options: SlotOptions): SlotStream {
  const { databaseUrl, slot, publication, start, walSenderTimeoutMs } = options;
  const service = new LogicalReplicationService(
    {
      ...connectionOf(databaseUrl),
      application_name: 'pg-hubspot-sync stream',
      connectionTimeoutMillis: 10_000,
      keepAlive: true,
    },
    { acknowledge: { auto: false, timeoutSeconds: 0 }, flowControl: { enabled: false } },
  );
  const acker = createAcker((lsn, ping) => void service.acknowledge(lsn, ping), start);
  const timeoutMs = walSenderTimeoutMs || 60_000;

  let waiting: WalMessage[] = [];
  let waitingBytes = 0;
  let wake: () => void = () => undefined;
  let ended = false;
  let reason: Error | undefined;
  let client: pg.Client | undefined;
  let paused = false;
  let lastReceived = Date.now();
  let tellClosed: () => void = () => undefined;
  const closed = new Promise<void>((resolve) => {
    tellClosed = resolve;
  });

  const socket = () =>
    (client as unknown as { connection: { stream: Socket } } | undefined)?.connection.stream;
  const push = (message: WalMessage) => {
    waiting.push(message);
    const full = waiting.length >= HIGH_WATER.messages || waitingBytes >= HIGH_WATER.bytes;
    if (full && !paused) {
      paused = true;
      socket()?.pause();
    }
    wake();
  };

  const plugin = createPlugin(publication, {
    onStart(started) {
      client = started;
      // On 18 a dropped publication streams nothing and says so only in a notice.
      started.on('notice', (notice) => {
        if (/publication/.test(notice.message ?? '')) {
          close(
            slotError('PUBLICATION_MISSING', `the server does not stream: ${notice.message}`, {
              slot,
              publication,
            }),
          );
        }
      });
      socket()?.once('close', () => {
        close(slotError('SLOT_DISCONNECTED', 'the replication connection ended', { slot }));
        tellClosed();
      });
    },
    onMessage: (bytes) => {
      waitingBytes += bytes;
      lastReceived = Date.now();
      acker.received();
    },
  });

  service.on('data', (_lsn: string, message: PgoutputMessage) => {
    try {
      push(decodePgoutput(message));
    } catch (error) {
      push({ kind: 'unreadable', error: error as Error });
    }
  });
  service.on('heartbeat', (text: string, _time: number, shouldRespond: boolean) => {
    lastReceived = Date.now();
    const lsn = parseLsn(text);
    if (acker.isPassed()) push({ kind: 'passed', lsn });
    if (shouldRespond) acker.keepAlive();
  });
  service.on('error', (error: Error) => close(disconnected(error)));
  service.on('start', () => {
    options.onStart?.();
    // The answer tells whether anything is waiting for us.
    acker.keepAlive();
  });
  // Never resolves while it streams; a server's error in mid-stream is its rejection.
  service.subscribe(plugin as never, slot, '0/0').then(
    () => close(slotError('SLOT_DISCONNECTED', 'the server ended the stream', { slot })),
    (error: Error) => close(disconnected(error)),
  );

  // The library has no keepalive of its own that wouldn't acknowledge what wasn't stored.
  const timer = setInterval(() => {
    if (paused) lastReceived = Date.now();
    if (Date.now() - lastReceived > timeoutMs) {
      close(slotError('SLOT_SILENT', `nothing was heard of the server for ${timeoutMs} ms`));
      return;
    }
    acker.keepAlive();
  }, timeoutMs / 3);

  function disconnected(error: Error): Error {
    return slotError('SLOT_DISCONNECTED', error.message, { slot, ...codeOf(error) }, error);
  }

  function close(why?: Error) {
    if (ended) return;
    ended = true;
    reason = why;
    clearInterval(timer);
    const stream = socket();
    // Destroyed, not ended: a walsender that waits for us holds up the server's shutdown. What was
    // acknowledged is with the kernel already, except while the socket is congested.
    if (why || !stream) stream?.destroy();
    else endSoon(stream);
    if (!stream) tellClosed();
    service.stop().catch(() => undefined);
    wake();
  }

  return {
    acker,
    closed,
    close,
    async next() {
      for (;;) {
        if (ended) {
          if (reason) throw reason;
          return undefined;
        }
        if (waiting.length > 0) {
          const batch = waiting;
          waiting = [];
          waitingBytes = 0;
          if (paused) {
            paused = false;
            lastReceived = Date.now();
            socket()?.resume();
          }
          return batch;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

/** Sends what is written already; a peer that doesn't take it doesn't hold us up. */
function endSoon(stream: Socket): void {
  stream.destroySoon();
  setTimeout(() => stream.destroy(), 1_000).unref();
}

/** pgoutput with every value left as text, and a `parse` that never throws. */
function createPlugin(
  publication: string,
  hooks: { onStart(client: pg.Client): void; onMessage(bytes: number): void },
): PgoutputPlugin {
  const plugin = new PgoutputPlugin({
    protoVersion: 1,
    // A list of identifiers inside a literal.
    publicationNames: [`"${publication.replaceAll('"', '""')}"`.replaceAll("'", "''")],
    messages: true,
  });
  const parse = plugin.parse.bind(plugin);
  const startStream = plugin.start.bind(plugin);
  plugin.start = (client, name, lsn) => {
    hooks.onStart(client);
    return startStream(client, name, lsn);
  };
  // An exception in here would be an uncaught one, and the rest of the chunk would come twice.
  plugin.parse = (buffer) => {
    hooks.onMessage(buffer.length);
    try {
      const message = parse(buffer) as unknown as PgoutputMessage;
      keepText(message);
      return message as never;
    } catch (error) {
      return { tag: 'unreadable', error } as never;
    }
  };
  return plugin;
}

function codeOf(error: Error): { sqlState?: string } {
  const { code } = error as { code?: string };
  return code === undefined ? {} : { sqlState: code };
}

/** `options` of a connection string stand above those beside it, so ours are added to them. */
function connectionOf(databaseUrl: string): pg.ClientConfig {
  if (!URL.canParse(databaseUrl)) {
    return { connectionString: databaseUrl, options: SESSION_OPTIONS };
  }
  const url = new URL(databaseUrl);
  const given = url.searchParams.get('options');
  url.searchParams.set('options', given ? `${given} ${SESSION_OPTIONS}` : SESSION_OPTIONS);
  return { connectionString: url.href };
}
