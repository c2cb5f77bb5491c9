/** Whether what a command stands on can be reached, asked before any work, in sentences without secrets. */
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { serviceError } from '../shared/service/errors.ts';
import { explainListenError, type ListenAddress } from '../shared/service/health.ts';

const connectTimeoutMs = 10_000;

/**
 * Opens a session and closes it again. A server that is still starting (57P03) is waited for.
 * @throws SyncError DATABASE_UNREACHABLE, within 12 s
 */
export async function reachDatabase(databaseUrl: string): Promise<void> {
  const deadline = Date.now() + connectTimeoutMs;
  for (;;) {
    const client = new pg.Client({
      connectionString: databaseUrl,
      connectionTimeoutMillis: connectTimeoutMs,
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      await client.end().catch(() => undefined);
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === '57P03' && Date.now() < deadline) {
        await delay(250);
        continue;
      }
      const { hostname, port, pathname } = new URL(databaseUrl);
      const where = `${hostname}:${port || 5432}${pathname}`;
      const reason = reasonOf(error) ?? (code ? `${message} (${code})` : message);
      throw serviceError(
        'DATABASE_UNREACHABLE',
        `Can’t reach Postgres at ${where}: ${reason}.`,
        { where },
        error,
      );
    }
  }
}

/** node gathers the failures of a name's several addresses in an error without a message. */
function reasonOf(error: unknown): string | undefined {
  const first = error instanceof AggregateError ? error.errors[0] : error;
  const { code } = first as NodeJS.ErrnoException;
  const known: Record<string, string> = {
    ECONNREFUSED: 'nobody listens there',
    ENOTFOUND: 'there is no such host',
    EAI_AGAIN: 'the host’s name can’t be looked up now',
    ETIMEDOUT: 'no answer',
    EHOSTUNREACH: 'no way to that host',
    ECONNRESET: 'the connection was cut',
  };
  const sentence = code === undefined ? undefined : known[code];
  if (sentence) return `${sentence} (${code})`;
  return /timeout/i.test((first as Error).message ?? '') ? 'no answer' : undefined;
}

/**
 * Asks HubSpot for the account's details, which also gives the portal's id.
 * @returns the portal id, undefined when the answer doesn't say
 * @throws SyncError HUBSPOT_UNREACHABLE, HUBSPOT_TOKEN_REFUSED
 */
export async function reachHubSpot(hubspot: {
  readonly baseUrl: string;
  readonly accessToken: string;
}): Promise<number | undefined> {
  const { baseUrl, accessToken } = hubspot;
  let response: Response;
  try {
    response = await fetch(`${baseUrl}/account-info/2026-09/details`, {
      headers: { authorization: `Bearer ${accessToken}` },
      signal: AbortSignal.timeout(connectTimeoutMs),
    });
  } catch (error) {
    const reason = reasonOf((error as Error).cause ?? error) ?? 'no answer';
    throw serviceError(
      'HUBSPOT_UNREACHABLE',
      `Can’t reach HubSpot at ${baseUrl}: ${reason}.`,
      { baseUrl },
      error,
    );
  }
  // 530 is what a token of a wrong form gets from HubSpot's edge.
  if ([401, 403, 530].includes(response.status)) {
    throw serviceError(
      'HUBSPOT_TOKEN_REFUSED',
      `HubSpot at ${baseUrl} refuses the access token (${response.status}).`,
      { baseUrl, status: response.status },
    );
  }
  const body = (await response.json().catch(() => ({}))) as { portalId?: number };
  return body.portalId;
}

/**
 * Finds out that a port is taken before the slow parts of a start; the real listening comes later.
 * @throws SyncError PORT_IN_USE, LISTEN_REFUSED
 */
export function refuseTakenPort(address: ListenAddress): Promise<void> {
  return new Promise((done, reject) => {
    const probe = createServer();
    probe.once('error', (error) => reject(explainListenError(error, address)));
    probe.listen(address.port, address.host, () => probe.close(() => done()));
  });
}

/** For `.catch` of something that listens: the sentence about the port; anything else goes on. */
export function sayPortInUse(address: ListenAddress): (error: unknown) => Promise<never> {
  return async (error) => {
    throw explainListenError(error, address);
  };
}
