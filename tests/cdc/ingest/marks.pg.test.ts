import { emitMark, type InboundRow, type Mark } from '../../../shared/postgres/mark.ts';
import { inTransaction } from '../../../shared/postgres/pool.ts';
import { lockRecords, refId, saveRecords } from '../../../shared/postgres/records.ts';
import { appliedInbound } from '../../../shared/protocol/receive.ts';
import type { RecordState } from '../../../shared/protocol/state.ts';
import { createLogger } from '../../../shared/service/logger.ts';
import { createRoom, type Room, tables } from './room.ts';

/** What HubSpot said of a deal, as `apply` would write it. */
function inboundRow(
  key: string,
  kind: InboundRow['kind'],
  values: Record<string, [value: string, text: string | null]>,
  time = 1_000,
): InboundRow {
  return {
    object: 'deals',
    key,
    kind,
    hubspotId: '77',
    values: Object.fromEntries(
      Object.entries(values).map(([name, [value, text]]) => [name, { value, text, time }]),
    ),
  };
}

/** The mark and the statements in one transaction, the mark first. */
async function apply(room: Room, mark: Mark, ...statements: string[]): Promise<void> {
  await inTransaction(room.pool, async (client) => {
    await emitMark(client, room.secret, mark);
    for (const statement of statements) await client.query(statement);
  });
}

async function change(room: Room, key: string, by: (state: RecordState) => RecordState) {
  await inTransaction(room.pool, async (client) => {
    const ref = { object: 'deals', key };
    const record = (await lockRecords(client, tables, [ref], { create: true })).get(refId(ref));
    if (!record) throw new Error('no record');
    record.state = by(record.state);
    await saveRecords(client, tables, [record]);
  });
}

const link =
  (id: string) =>
  (state: RecordState): RecordState => ({
    ...state,
    existence: {
      link: id,
      alive: null,
      ids: [{ id, dead: null, archivedByUs: false, createdByUs: false }],
    },
  });

async function createKnownDeal(room: Room, key = 'd1', id = '77'): Promise<void> {
  await room.db.query(`insert into deals (id, name, amount) values ($1, 'One', 1)`, [key]);
  await room.drained();
  await room.db.query('delete from hubspot_sync.outbox');
  await change(room, key, link(id));
}

test('what a mark says is no local change, and the row change that follows it is an echo', async () => {
  await using room = await createRoom();
  await using streaming = await room.start();
  await createKnownDeal(room);
  await change(room, 'd1', (s) => appliedInbound(s, 'amount', { value: '50', time: 1_000 }));
  await apply(
    room,
    { kind: 'inbound', rows: [inboundRow('d1', 'update', { amount: ['50', '50.00'] })] },
    `update deals set amount = 50 where id = 'd1'`,
  );
  await room.drained();
  expect(await room.waiting('d1')).toBeUndefined();
  const record = await room.record('d1');
  expect(record?.image).toMatchObject({ amount: '50.00', name: 'One' });
  expect(record?.state).toMatchObject({ properties: { amount: { epoch: 1_000 } } });
  expect(streaming.told.filter(({ name }) => name === 'echo')).toHaveLength(1);
});

test('what a trigger changes of a marked row travels outwards, and only that', async () => {
  await using room = await createRoom({
    sql: `create function stamp() returns trigger language plpgsql as $$
            begin new.next_step := 'amount is ' || new.amount; return new; end $$;
          create trigger stamp before update on deals for each row execute function stamp();`,
  });
  await using _ = await room.start();
  await createKnownDeal(room);
  await apply(
    room,
    { kind: 'inbound', rows: [inboundRow('d1', 'update', { amount: ['50', '50.00'] })] },
    `update deals set amount = 50 where id = 'd1'`,
  );
  await room.drained();
  expect(await room.waiting('d1')).toEqual({ operation: 'write', pending: ['hs_next_step'] });
});

