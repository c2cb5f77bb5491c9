import { setUp } from '../../../shared/postgres/setup.ts';
import { eventually } from '../../support/eventually.ts';
import { createRoom, type Room } from './room.ts';

function init(room: Room) {
  return setUp({
    databaseUrl: room.db.url,
    schema: room.config.schema,
    slot: room.config.cdc.slot,
    publication: room.config.cdc.publication,
    mapping: room.mapping,
    pool: room.pool,
    log: room.log,
  });
}

async function expectStopped(room: Room, code: string): Promise<void> {
  await expect(room.start()).rejects.toMatchObject({ code });
}

test('a table that is taken out and added again while we stream stops it, by name', async () => {
  await using room = await createRoom();
  const streaming = await room.start();
  const ended = expect(streaming.handle.promise).rejects.toMatchObject({
    code: 'PUBLICATION_CHANGED',
    message: expect.stringContaining('public.deals was taken out and added again'),
  });
  const { publication } = room.config.cdc;
  await room.db.query(`alter publication ${publication} drop table deals`);
  await room.db.query(`insert into deals (id, name) values ('missed', 'x')`);
  await room.db.query(`alter publication ${publication} add table deals`);
  await ended;
  await streaming.stop();
  await expectStopped(room, 'PUBLICATION_CHANGED');
});

test('a slot that somebody else moved or dropped is found at the start', async () => {
  await using room = await createRoom();
  const { slot } = room.config.cdc;
  await room.db.query(`insert into deals (id, name) values ('missed', 'x')`);
  await room.db.query('select pg_replication_slot_advance($1, pg_current_wal_lsn())', [slot]);
  await expectStopped(room, 'SLOT_MOVED');
  await room.db.query('select pg_drop_replication_slot($1)', [slot]);
  await expectStopped(room, 'SLOT_MISSING');
});

test('init takes the stream up again after a gap, and asks for a comparison of every known record', async () => {
  await using room = await createRoom();
  const { slot } = room.config.cdc;
  await using first = await room.start();
  await room.db.query(`insert into deals (id, name) values ('d1', 'x')`);
  await room.drained();
  await first.stop();
  expect((await init(room)).gap).toBeNull();
  await room.db.query('select pg_drop_replication_slot($1)', [slot]);
  await room.db.query(`update deals set name = 'missed' where id = 'd1'`);
  const again = await init(room);
  expect(again).toMatchObject({ slot: 'created', gap: { code: 'SLOT_MOVED' } });
  const [record] = await room.db.query(
    `select compare_since from hubspot_sync.record where key = 'd1'`,
  );
  expect(record?.compare_since).not.toBeNull();
  expect((await init(room)).gap).toBeNull();
  await using _ = await room.start();
  await room.db.query(`insert into deals (id, name) values ('d2', 'x')`);
  await room.drained();
  expect(await room.waiting('d2')).toBeDefined();
});

test('a table that init adds beside a stream is no gap', async () => {
  await using room = await createRoom();
  const { publication } = room.config.cdc;
  await room.db.query(`alter publication ${publication} drop table deals`);
  // As if the mapping had named clients alone so far.
  await room.db.query(
    `update hubspot_sync.checkpoint set publication = publication #- '{tables,public.deals}'`,
  );
  await using _ = await room.start();
  expect((await init(room)).publication).toBe('extended');
  await room.db.query(`insert into deals (id, name) values ('d1', 'x')`);
  await room.drained();
  expect(await room.waiting('d1')).toBeDefined();
});

test('a mapped column that is dropped stops the stream, by name', async () => {
  await using room = await createRoom();
  await using streaming = await room.start();
  const ended = expect(streaming.handle.promise).rejects.toMatchObject({
    code: 'COLUMN_DROPPED',
    facts: { column: 'next_step' },
  });
  await room.db.query('alter table deals drop column next_step');
  await room.db.query(`insert into deals (id, name) values ('d1', 'x')`);
  await ended;
});

test('a column that is added goes on streaming', async () => {
  await using room = await createRoom();
  await using _ = await room.start();
  await room.db.query(`insert into deals (id, name) values ('d1', 'x')`);
  await room.db.query('alter table deals add column more text');
  await room.db.query(`insert into deals (id, name, more) values ('d2', 'x', 'y')`);
  await room.drained();
  expect(await room.waiting('d2')).toBeDefined();
});

test('a server that can’t store for longer than its own time-out keeps the connection', async () => {
  await using room = await createRoom();
  await room.db.query(`alter database ${room.db.name} set wal_sender_timeout = '1s'`);
  await using streaming = await room.start();
  let cuts = 0;
  streaming.events.on('slot:state', () => {
    cuts += 1;
  });
  const client = await room.db.pool.connect();
  await client.query('begin; lock table hubspot_sync.record in exclusive mode');
  // More than is taken into memory: the socket is paused, and the server's questions aren't read.
  await room.db.query(
    `insert into deals (id, name) select 'd' || n, 'x' from generate_series(1, 30000) n`,
  );
  await eventually(
    async () => {
      const [wait] = await room.db.query(
        `select max(clock_timestamp() - query_start) > interval '4 s' as long from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock'`,
      );
      return wait?.long;
    },
    { what: 'the flush to wait for four seconds' },
  );
  await client.query('commit');
  client.release();
  await eventually(async () => (await room.record('d30000')) !== undefined, { timeoutMs: 50_000 });
  expect(cuts).toBe(0);
});
