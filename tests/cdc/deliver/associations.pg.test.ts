/** Foreign keys as associations: after both ends, moved, removed, refused. */
import { inTransaction } from '../../../shared/postgres/pool.ts';
import { lockRecords } from '../../../shared/postgres/records.ts';
import { createRoom, type Room, tables } from '../room.ts';

const CREATE = 'POST /crm/v4/associations/deals/companies/batch/create';
const ARCHIVE = 'POST /crm/v4/associations/deals/companies/batch/archive';

async function linkOf(room: Room, object: string, key: string): Promise<string> {
  return (await room.record(object, key)).state.existence.link ?? '';
}

/** Ids of the deal's companies, those of the primary type first and marked. */
async function companiesOf(room: Room, key: string): Promise<string[]> {
  const id = await linkOf(room, 'deals', key);
  const [row] = await room.hubspot.readAssociations('deals', 'companies', [id]);
  return (row?.to ?? []).map(
    ({ id: to, types }) => `${to}${types.some(({ typeId }) => typeId === 5) ? ' primary' : ''}`,
  );
}

test('an association is made once both ends have a record, whichever comes first', async () => {
  await using room = await createRoom();
  await room.db.query("insert into clients (id, name) values ('c-1', 'Client')");
  await room.insert('deals', 'o-1', { name: 'Deal', client_id: 'c-1' });
  await room.foldInsert('companies', 'c-1');
  const claimed = await room.deliver();
  expect(claimed.map(({ operation }) => operation)).toEqual(['upsert', 'upsert']);
  await room.rest();
  expect(await companiesOf(room, 'o-1')).toEqual([
    `${await linkOf(room, 'companies', 'c-1')} primary`,
  ]);
  const calls = await room.calls();
  expect(calls[CREATE]).toMatchObject({ count: 1, inputs: 1 });
  const log = await room.db.query(
    `select metadata ->> 'operation' as operation from ${tables.syncLog} where object_id = 'o-1' order by id`,
  );
  expect(log.map(({ operation }) => operation)).toEqual(['upsert', 'associate']);
});

test('an association waits while the other record is on its way, and says so', async () => {
  await using room = await createRoom();
  await room.insert('companies', 'c-1', { name: 'Client' });
  const companies = await room.claim();
  await room.insert('deals', 'o-1', { name: 'Deal', client_id: 'c-1' });
  await room.deliver();
  await room.deliver();
  const { outbox } = await room.record('deals', 'o-1');
  expect(outbox).toMatchObject({ operation: null, error: 'WAITS_FOR_ASSOCIATED' });
  await room.settle(companies, await room.send(companies));
  await room.hurry();
  expect(await room.deliver()).toMatchObject([{ operation: 'associate' }]);
  await room.rest();
});

test('of a record that HubSpot never gets nothing waits; when it is linked one day, its dependents follow', async () => {
  await using room = await createRoom();
  await room.db.query("insert into clients (id, name) values ('c-1', 'Client')");
  await room.insert('deals', 'o-1', { name: 'Deal', client_id: 'c-1' });
  await room.rest();
  expect(await companiesOf(room, 'o-1')).toEqual([]);
  await room.update('companies', 'c-1', { name: 'Changed' });
  await room.rest();
  expect(await companiesOf(room, 'o-1')).toEqual([
    `${await linkOf(room, 'companies', 'c-1')} primary`,
  ]);
});

test('a dependent whose record is locked at that moment follows too', async () => {
  await using room = await createRoom();
  await room.db.query("insert into clients (id, name) values ('c-1', 'Client')");
  await room.insert('deals', 'o-1', { name: 'Deal', client_id: 'c-1' });
  await room.rest();
  await room.update('companies', 'c-1', { name: 'Changed' });
  const claimed = await room.claim();
  const outcomes = await room.send(claimed);
  const { pool } = room.context;
  let settled: Promise<void> | undefined;
  await inTransaction(pool, async (client) => {
    await lockRecords(client, tables, [{ object: 'deals', key: 'o-1' }]);
    settled = room.settle(claimed, outcomes);
    await room.waitsForLock();
  });
  await settled;
  expect((await room.record('deals', 'o-1')).state.compareWanted).toBe(true);
  await room.rest();
  expect(await companiesOf(room, 'o-1')).toHaveLength(1);
});