test('a local change in the transaction of a mark travels outwards', async () => {
  await using room = await createRoom();
  await using _ = await room.start();
  await createKnownDeal(room);
  await createKnownDeal(room, 'd2', '78');
  await apply(
    room,
    { kind: 'inbound', rows: [inboundRow('d1', 'update', { amount: ['50', '50.00'] })] },
    `update deals set amount = 50 where id = 'd1'`,
    `update deals set amount = 51 where id = 'd1'`,
    `update deals set amount = 50 where id = 'd2'`,
  );
  await room.drained();
  expect((await room.waiting('d1'))?.pending).toEqual(['amount']);
  expect((await room.waiting('d2'))?.pending).toEqual(['amount']);
});

test('a mark drops a pending local value and logs the conflict with both values', async () => {
  await using room = await createRoom();
  await using streaming = await room.start();
  await createKnownDeal(room);
  await room.db.query(`update deals set amount = 7, name = 'Mine' where id = 'd1'`);
  await apply(
    room,
    { kind: 'inbound', rows: [inboundRow('d1', 'update', { amount: ['50', '50.00'] })] },
    `update deals set amount = 50 where id = 'd1'`,
  );
  await room.drained();
  expect((await room.waiting('d1'))?.pending).toEqual(['dealname']);
  expect(
    await room.db.query(
      'select object_type, key, hubspot_id, property, postgres_value, hubspot_value, winner from hubspot_sync.conflict',
    ),
  ).toEqual([
    {
      object_type: 'deals',
      key: 'd1',
      hubspot_id: '77',
      property: 'amount',
      postgres_value: '7',
      hubspot_value: '50',
      winner: 'hubspot',
    },
  ]);
  expect(streaming.told.filter(({ name }) => name === 'conflict')).toHaveLength(1);
});

test('a mark without a change of the row is consumed all the same', async () => {
  await using room = await createRoom();
  await using _ = await room.start();
  await createKnownDeal(room);
  await room.db.query(`update deals set amount = 50 where id = 'd1'`);
  await apply(room, {
    kind: 'inbound',
    rows: [inboundRow('d1', 'update', { amount: ['50', '50.00'] })],
  });
  await room.drained();
  expect(await room.waiting('d1')).toBeUndefined();
  expect((await room.record('d1'))?.state).toMatchObject({
    properties: { amount: { epoch: 1_000 } },
  });
});

test('a rounded inbound number is no local change', async () => {
  await using room = await createRoom();
  await using _ = await room.start();
  await createKnownDeal(room);
  await apply(
    room,
    { kind: 'inbound', rows: [inboundRow('d1', 'update', { amount: ['50000.005', '50000.01'] })] },
    `update deals set amount = 50000.005 where id = 'd1'`,
  );
  await room.drained();
  expect(await room.waiting('d1')).toBeUndefined();
});

test('a row that a mark inserts is known, and only its defaults travel outwards', async () => {
  await using room = await createRoom({
    sql: `alter table deals alter next_step set default 'call', alter next_step set not null;`,
  });
  await using _ = await room.start();
  await change(room, 'hs_77', link('77'));
  await apply(
    room,
    {
      kind: 'inbound',
      rows: [inboundRow('hs_77', 'insert', { dealname: ['New', 'New'], amount: ['5', '5.00'] })],
    },
    `insert into deals (id, name, amount) values ('hs_77', 'New', 5)`,
  );
  await room.drained();
  expect(await room.waiting('hs_77')).toEqual({ operation: 'write', pending: ['hs_next_step'] });
  expect((await room.record('hs_77'))?.image).toMatchObject({ id: 'hs_77', name: 'New' });
});

test('a row that a mark deletes is not archived', async () => {
  await using room = await createRoom();
  await using _ = await room.start();
  await createKnownDeal(room);
  await room.db.query(`update deals set amount = 9 where id = 'd1'`);
  await apply(
    room,
    { kind: 'inbound', rows: [inboundRow('d1', 'delete', {})] },
    `delete from deals where id = 'd1'`,
  );
  await room.drained();
  expect(await room.waiting('d1')).toBeUndefined();
  expect((await room.record('d1'))?.image).toBeNull();
});

