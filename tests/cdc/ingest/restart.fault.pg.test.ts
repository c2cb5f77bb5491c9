import { createEvents } from '../../../shared/service/events.ts';
import { eventually } from '../../support/eventually.ts';
import { createRoom, type Room } from './room.ts';

/** How often each deal was told of as stored, over all runs. */
function countChanges(counts: Map<string, number>) {
  const events = createEvents();
  events.on('outbound:change', ({ object, key }) => {
    if (object === 'deals') counts.set(key, (counts.get(key) ?? 0) + 1);
  });
  return events;
}

async function readConfirmed(room: Room): Promise<bigint> {
  const [row] = await room.db.query(
    `select (confirmed_flush_lsn - '0/0')::text as at from pg_replication_slots where slot_name = $1`,
    [room.config.cdc.slot],
  );
  return BigInt(row?.at);
}

/** WAL that isn't of any published table. */
async function writeElsewhere(room: Room, kilobytes: number): Promise<void> {
  await room.db.query(
    `insert into elsewhere select repeat('x', 1000) from generate_series(1, $1::int)`,
    [kilobytes],
  );
}

test('no transaction is lost or stored twice when the process ends between storing and confirming, 20 times', async () => {
  await using room = await createRoom();
  const counts = new Map<string, number>();
  let written = 0;
  const insert = async () => {
    written += 1;
    await room.db.query(`insert into deals (id, name) values ($1, 'x')`, [`d${written}`]);
  };
  for (let round = 0; round < 20; round++) {
    const events = countChanges(counts);
    const streaming = await room.start({ events });
    let ended: Promise<void> | undefined;
    // Told after the commit and before the position is confirmed: the connection is gone at once.
    events.on('outbound:change', () => {
      ended ??= streaming.stop();
    });
    await insert();
    await eventually(() => ended !== undefined, { what: 'the change to be stored' });
    await ended;
    const [stored] = await room.db.query(
      `select (commit_lsn - '0/0')::text as at from hubspot_sync.checkpoint`,
    );
    expect(await readConfirmed(room)).toBeLessThanOrEqual(BigInt(stored?.at));
    // The next transactions begin where the unconfirmed one ended.
    await insert();
    await insert();
  }
  await using _ = await room.start({ events: countChanges(counts) });
  await room.drained();
  expect(counts.size).toBe(written);
  expect([...counts.values()].filter((count) => count !== 1)).toEqual([]);
});

test('the slot advances on a database that is busy elsewhere, and no transaction is lost by it, 20 times', async () => {
  await using room = await createRoom({ sql: 'create table elsewhere (x text);' });
  const counts = new Map<string, number>();
  for (let round = 0; round < 20; round++) {
    const streaming = await room.start({ events: countChanges(counts) });
    const before = await readConfirmed(room);
    await writeElsewhere(room, 1500);
    await eventually(async () => (await readConfirmed(room)) > before + 1_000_000n, {
      what: 'the slot to advance by a keepalive',
      everyMs: 5,
    });
    // Begins at the confirmed position, or close behind it.
    await room.db.query(`insert into deals (id, name) values ($1, 'x')`, [`d${round}`]);
    await streaming.stop();
  }
  await using _ = await room.start({ events: countChanges(counts) });
  await room.drained();
  expect([...counts.keys()].sort()).toEqual(Array.from({ length: 20 }, (_x, i) => `d${i}`).sort());
  expect([...counts.values()].filter((count) => count !== 1)).toEqual([]);
});

test('a connection that is cut is made again, and everything arrives once', async () => {
  await using room = await createRoom();
  const counts = new Map<string, number>();
  await using streaming = await room.start({ events: countChanges(counts) });
  for (let round = 0; round < 5; round++) {
    const back = streaming.events.next('slot:state', ({ state }) => state === 'streaming');
    for (let i = 0; i < 20; i++) {
      await room.db.query(`insert into deals (id, name) values ($1, 'x')`, [`d${round}-${i}`]);
      if (i === 10) {
        await room.db.query(
          `select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1`,
          [room.config.cdc.slot],
        );
      }
    }
    await back;
  }
  await room.drained();
  expect(counts.size).toBe(100);
  expect([...counts.values()].filter((count) => count !== 1)).toEqual([]);
});

test('the end of the SQL session beside the stream ends the stream too', async () => {
  await using room = await createRoom();
  await using streaming = await room.start();
  const cut = streaming.events.next('slot:state', ({ state }) => state === 'reconnecting');
  await room.db.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name = 'pg-hubspot-sync watch'`,
  );
  expect(await cut).toMatchObject({ reason: 'SLOT_DISCONNECTED' });
  await room.drained();
});

test('a large transaction is stored in parts while it arrives, and confirmed when it is whole', async () => {
  await using room = await createRoom();
  const counts = new Map<string, number>();
  const events = countChanges(counts);
  let streaming = await room.start({ events });
  let ended: Promise<void> | undefined;
  events.on('slot:progress', () => {
    // Its first part is stored; the rest comes with the next connection.
    if (counts.size >= 5_000) ended ??= streaming.stop();
  });
  await room.db.query(
    `insert into deals (id, name) select 'd' || n, 'x' from generate_series(1, 30000) n`,
  );
  await eventually(() => ended !== undefined, { what: 'a part to be stored', timeoutMs: 30_000 });
  await ended;
  const [checkpoint] = await room.db.query(
    `select (partial_lsn - '0/0')::text as partial, partial_ordinal::int as ordinal from hubspot_sync.checkpoint`,
  );
  expect(checkpoint?.ordinal).toBeGreaterThanOrEqual(5_000);
  expect(checkpoint?.ordinal).toBeLessThan(30_000);
  // Keepalives may pass what lies before its commit, which is where it would be sent again from.
  const commit = BigInt(checkpoint?.partial);
  expect(await readConfirmed(room)).toBeLessThanOrEqual(commit);
  streaming = await room.start({ events: countChanges(counts) });
  await room.drained();
  await streaming.stop();
  expect(counts.size).toBe(30_000);
  expect([...counts.values()].filter((count) => count !== 1)).toEqual([]);
  expect(await readConfirmed(room)).toBeGreaterThan(commit);
  expect(await room.db.query('select partial_lsn from hubspot_sync.checkpoint')).toEqual([
    { partial_lsn: null },
  ]);
});

test('a process whose lease was taken stores nothing any more', async () => {
  await using room = await createRoom();
  const zombie = await room.start();
  // Its session ends without its knowing, as for a process that was stopped and comes back.
  await room.db.query(
    `update hubspot_sync.lease set term = term + 1, holder = 'another', expires_at = now() + interval '1 h'`,
  );
  const failed = expect(zombie.handle.promise).rejects.toMatchObject({ code: 'LEASE_LOST' });
  await room.db.query(`insert into deals (id, name) values ('d1', 'x')`);
  await failed;
  expect(await room.record('d1')).toBeUndefined();
  await zombie.stop();
});