test('a moved foreign key makes the new association before it takes the old one away', async () => {
  await using room = await createRoom();
  await room.insert('companies', 'c-1', { name: 'One' });
  await room.insert('companies', 'c-2', { name: 'Two' });
  await room.insert('deals', 'o-1', { name: 'Deal', client_id: 'c-1' });
  await room.rest();
  await room.update('deals', 'o-1', { client_id: 'c-2' });
  await room.rest();
  expect(await companiesOf(room, 'o-1')).toEqual([
    `${await linkOf(room, 'companies', 'c-2')} primary`,
  ]);
  const requests: { method: string; path: string }[] = await room.control('GET', '/requests');
  const made = requests
    .map(({ method, path }) => `${method} ${path}`)
    .filter((call) => call === CREATE || call === ARCHIVE);
  expect(made.length).toBe(3);
  await room.update('deals', 'o-1', { client_id: null });
  await room.rest();
  expect(await companiesOf(room, 'o-1')).toEqual([]);
});

test('where the new association is refused, the old one stays', async () => {
  await using room = await createRoom();
  await room.insert('companies', 'c-1', { name: 'One' });
  await room.insert('companies', 'c-2', { name: 'Two' });
  await room.insert('deals', 'o-1', { name: 'Deal', client_id: 'c-1' });
  await room.insert('deals', 'o-2', { name: 'Other', client_id: 'c-1' });
  await room.rest();
  const refused = await linkOf(room, 'deals', 'o-1');
  await room.update('deals', 'o-1', { client_id: 'c-2' });
  await room.update('deals', 'o-2', { client_id: 'c-2' });
  const claimed = await room.claim();
  const body = {
    status: 'COMPLETE',
    results: [
      {
        fromObjectTypeId: '0-3',
        fromObjectId: Number(await linkOf(room, 'deals', 'o-2')),
        toObjectTypeId: '0-2',
        toObjectId: Number(await linkOf(room, 'companies', 'c-2')),
        labels: [],
      },
    ],
    numErrors: 1,
    errors: [
      {
        status: 'error',
        category: 'VALIDATION_ERROR',
        message: 'no more associations of this type are allowed',
        context: { fromObjectId: [refused] },
      },
    ],
    startedAt: new Date().toISOString(),
    completedAt: new Date().toISOString(),
  };
  await room.control('POST', '/faults', { match: CREATE, status: 207, body });
  await room.settle(claimed, await room.send(claimed));
  await room.rest();
  const one = await linkOf(room, 'companies', 'c-1');
  expect(await companiesOf(room, 'o-1')).toEqual([`${one} primary`]);
  const letters = await room.letters();
  expect(letters).toMatchObject([
    {
      key: 'o-1',
      code: 'HUBSPOT_VALUES_REFUSED',
      payload: { properties: ['association:companies'] },
    },
  ]);
  // Not again before the row changes.
  await room.change('deals', 'o-1', (record) => {
    record.state = { ...record.state, doubt: ['reconcile'] };
  });
  await room.rest();
  expect(await room.letters()).toHaveLength(1);
});

test('a company that is gone in HubSpot is found out by the association that names it', async () => {
  await using room = await createRoom();
  await room.insert('companies', 'c-1', { name: 'One' });
  await room.rest();
  const company = await linkOf(room, 'companies', 'c-1');
  await room.control('DELETE', `/objects/companies/${company}`, {});
  await room.insert('deals', 'o-1', { name: 'Deal', client_id: 'c-1' });
  await room.rest(20);
  // By policy the row follows its record, and the deal's foreign key with it.
  expect(await room.row('companies', 'c-1')).toBeUndefined();
  expect(await room.row('deals', 'o-1')).toMatchObject({ client_id: null });
  expect(await companiesOf(room, 'o-1')).toEqual([]);
});

test('an answer about an association that was lost is read back, and nothing is made twice', async () => {
  await using room = await createRoom();
  await room.insert('companies', 'c-1', { name: 'One' });
  await room.insert('deals', 'o-1', { name: 'Deal', client_id: 'c-1' });
  await room.deliver();
  await room.hurry();
  await room.control('POST', '/faults', { match: CREATE, drop: 'after' });
  await room.deliver();
  expect((await room.record('deals', 'o-1')).state.doubt).toEqual(['readretry']);
  await room.rest();
  expect(await companiesOf(room, 'o-1')).toHaveLength(1);
});
