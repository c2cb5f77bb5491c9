import { exactly } from '../../shared/protocol/property.ts';
import { appliedInbound } from '../../shared/protocol/receive.ts';
import { newProperty, type RecordState } from '../../shared/protocol/state.ts';
import { eventually } from '../support/eventually.ts';
import { byUs, event, openRoom, propertyChange, type Room, tables } from './room.ts';

const row = async (room: Room, key: string, table = 'deals') =>
  (await room.db.query(`select * from ${table} where id = $1`, [key]))[0] ?? {};

const outcomes = async (room: Room) =>
  (await room.db.query(`select outcome from ${tables.inbox} order by occurred_at, id`)).map(
    ({ outcome }) => outcome,
  );

/** As after a push of ours that was answered: HubSpot holds `value` as of `time`. */
function pushed(state: RecordState, property: string, value: string, time: number): RecordState {
  return {
    ...state,
    properties: {
      ...state.properties,
      [property]: {
        ...newProperty,
        known: { value, time: exactly(time) },
        standing: exactly(time),
        own: time,
        ledger: [
          {
            value,
            request: 'r1',
            epoch: 0,
            cause: 'change',
            sentAt: time,
            time: { low: time - 500, high: time + 500 },
            outcome: 'settled',
          },
        ],
      },
    },
  };
}

test('a change in HubSpot is in the row, and in what is remembered', async () => {
  await using room = await openRoom();
  await room.link('deals', 'd1', '1', { amount: '5.00' });
  const change = propertyChange(1, 'amount', '1250.5');
  expect(await room.send(change)).toBe(204);
  await room.settled();
  expect((await row(room, 'd1')).amount).toBe('1250.50');
  expect((await room.record('deals', 'd1')).properties.amount?.inbound).toEqual({
    value: '1250.5',
    time: change.occurredAt,
    text: '1250.50',
  });
  expect(room.told('inbound:change')).toMatchObject([
    { object: 'deals', key: 'd1', hubspotId: '1', operation: 'update', properties: ['amount'] },
  ]);
  const [line] = await room.db.query(`select * from ${tables.syncLog}`);
  expect(line).toMatchObject({
    object_type: 'deals',
    object_id: 'd1',
    direction: 'inbound',
    status: 'success',
  });
  expect(line?.completed_at.getTime()).toBeGreaterThanOrEqual(line?.created_at.getTime());
});

test('the events of a batch are applied in the order of their times, whatever their order in it', async () => {
  await using room = await openRoom();
  await room.link('deals', 'd1', '1');
  const first = propertyChange(1, 'dealname', 'first');
  const second = propertyChange(1, 'dealname', 'second');
  const third = propertyChange(1, 'dealname', 'third');
  await room.send(third, first, second);
  await room.settled();
  expect((await row(room, 'd1')).name).toBe('third');
  expect(await outcomes(room)).toEqual(['stale', 'stale', 'applied']);
});

test('an event that is older than what was applied changes nothing', async () => {
  await using room = await openRoom();
  await room.link('deals', 'd1', '1');
  const older = propertyChange(1, 'dealname', 'older');
  await room.send(propertyChange(1, 'dealname', 'newer'));
  await room.settled();
  await room.send(older);
  await room.settled();
  expect((await row(room, 'd1')).name).toBe('newer');
  expect(await outcomes(room)).toEqual(['stale', 'applied']);
  expect(room.told('inbound:settled')).toMatchObject([{ outcome: 'stale', key: 'd1' }]);
});

test('a change of our own is known by the ledger and leaves the row alone', async () => {
  await using room = await openRoom();
  const change = propertyChange(1, 'amount', '7', byUs);
  await room.link('deals', 'd1', '1', { amount: '8' }, (state) =>
    pushed(state, 'amount', '7', change.occurredAt as number),
  );
  await room.send(change);
  await room.settled();
  expect((await row(room, 'd1')).amount).toBe('8.00');
  expect(room.told('echo')).toMatchObject([
    { key: 'd1', direction: 'inbound', properties: ['amount'] },
  ]);
  expect(room.told('doubt')).toEqual([]);
});

test('a value in our name that we never sent is a doubt, stored for a reading', async () => {
  await using room = await openRoom();
  await room.link('deals', 'd1', '1');
  await room.send(propertyChange(1, 'dealname', 'made by HubSpot', byUs));
  await room.settled();
  expect((await row(room, 'd1')).name).toBe('deal d1');
  expect((await room.record('deals', 'd1')).doubt).toEqual(['own-unknown']);
  const [stored] = await room.db.query(`select doubt_since from ${tables.record}`);
  expect(stored?.doubt_since).not.toBeNull();
});

