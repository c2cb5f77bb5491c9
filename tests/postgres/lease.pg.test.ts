import { fence, type Lease, takeLease } from '../../shared/postgres/lease.ts';
import { migrate } from '../../shared/postgres/migrate.ts';
import { createPool, inTransaction } from '../../shared/postgres/pool.ts';
import { tablesOf } from '../../shared/postgres/schema.ts';
import { createSilentLogger } from '../../shared/service/logger.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';

const tables = tablesOf('hubspot_sync');
const log = createSilentLogger();

async function createDatabase() {
  const db = await createTestDatabase();
  await migrate({ databaseUrl: db.url, schema: 'hubspot_sync' });
  return db;
}

function take(
  db: TestDatabase,
  holder: string,
  more: Partial<Parameters<typeof takeLease>[0]> = {},
) {
  return takeLease({ databaseUrl: db.url, tables, holder, log, ...more });
}

/** A standby: what it waits for, and that it said whom it waits for. */
async function standBy(db: TestDatabase, holder: string): Promise<Promise<Lease>[]> {
  let waiting: string | undefined;
  const lease = take(db, holder, {
    onStandby: (other) => {
      waiting = other;
    },
  });
  await eventually(() => waiting !== undefined);
  return [lease];
}

test('the second waits while the first holds the lease, and takes it when it is given up', async () => {
  await using db = await createDatabase();
  const first = await take(db, 'first');
  const [second] = await standBy(db, 'second');
  await first.release();
  await using held = (await second) as Lease;
  expect(held.term).toBe(first.term + 1);
});

test('a holder whose session has ended is replaced at once, long before its time runs out, and learns it', async () => {
  await using db = await createDatabase();
  await using first = await take(db, 'first', { ttlMs: 3_600_000 });
  const [second] = await standBy(db, 'second');
  const began = Date.now();
  await db.query(
    `select pg_terminate_backend(backend_pid) from hubspot_sync.lease where holder = 'first'`,
  );
  expect(await first.lost).toMatchObject({ code: 'LEASE_LOST' });
  await using _ = (await second) as Lease;
  expect(Date.now() - began).toBeLessThan(5_000);
});

test('a holder that stops renewing is replaced when its time has run out', async () => {
  await using db = await createDatabase();
  await using first = await take(db, 'first', { ttlMs: 3_600_000 });
  await db.query(`update hubspot_sync.lease set expires_at = clock_timestamp() - interval '1 s'`);
  await using second = await take(db, 'second');
  expect(second.term).toBe(first.term + 1);
});

test('a holder that renews keeps it beyond its time', async () => {
  await using db = await createDatabase();
  await using first = await take(db, 'first', { ttlMs: 300 });
  const expiry = async () =>
    (await db.query('select expires_at from hubspot_sync.lease'))[0]?.expires_at as Date;
  const before = await expiry();
  await eventually(async () => (await expiry()) > new Date(before.getTime() + 600), {
    what: 'two renewals',
  });
  expect(await Promise.race([first.lost, Promise.resolve('held')])).toBe('held');
});

test('of many that wait exactly one takes it', async () => {
  await using db = await createDatabase();
  const first = await take(db, 'first');
  const taken: Lease[] = [];
  const stop = new AbortController();
  const waiting = Array.from({ length: 5 }, (_, i) =>
    take(db, `standby ${i}`, { signal: stop.signal }).then((lease) => {
      taken.push(lease);
    }),
  );
  await first.release();
  await eventually(() => taken.length > 0);
  stop.abort(new Error('enough'));
  const ends = await Promise.allSettled(waiting);
  expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  await taken[0]?.release();
});

test('a transaction of an older term is refused, and one under way holds up the takeover', async () => {
  await using db = await createDatabase();
  const pool = createPool({ databaseUrl: db.url, applicationName: 'test' });
  const first = await take(db, 'first');
  const order: string[] = [];
  let second: Promise<void> | undefined;
  await inTransaction(pool, async (client) => {
    await fence(client, tables, first.term);
    await db.query(
      `select pg_terminate_backend(backend_pid) from hubspot_sync.lease where holder = 'first'`,
    );
    second = take(db, 'second').then((lease) => {
      order.push('taken');
      return lease.release();
    });
    await eventually(async () => {
      const waits = await db.query(
        `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      );
      return waits.length > 0;
    });
    order.push('committed');
  });
  await second;
  expect(order).toEqual(['committed', 'taken']);
  await expect(
    inTransaction(pool, (client) => fence(client, tables, first.term)),
  ).rejects.toMatchObject({ code: 'LEASE_LOST' });
  await first.release();
  await pool.end();
});
