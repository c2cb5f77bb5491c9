/**
 * `/livez`, `/healthz`, `/readyz` and `/metrics`: mounted by the webhook room on its own server, and
 * served alone by cdc on CDC_PORT. `/livez` asks nobody: a database that is away must not make an
 * orchestrator kill a process that waits for it.
 */
import { createServer, type Server } from 'node:http';
import express, { type Router } from 'express';
import type { Registry } from 'prom-client';
import { serviceError } from './errors.ts';
import type { Readiness } from './lifecycle.ts';

export interface HealthSources {
  /** Asked for each `/readyz`; its checks are the answer's body. */
  ready(): Promise<boolean | Readiness>;
  readonly registry?: Registry | undefined;
}

/**
 * What `start` and the `webhook` command hand to the webhook room for its server, beside its own
 * routes: rooms don't import each other, so the status API reaches it as a router.
 */
export interface ServerExtras {
  /** Shown at `/metrics`. */
  readonly registry?: Registry | undefined;
  /** Stands in for the room's own readiness at `/readyz`: under `start` it covers every room. */
  readonly ready?: HealthSources['ready'] | undefined;
  /** Mounted at `/` after the webhook route. */
  readonly routes?: readonly Router[] | undefined;
}

export function healthRoutes({ ready, registry }: HealthSources): Router {
  const router = express.Router();
  router.get(['/livez', '/healthz'], (_request, response) => {
    response.json({ ok: true });
  });
  router.get('/readyz', async (_request, response) => {
    const answer = await ready().catch(() => false);
    const readiness = typeof answer === 'boolean' ? { ready: answer, checks: {} } : answer;
    response.status(readiness.ready ? 200 : 503).json(readiness);
  });
  if (registry) {
    router.get('/metrics', async (_request, response) => {
      response.set('content-type', registry.contentType).send(await registry.metrics());
    });
  }
  return router;
}

export interface RunningServer {
  readonly port: number;
  readonly url: string;
  /** Takes no new connection, lets running requests end, for at most `graceMs`. */
  close(): Promise<void>;
}

/** An own small server for the health routes. */
export function startHealthServer(
  options: HealthSources & { readonly host: string; readonly port: number },
): Promise<RunningServer> {
  const app = express();
  app.disable('x-powered-by');
  app.use(healthRoutes(options));
  return listen(createServer(app), { ...options, variable: 'CDC_PORT' });
}

/** Where a server listens; `variable` is the setting that names the port. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
  readonly variable: string;
}

const listenReasons: Readonly<Record<string, string>> = {
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the host’s name can’t be looked up now',
  EADDRNOTAVAIL: 'this host has no such address',
  EACCES: 'this user may not listen there',
};

/** What a failed `listen` means, as PORT_IN_USE or LISTEN_REFUSED; anything else as it is. */
export function explainListenError(
  error: unknown,
  { host, port, variable }: ListenAddress,
): unknown {
  const { code, syscall, hostname } = error as NodeJS.ErrnoException & { hostname?: string };
  if (code === 'EADDRINUSE') {
    return serviceError('PORT_IN_USE', `Port ${port} on ${host} is in use (${variable}).`, {
      port,
      variable,
    });
  }
  // What failed may have been to reach another host.
  const ours = syscall === 'listen' || syscall === 'bind' || hostname === host;
  const reason = ours ? (listenReasons[code ?? ''] ?? code) : undefined;
  if (reason === undefined) return error;
  return serviceError(
    'LISTEN_REFUSED',
    `Can’t listen on ${host}:${port} (LISTEN_HOST, ${variable}): ${reason}.`,
    { host, port, variable },
    error,
  );
}

/**
 * Starts to listen; every server of ours goes through here.
 * @throws SyncError PORT_IN_USE, LISTEN_REFUSED
 */
export function listen(
  server: Server,
  address: ListenAddress,
  graceMs = 5000,
): Promise<RunningServer> {
  const { host, port } = address;
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(explainListenError(error, address)));
    server.listen(port, host, () => {
      const bound = (server.address() as { port: number }).port;
      const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
      resolve({
        port: bound,
        url: `http://${name.includes(':') ? `[${name}]` : name}:${bound}`,
        close: () =>
          new Promise((done) => {
            const force = setTimeout(() => server.closeAllConnections(), graceMs);
            server.close(() => {
              clearTimeout(force);
              done();
            });
            server.closeIdleConnections();
          }),
      });
    });
  });
}