test('a withheld value is never taken for the value', async () => {
  await using room = await openRoom();
  await room.link('deals', 'd1', '1');
  await room.send(propertyChange(1, 'hs_next_step', 'REDACTED'));
  await room.settled();
  expect((await row(room, 'd1')).note).toBeNull();
  expect((await room.record('deals', 'd1')).doubt).toEqual(['reconcile']);
});

test('a value that the mapping cannot convert is a dead letter, and its neighbours go on', async () => {
  await using room = await openRoom();
  await room.link('deals', 'd1', '1', { stage: 'Open' });
  await room.link('deals', 'd2', '2');
  await room.send(
    propertyChange(1, 'dealstage', 'a-stage-nobody-mapped'),
    propertyChange(1, 'amount', '$5'),
    propertyChange(1, 'dealname', 'fine'),
    propertyChange(2, 'dealstage', 'closedwon'),
  );
  await room.settled();
  expect(await row(room, 'd1')).toMatchObject({ stage: 'Open', amount: null, name: 'fine' });
  expect((await row(room, 'd2')).stage).toBe('Won');
  const letters = await room.db.query(
    `select code, key, payload from ${tables.deadLetter} order by id`,
  );
  expect(letters).toMatchObject([
    { code: 'VALUE_UNCONVERTIBLE', key: 'd1', payload: { property: 'dealstage' } },
    { code: 'VALUE_UNCONVERTIBLE', key: 'd1', payload: { property: 'amount', value: '$5' } },
  ]);
  expect(room.told('deadletter')).toHaveLength(2);

  await room.send(propertyChange(1, 'dealstage', 'closedwon'));
  await room.settled();
  expect(await room.db.query(`select state from ${tables.deadLetter} order by id`)).toEqual([
    { state: 'cured' },
    { state: 'open' },
  ]);
});

test('a text with NUL or half a character is a dead letter, and its neighbours go on', async () => {
  await using room = await openRoom();
  await room.link('deals', 'd1', '1');
  await room.link('deals', 'd2', '2');
  expect(
    await room.send(
      propertyChange(1, 'hs_next_step', 'a\u0000b'),
      propertyChange(1, 'dealname', 'half \ud83d'),
      propertyChange(2, 'dealname', 'whole \ud83d\ude00'),
    ),
  ).toBe(204);
  await room.settled();
  expect(await row(room, 'd1')).toMatchObject({ name: 'deal d1', note: null });
  expect((await row(room, 'd2')).name).toBe('whole \ud83d\ude00');
  expect(await outcomes(room)).toEqual(['dead', 'dead', 'applied']);
});

test('a row that Postgres refuses goes alone: its neighbours are applied, and no mark names its value', async () => {
  await using room = await openRoom();
  await room.db.query(
    "select pg_create_logical_replication_slot('test_' || md5(current_database()), 'test_decoding')",
  );
  for (let i = 1; i <= 20; i++) await room.link('deals', `d${i}`, `${i}`, { amount: '1' });
  await room.send(
    ...Array.from({ length: 20 }, (_, i) =>
      propertyChange(i + 1, 'amount', i === 7 ? '-66.5' : `${i + 100}`),
    ),
    propertyChange(8, 'dealname', 'named all the same'),
  );
  await room.settled();
  const rows = await room.db.query(
    'select id, amount, name from deals order by substr(id, 2)::int',
  );
  expect(rows.map(({ amount }) => amount)).toEqual(
    Array.from({ length: 20 }, (_, i) => (i === 7 ? '1.00' : `${i + 100}.00`)),
  );
  expect(rows[7]?.name).toBe('named all the same');
  const letters = await room.db.query(`select code, key, message from ${tables.deadLetter}`);
  expect(letters).toMatchObject([{ code: 'ROW_REFUSED', key: 'd8' }]);
  const state = await room.record('deals', 'd8');
  expect(state.properties.amount).toMatchObject({ inbound: null, refused: '1' });
  const wal = await room.db.query(
    "select data from pg_logical_slot_get_changes('test_' || md5(current_database()), null, null)",
  );
  const marks = wal.map(({ data }) => data as string).filter((data) => data.startsWith('message'));
  const told = marks.join('\n');
  expect(told).not.toContain('-66.5');
  expect(told).toContain('"value":"119"');
  expect(told).toContain('named all the same');
});

