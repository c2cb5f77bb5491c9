// The emulator as a whole: one HTTP server whose API paths go through the gate to the CRM, and whose
// control paths reach behind all of it. What it remembers stands in the journal.
import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express, { type NextFunction, type Request, type Response } from 'express';
import { crmRoutes } from './api/routes.ts';
import { type Behaviour, openBehaviour } from './behaviour.ts';
import { createLateWrites } from './carry-out.ts';
import { controlRoutes } from './control/control.ts';
import { ControlError, readJson } from './control/input.ts';
import { createCrm } from './crm/create.ts';
import { createFaults } from './faults.ts';
import { carryOutLate, type Gate, passThrough } from './gate.ts';
import { type Journal, openJournal } from './journal.ts';
import { createLimits } from './limits.ts';
import { createRequestLog } from './requests.ts';
import { createWebhooks } from './webhooks/webhooks.ts';

export type EmulatorOptions = {
  /** 0 chooses a free one. */
  port: number;
  /** Default 127.0.0.1. */
  host?: string;
  /** Where `emulator.jsonl` is kept; without it everything is forgotten at the end. */
  dataDir?: string;
  /** The one bearer token that is accepted. Default `pat-emulator`. */
  token?: string;
  /** Requests in any 10 seconds. Default 190. */
  rateLimit?: number;
  /** Signs the webhooks; the app's client secret. */
  clientSecret: string;
  appId: number;
  portalId: number;
  /**
   * The receiver's public URL, which is also the URL that is signed. Without it events wait until there is
   * one; with null nobody is told of anything.
   */
  webhookUrl?: string | null | undefined;
  /** Epoch milliseconds. Default Date.now. */
  clock?: () => number;
  /** Other defaults of the switches. */
  behaviour?: Partial<Behaviour>;
  /** Gets a line where there is something to say. A logger will do. */
  log?: ((line: string) => void) | { info(line: string): void };
};

export type Emulator = {
  /** `http://127.0.0.1:4010`, without a trailing slash. */
  url: string;
  port: number;
  /** Closes at once: connections are cut, pending webhooks and late writes stay in the journal. */
  stop(): Promise<void>;
};

/** Another process listens on the port. */
export class EmulatorPortInUseError extends Error {
  override name = 'EmulatorPortInUseError';
  readonly code = 'EADDRINUSE';
  readonly port: number;

  constructor(port: number, host: string, cause: unknown) {
    super(`Port ${port} of ${host} is in use; choose another one for the emulator.`, { cause });
    this.port = port;
  }
}

const BODY_LIMIT = '32mb';

/** Starts the emulator and answers once it listens. Throws {@link EmulatorPortInUseError}. */
export async function startEmulator(options: EmulatorOptions): Promise<Emulator> {
  const { port, host = '127.0.0.1', dataDir, token = 'pat-emulator', rateLimit = 190 } = options;
  const now = options.clock ?? Date.now;
  const log = toLog(options.log);

  const app = express();
  app.disable('x-powered-by');
  const server = createServer(app);
  // Longer than clients keep idle connections: one that is closed under a request looks like a lost answer.
  server.keepAliveTimeout = 75_000;
  // Before the journal is opened: whoever holds the port may hold the journal too.
  await listen(server, port, host);

  const journal = openJournalOrClose(dataDir, server);
  const handle = openBehaviour(journal, options.behaviour);
  const { behaviour } = handle;
  const startWire = () => {
    const { clientSecret, portalId, appId, webhookUrl } = options;
    return {
      limits: createLimits({ rateLimit, appId, journal, now, switches: behaviour }),
      faults: createFaults(journal, (segment) => crm.nameType(segment)),
      requestLog: createRequestLog(journal),
      webhooks: createWebhooks({
        journal,
        switches: behaviour,
        clientSecret,
        portalId,
        appId,
        webhookUrl,
        isSensitive: (type, property) => crm.isSensitive(type, property),
        log,
      }),
      lateWrites: createLateWrites(journal, (request) => carryOutLate(gate(), request)),
      stopping: new AbortController(),
    };
  };

  const stopWire = (): void => {
    wire.stopping.abort();
    wire.webhooks.stop();
    wire.lateWrites.stop();
  };

  const crm = createCrm({
    journal,
    behaviour,
    clock: now,
    portalId: options.portalId,
    appId: options.appId,
    emit: (change) => wire.webhooks.announce(change),
  });
  let wire = startWire();

  const api = express();
  api.disable('x-powered-by');
  api.disable('etag');
  api.use(crmRoutes(crm, { dailyUsage: () => wire.limits.readDailyUsage() }));
  api.use((_req: Request, res: Response) => {
    res.status(404).json({
      status: 'error',
      message: 'resource not found',
      correlationId: randomUUID(),
      category: 'OBJECT_NOT_FOUND',
    });
  });
  api.use((error: unknown, req: Request, res: Response, _next: NextFunction) => {
    log(`${req.method} ${req.path} failed inside the emulator: ${(error as Error).stack}`);
    res
      .status(500)
      .json({ status: 'error', message: 'internal error', correlationId: randomUUID() });
  });

  const gate = (): Gate => ({
    ...wire,
    api,
    journal,
    behaviour,
    nameType: (segment) => crm.nameType(segment),
    token,
    now,
    stopping: wire.stopping.signal,
  });

  const reset = (): void => {
    stopWire();
    journal.clear();
    handle.reset();
    crm.reset();
    wire = startWire();
  };

  app.use(express.raw({ type: () => true, limit: BODY_LIMIT }));
  app.use(
    '/_emulator',
    (req, _res, next) => {
      req.body = readJson(req.body);
      next();
    },
    controlRoutes(() => ({ ...wire, crm, journal, behaviour: handle }), reset),
  );
  app.use((req, res) => passThrough(gate(), req, res));
  app.use(answerBrokenRequest);

  const address = server.address() as AddressInfo;
  const shown = host.includes(':') ? `[${host}]` : host;
  return {
    url: `http://${shown === '0.0.0.0' ? '127.0.0.1' : shown}:${address.port}`,
    port: address.port,
    async stop() {
      stopWire();
      crm.stop();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      journal.close();
    },
  };
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'EADDRINUSE' ? new EmulatorPortInUseError(port, host, error) : error);
    });
    server.listen(port, host, () => resolve());
  });
}

function openJournalOrClose(dataDir: string | undefined, server: Server): Journal {
  try {
    return openJournal(dataDir);
  } catch (error) {
    server.close();
    throw error;
  }
}

/** A body that is too large or broken on its way, before any path is looked at. */
function answerBrokenRequest(
  error: unknown,
  _req: Request,
  res: Response,
  _next: NextFunction,
): void {
  const given =
    error instanceof ControlError ? error.status : (error as { status?: number }).status;
  res.status(given ?? 500).json({
    status: 'error',
    message: (error as Error).message,
    correlationId: randomUUID(),
  });
}

function toLog(given: EmulatorOptions['log']): (line: string) => void {
  if (given === undefined) return () => undefined;
  return typeof given === 'function' ? given : (line) => given.info(line);
}