test('a row deleted by a mark and inserted again in the same transaction is written', async () => {
  await using room = await createRoom();
  await using _ = await room.start();
  await createKnownDeal(room);
  await apply(
    room,
    { kind: 'inbound', rows: [inboundRow('d1', 'delete', {})] },
    `delete from deals where id = 'd1'`,
    `insert into deals (id, name) values ('d1', 'Again')`,
  );
  await room.drained();
  expect(await room.waiting('d1')).toMatchObject({ operation: 'write' });
});

test('a forged mark suppresses nothing, and the log speaks of it', async () => {
  await using room = await createRoom();
  const lines: string[] = [];
  const log = createLogger(
    { log: { level: 'warn', format: 'json' } },
    { destination: { write: (line) => void lines.push(line) } },
  );
  await using _ = await room.start({ log });
  await createKnownDeal(room);
  const content = JSON.stringify({
    kind: 'inbound',
    rows: [inboundRow('d1', 'update', { amount: ['50', '50.00'] })],
  });
  for (const forged of [content, `bm9uc2Vuc2U=.${content}`, 'x']) {
    await inTransaction(room.pool, async (client) => {
      await client.query('select pg_logical_emit_message(true, $1, $2)', [
        'pg-hubspot-sync',
        forged,
      ]);
      await client.query(`update deals set amount = amount + 49 where id = 'd1'`);
    });
  }
  await room.pool.query('select pg_logical_emit_message(false, $1, $2)', [
    'pg-hubspot-sync',
    content,
  ]);
  await room.drained();
  expect((await room.waiting('d1'))?.pending).toEqual(['amount']);
  expect(lines.filter((line) => line.includes('without our signature'))).toHaveLength(4);
  expect((await room.record('d1'))?.state).not.toMatchObject({
    properties: { amount: { epoch: 1_000 } },
  });
});

test('a true mark played back in another transaction suppresses nothing', async () => {
  await using room = await createRoom();
  await using _ = await room.start();
  await createKnownDeal(room);
  await room.pool.query(`select pg_create_logical_replication_slot($1, 'test_decoding')`, [
    `r_${room.db.name}`,
  ]);
  await apply(
    room,
    { kind: 'inbound', rows: [inboundRow('d1', 'update', { amount: ['50', '50.00'] })] },
    `update deals set amount = 50 where id = 'd1'`,
  );
  await room.db.query(`update deals set amount = 9 where id = 'd1'`);
  // Stored by itself: a value that comes back within one flush is no change at all.
  await room.drained();
  const { rows } = await room.pool.query(
    `select data from pg_logical_slot_get_changes($1, null, null, 'skip-empty-xacts', '1') where data like 'message%'`,
    [`r_${room.db.name}`],
  );
  const content = rows[0].data.slice(rows[0].data.indexOf('content:') + 'content:'.length);
  await inTransaction(room.pool, async (client) => {
    await client.query('select pg_logical_emit_message(true, $1, $2)', [
      'pg-hubspot-sync',
      content,
    ]);
    await client.query(`update deals set amount = 50 where id = 'd1'`);
  });
  await room.drained();
  expect((await room.waiting('d1'))?.pending).toEqual(['amount']);
  expect(await room.db.query('select * from hubspot_sync.conflict')).toEqual([]);
});

test('a comparison makes pending what differs from what HubSpot is known to hold', async () => {
  await using room = await createRoom();
  await using _ = await room.start();
  await createKnownDeal(room);
  const known = (value: string) => ({ value, time: { low: 0, high: 0 } });
  await change(room, 'd1', (state) => ({
    ...state,
    properties: {
      amount: { ...emptyProperty, known: known('3') },
      dealname: { ...emptyProperty, known: known('One') },
    },
  }));
  const row = (await room.record('d1'))?.image ?? null;
  await apply(room, { kind: 'compare', rows: [{ object: 'deals', key: 'd1', row }] });
  await room.drained();
  expect(await room.waiting('d1')).toEqual({ operation: null, pending: ['amount'] });
});