test('a refusal that may pass is waited for, and applied when its cause is gone', async () => {
  await using room = await openRoom();
  await room.link('deals', 'd1', '1', { code: 'taken' });
  await room.link('deals', 'd2', '2', { code: 'other' });
  await room.send(propertyChange(2, 'code', 'taken'));
  await eventually(async () => {
    const [waiting] = await room.db.query(`select attempts, error from ${tables.inbox}`);
    expect(waiting?.attempts).toBeGreaterThan(0);
    expect(waiting?.error).toContain('23505');
  });
  await room.send(propertyChange(1, 'code', 'free'));
  await room.settled();
  expect([(await row(room, 'd1')).code, (await row(room, 'd2')).code]).toEqual(['free', 'taken']);
  expect(await room.db.query(`select * from ${tables.deadLetter}`)).toEqual([]);
});

test('a refusal that lasts becomes a dead letter', async () => {
  await using room = await openRoom();
  await room.link('deals', 'd1', '1', { code: 'taken' });
  await room.link('deals', 'd2', '2', { code: 'other' });
  await room.send(propertyChange(2, 'code', 'taken'));
  await room.settled();
  expect((await row(room, 'd2')).code).toBe('other');
  expect(await room.db.query(`select code, key from ${tables.deadLetter}`)).toEqual([
    { code: 'ROW_REFUSED', key: 'd2' },
  ]);
  expect((await room.record('deals', 'd2')).properties.code?.refused).toBe('other');
});

test('a row that the application holds does not hold up the others, and is applied when it is free', async () => {
  await using room = await openRoom();
  for (const i of [1, 2, 3]) await room.link('deals', `d${i}`, `${i}`);
  const application = await room.db.pool.connect();
  try {
    await application.query('begin');
    await application.query("update deals set note = 'mine' where id = 'd2'");
    await room.send(...[1, 2, 3].map((i) => propertyChange(i, 'dealname', `new ${i}`)));
    await eventually(async () => {
      expect((await row(room, 'd1')).name).toBe('new 1');
      expect((await row(room, 'd3')).name).toBe('new 3');
    });
    expect((await row(room, 'd2')).name).toBe('deal d2');
    // Long enough to be waited for alone by now.
    await eventually(async () => {
      const [waiting] = await room.db.query(
        `select attempts from ${tables.inbox} where state = 'new'`,
      );
      return waiting?.attempts >= 4;
    });
    await room.send(propertyChange(1, 'dealname', 'newer 1'));
    await eventually(async () => expect((await row(room, 'd1')).name).toBe('newer 1'));
    await application.query('commit');
  } finally {
    application.release();
  }
  await room.settled();
  expect(await row(room, 'd2')).toMatchObject({ name: 'new 2', note: 'mine' });
  expect(await room.db.query(`select * from ${tables.deadLetter}`)).toEqual([]);
});

test('a value that only travels outwards is not taken from HubSpot', async () => {
  await using room = await openRoom();
  await room.link('deals', 'd1', '1', { only_out: 'ours' });
  await room.send(propertyChange(1, 'forecast', 'theirs'));
  await room.settled();
  expect((await row(room, 'd1')).only_out).toBe('ours');
  expect(await outcomes(room)).toEqual(['skipped']);
});

test('a mark is emitted even where the row holds the value already', async () => {
  await using room = await openRoom();
  await room.link('deals', 'd1', '1', { amount: '3' });
  await room.db.query(
    "select pg_create_logical_replication_slot('test_' || md5(current_database()), 'test_decoding')",
  );
  await room.send(propertyChange(1, 'amount', '3'));
  await room.settled();
  const wal = await room.db.query(
    "select data from pg_logical_slot_get_changes('test_' || md5(current_database()), null, null)",
  );
  const lines = wal.map(({ data }) => data as string);
  expect(
    lines.filter((line) => line.startsWith('message') && line.includes('"amount"')),
  ).toHaveLength(1);
  expect(lines.filter((line) => line.includes('public.deals'))).toEqual([]);
  expect(room.told('inbound:settled')).toMatchObject([{ outcome: 'same' }]);
});

test('generic events are understood like legacy ones', async () => {
  await using room = await openRoom();
  await room.link('deals', 'd1', '1');
  await room.send({
    ...propertyChange(1, 'dealname', 'generic'),
    subscriptionType: 'object.propertyChange',
    objectTypeId: '0-3',
  });
  await room.settled();
  expect((await row(room, 'd1')).name).toBe('generic');
});

