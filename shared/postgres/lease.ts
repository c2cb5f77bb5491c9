/**
 * The lease: who streams the WAL and calls HubSpot. Each holder has a term, and every transaction of
 * its work checks the term, so that a holder that was paused or cut off and comes back writes nothing.
 */
import pg from 'pg';
import { errorTable } from '../service/errors.ts';
import type { Logger } from '../service/logger.ts';
import type { Client } from './pool.ts';
import type { Tables } from './schema.ts';

export const leaseError = errorTable({
  LEASE_LOST: {
    disposition: 'stop',
    advice: 'Another process took over. Let your supervisor start this one again as a standby.',
  },
});

const NAME = 'cdc';

/** A held lease. */
export interface Lease extends AsyncDisposable {
  /** Grows with every holder; names it in calls and fences its transactions. */
  readonly term: number;
  /** Resolves with the reason when it is lost; never after `release`. Nothing may be done then. */
  readonly lost: Promise<Error>;
  /** Gives it up, so that a standby takes over at once. Safe to call twice. */
  release(): Promise<void>;
}

export interface LeaseOptions {
  readonly databaseUrl: string;
  readonly tables: Tables;
  /** Who holds it, for people: host and process. */
  readonly holder: string;
  readonly log: Logger;
  /** Gives up waiting. */
  readonly signal?: AbortSignal;
  /** How long it lasts without renewal, where the holder's session isn't known to have ended. */
  readonly ttlMs?: number;
  /** Called once when somebody else holds it. */
  readonly onStandby?: (holder: string) => void;
}

/** How often a standby looks: a killed holder's session is gone as soon as the kernel closed it. */
const LOOK_MS = 250;

/** Another's `backend_start` is hidden from roles that may not read sessions: then time decides. */
const isFree = `l.expires_at < clock_timestamp() or not exists (
  select from pg_stat_activity a
   where a.pid = l.backend_pid and coalesce(a.backend_start = l.backend_start, true))`;

/**
 * Waits until the lease is free, and takes it. It is free when nobody holds it, when the holder's
 * session has ended, or when its time has run out. The session that takes it stays open as long as
 * the lease is held: its end is how others notice a killed holder.
 * @throws the signal's reason when told to stop waiting, or the error that ended the session.
 */
export async function takeLease(options: LeaseOptions): Promise<Lease> {
  const { databaseUrl, tables, holder, log, signal, ttlMs = 15_000, onStandby } = options;
  const client = new pg.Client({
    connectionString: databaseUrl,
    application_name: 'pg-hubspot-sync lease',
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
  });
  let ended: Error | undefined;
  let tellLost: (reason: Error) => void = () => undefined;
  const lost = new Promise<Error>((resolve) => {
    tellLost = resolve;
  });
  let released = false;
  const end = (reason: Error) => {
    ended ??= reason;
    if (!released) tellLost(reason);
  };
  client.on('error', (error) => {
    end(leaseError('LEASE_LOST', 'the session of the lease ended', { holder }, error));
  });
  client.on('end', () =>
    end(leaseError('LEASE_LOST', 'the session of the lease ended', { holder })),
  );
  try {
    signal?.throwIfAborted();
    await client.connect();
    const term = await waitForTurn();
    return hold(term);
  } catch (error) {
    released = true;
    await client.end().catch(() => undefined);
    throw error;
  }

  async function waitForTurn(): Promise<number> {
    let standby = false;
    for (;;) {
      signal?.throwIfAborted();
      // Looked at without a lock first: a standby must not lock the row, nor write WAL, at each look.
      const { rows: held } = await client.query(
        `select holder from ${tables.lease} l where name = $1 and not (${isFree})`,
        [NAME],
      );
      const { rows } = held[0]
        ? { rows: [] }
        : await client.query(
            `insert into ${tables.lease} as l (name, term, holder, backend_pid, backend_start, expires_at)
         select $1, 1, $2, pg_backend_pid(), (select backend_start from pg_stat_activity where pid = pg_backend_pid()),
                clock_timestamp() + $3 * interval '1 millisecond'
         on conflict (name) do update
           set term = l.term + 1, holder = excluded.holder, backend_pid = excluded.backend_pid,
               backend_start = excluded.backend_start, expires_at = excluded.expires_at
         where ${isFree}
         returning term`,
            [NAME, holder, ttlMs],
          );
      if (rows[0]) return Number(rows[0].term);
      if (held[0] && !standby) {
        standby = true;
        const other = (held[0]?.holder as string | undefined) ?? 'unknown';
        log.info({ holder: other }, 'standing by: another process holds the lease');
        onStandby?.(other);
      }
      await pause(LOOK_MS, signal);
      if (ended) throw ended;
    }
  }

  function hold(term: number): Lease {
    let renewing = false;
    const renew = async () => {
      if (renewing || ended || released) return;
      renewing = true;
      try {
        const { rowCount } = await client.query(
          `update ${tables.lease} set expires_at = clock_timestamp() + $3 * interval '1 millisecond'
            where name = $1 and term = $2`,
          [NAME, term, ttlMs],
        );
        if (rowCount === 0 && !released) {
          end(leaseError('LEASE_LOST', 'another process took the lease', { holder, term }));
        }
      } catch (error) {
        end(leaseError('LEASE_LOST', 'the lease could not be renewed', { holder, term }, error));
      } finally {
        renewing = false;
      }
    };
    const timer = setInterval(() => void renew(), ttlMs / 3);
    lost.then(
      () => clearInterval(timer),
      () => undefined,
    );
    const release = async () => {
      if (released) return;
      released = true;
      clearInterval(timer);
      if (!ended) {
        await client
          .query(
            `update ${tables.lease} set expires_at = '-infinity' where name = $1 and term = $2`,
            [NAME, term],
          )
          .catch(() => undefined);
      }
      await client.end().catch(() => undefined);
    };
    log.info({ holder, term }, 'took the lease');
    return { term, lost, release, [Symbol.asyncDispose]: release };
  }
}

/**
 * Begins the work of a transaction: the lease is still of this term, and stays so until the commit
 * (a takeover waits for it).
 * @throws LEASE_LOST
 */
export async function fence(client: Client, tables: Tables, term: number): Promise<void> {
  const { rows } = await client.query(
    `select term from ${tables.lease} where name = $1 for share`,
    [NAME],
  );
  const current = rows[0] ? Number(rows[0].term) : null;
  if (current !== term) {
    throw leaseError('LEASE_LOST', 'another process took the lease', { term, current });
  }
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(done, ms);
    function done() {
      signal?.removeEventListener('abort', abort);
      resolve();
    }
    function abort() {
      clearTimeout(timer);
      reject(signal?.reason);
    }
    signal?.addEventListener('abort', abort, { once: true });
  });
}