test('a comparison looks at a foreign key through the link of the record that it names', async () => {
  await using room = await createRoom();
  await using _ = await room.start();
  await room.db.query(
    `insert into clients (id, name) values ('c1', 'Linked'), ('c2', 'Not linked')`,
  );
  await createKnownDeal(room);
  await createKnownDeal(room, 'd2', '78');
  await room.db.query(`update deals set client_id = 'c1' where id = 'd1'`);
  await room.db.query(`update deals set client_id = 'c2' where id = 'd2'`);
  await room.drained();
  await room.db.query('delete from hubspot_sync.outbox');
  await room.db.query(
    `update hubspot_sync.record set hubspot_id = '5', state = jsonb_set(state, '{existence,link}', '"5"')
      where object_type = 'companies' and key = 'c1'`,
  );
  for (const key of ['d1', 'd2']) {
    const row = (await room.record(key))?.image ?? null;
    await apply(room, { kind: 'compare', rows: [{ object: 'deals', key, row }] });
  }
  await room.drained();
  expect((await room.waiting('d1'))?.pending).toEqual(['association:companies']);
  expect(await room.waiting('d2')).toBeUndefined();
});

test('a comparison of a row without a HubSpot record writes it, of a record without a row archives it', async () => {
  await using room = await createRoom();
  await using _ = await room.start();
  await createKnownDeal(room);
  await room.db.query(`update hubspot_sync.record set image = null where key = 'd1'`);
  await apply(room, { kind: 'compare', rows: [{ object: 'deals', key: 'd1', row: null }] });
  const row = {
    id: 'd9',
    name: 'x',
    amount: null,
    due: null,
    probability: null,
    next_step: null,
    client_id: null,
  };
  await apply(room, { kind: 'compare', rows: [{ object: 'deals', key: 'd9', row }] });
  await room.drained();
  expect(await room.waiting('d1')).toEqual({ operation: 'delete', pending: [] });
  expect((await room.waiting('d9'))?.operation).toBe('write');
  expect((await room.waiting('d9'))?.pending).toContain('dealname');
});

test('a link message makes the row known without sending it, and a completing one fills its gaps', async () => {
  await using room = await createRoom({
    sql: `alter table deals alter next_step set storage external;
          insert into deals (id, name, next_step) values ('d1', 'One', repeat('long ', 2000)), ('d2', 'Two', 'call');`,
  });
  await using _ = await room.start();
  const [one] = await room.db.query(`select id, name, next_step from deals where id = 'd1'`);
  const [two] = await room.db.query(`select id, name, next_step from deals where id = 'd2'`);
  const empty = { amount: null, due: null, probability: null, client_id: null };
  const row = (columns: object) => ({ ...columns, ...empty });
  await apply(room, { kind: 'link', rows: [{ object: 'deals', key: 'd2', row: row(two ?? {}) }] });
  await room.db.query(`update deals set amount = 1`);
  await apply(room, {
    kind: 'complete',
    rows: [{ object: 'deals', key: 'd1', row: { ...row(one ?? {}), amount: '1.00' } }],
  });
  await room.drained();
  expect((await room.waiting('d2'))?.pending).toEqual(['amount']);
  expect((await room.waiting('d1'))?.pending).toHaveLength(5);
  expect((await room.record('d1'))?.image).toMatchObject({
    amount: '1.00',
    next_step: one?.next_step,
  });
});

const emptyProperty = {
  known: null,
  inbound: null,
  epoch: 0,
  standing: null,
  own: 0,
  ledger: [],
  refused: null,
};