test('an event of a retired id, or of a row that is gone, is dropped', async () => {
  await using room = await openRoom();
  await room.link('deals', 'd1', '1');
  await room.db.query("delete from deals where id = 'd1'");
  await room.send(propertyChange(1, 'dealname', 'too late'));
  await room.settled();
  expect(await room.db.query('select * from deals')).toEqual([]);
  expect(await outcomes(room)).toEqual(['ignored']);
});

test('a paused direction stores events and applies them when it goes on', async () => {
  await using room = await openRoom();
  await room.link('deals', 'd1', '1');
  await room.db.query(`update ${tables.control} set state = 'paused' where direction = 'inbound'`);
  expect(await room.send(propertyChange(1, 'dealname', 'later'))).toBe(204);
  const before = await room.db.query(`select state from ${tables.inbox}`);
  expect(before).toEqual([{ state: 'new' }]);
  await room.db.query(`update ${tables.control} set state = 'running' where direction = 'inbound'`);
  await room.settled();
  expect((await row(room, 'd1')).name).toBe('later');
});

test('an association event makes the record a doubt, unless a foreign key of ours is about to overrule it', async () => {
  await using room = await openRoom();
  await room.link('companies', 'c1', '50');
  await room.link('deals', 'd1', '1', { client_id: 'c1' }, (state) =>
    appliedInbound(state, 'association:companies', { value: '50', time: 5 }),
  );
  const association = (toObjectId: number, more = {}) => {
    const { objectId: _, ...rest } = event('deal.associationChange', 1);
    return {
      ...rest,
      changeSource: 'USER',
      associationType: 'DEAL_TO_COMPANY',
      fromObjectId: 1,
      toObjectId,
      associationRemoved: false,
      ...more,
    };
  };
  await room.send(association(50));
  await room.settled();
  expect(await outcomes(room)).toEqual(['same']);
  await room.send({
    ...association(51),
    subscriptionType: 'object.associationChange',
    associationType: undefined,
    fromObjectTypeId: '0-3',
    toObjectTypeId: '0-2',
    associationTypeId: 5,
    associationCategory: 'HUBSPOT_DEFINED',
  });
  await room.settled();
  expect((await room.record('deals', 'd1')).doubt).toEqual(['association']);
  // The other direction, and a type that isn't mapped, don't concern a foreign key of ours.
  const before = await room.db.query(`select count(*) from ${tables.inbox}`);
  await room.send(association(52, { associationType: 'DEAL_TO_CONTACT' }), {
    ...association(1, { associationType: 'COMPANY_TO_DEAL', fromObjectId: 52 }),
    subscriptionType: 'company.associationChange',
  });
  expect(await room.db.query(`select count(*) from ${tables.inbox}`)).toEqual(before);
});

test('an applied value ends the letters of its property, of either direction, and the record’s error with the last', async () => {
  await using room = await openRoom();
  await room.link('deals', 'd1', '1', { stage: 'Nobody knows' });
  await room.db.query(
    `insert into ${tables.deadLetter} (direction, object_type, key, hubspot_id, code, message, advice, payload)
     values ('outbound', 'deals', 'd1', '1', 'VALUE_UNCONVERTIBLE', '', '', '{"properties":["dealstage"]}'),
            ('outbound', 'deals', 'd1', '1', 'LINK_TAKEN', '', '', '{"properties":[]}'),
            ('inbound', 'deals', 'd1', '1', 'VALUE_UNCONVERTIBLE', '', '', '{"property":"dealname","value":"\\u0000"}')`,
  );
  await room.db.query(`update ${tables.record} set sync_error = 'dealstage' where key = 'd1'`);
  const look = async () => {
    const letters = await room.db.query(`select state from ${tables.deadLetter} order by id`);
    const [record] = await room.db.query(`select sync_error from ${tables.record}`);
    return [...letters.map(({ state }) => state), record?.sync_error];
  };
  await room.send(propertyChange(1, 'dealstage', 'closedwon'));
  await room.settled();
  expect(await look()).toEqual(['cured', 'open', 'open', 'dealstage']);
  await room.db.query(
    `update ${tables.deadLetter} set state = 'discarded' where code = 'LINK_TAKEN'`,
  );
  await room.send(propertyChange(1, 'dealname', 'fine'));
  await room.settled();
  expect(await look()).toEqual(['cured', 'discarded', 'cured', null]);
});
