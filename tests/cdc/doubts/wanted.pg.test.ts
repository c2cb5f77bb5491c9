/** HubSpot ids that were announced: which row each is, and rows whose keys name one. */
import { createRoom, type Room, tables } from '../room.ts';

const deal = { dealname: 'From HubSpot', pipeline: 'default', dealstage: 'contractsent' };
const UPSERT = 'POST /crm/v3/objects/deals/batch/upsert';

/** As a webhook that announces a creation leaves it behind. */
async function want(room: Room, object: string, id: string, ageMs = 0): Promise<void> {
  await room.db.query(
    `insert into ${tables.hubspotId} (object_type, hubspot_id, wanted_at)
     values ($1, $2, now() - $3 * interval '1 millisecond')
     on conflict (object_type, hubspot_id) do update set wanted_at = excluded.wanted_at`,
    [object, id, ageMs],
  );
}

async function idOf(room: Room, object: string, key: string): Promise<string> {
  return (await room.record(object, key)).state.existence.link ?? '';
}

test('a record that a person created becomes a row with every mapped column', async () => {
  await using room = await createRoom();
  const id = await room.create('deals', {
    ...deal,
    amount: '12.5',
    closedate: '2026-12-24T10:00:00Z',
  });
  await want(room, 'deals', id);
  await room.rest();
  expect(await room.row('deals', `hs_${id}`)).toMatchObject({
    name: 'From HubSpot',
    amount: '12.50',
    stage: 'Negotiation',
    close_date: '2026-12-24',
    next_step: null,
  });
  expect(await idOf(room, 'deals', `hs_${id}`)).toBe(id);
  expect((await room.calls())[UPSERT]).toBeUndefined();
  const [line] = await room.db.query(`select * from ${tables.syncLog}`);
  expect(line).toMatchObject({
    object_id: `hs_${id}`,
    direction: 'inbound',
    status: 'success',
    metadata: { operation: 'insert', hubspot_id: id },
  });
});

test('a deal and its company that were created together become rows that name each other', async () => {
  await using room = await createRoom();
  const company = await room.create('companies', { name: 'Client' });
  const id = await room.create('deals', deal);
  await room.control('PUT', `/associations/deals/${id}/companies/${company}`, {
    associationTypeId: 5,
  });
  await want(room, 'deals', id);
  await room.rest();
  // The deal's row comes first, and can't name a row that isn't there.
  expect(await room.row('deals', `hs_${id}`)).toMatchObject({ client_id: null });
  await want(room, 'companies', company);
  await room.rest();
  expect(await room.row('deals', `hs_${id}`)).toMatchObject({ client_id: `hs_${company}` });
  await room.reconcile();
  await room.rest();
  const [row] = await room.hubspot.readAssociations('deals', 'companies', [id]);
  expect(row?.to.map(({ id: to }) => to)).toEqual([company]);
});

test('a company that has no row keeps its association, although the row names none', async () => {
  await using room = await createRoom();
  const company = await room.create('companies', { name: 'Nobody’s' });
  const id = await room.create('deals', deal);
  await want(room, 'deals', id);
  await room.rest();
  await room.control('PUT', `/associations/deals/${id}/companies/${company}`, {
    associationTypeId: 5,
  });
  await room.doubt('deals', `hs_${id}`, 'association');
  await room.rest();
  await room.update('deals', `hs_${id}`, { name: 'Other' });
  await room.rest();
  const [row] = await room.hubspot.readAssociations('deals', 'companies', [id]);
  expect(row?.to).toHaveLength(1);
});

test('an id of our own creation whose answer was lost is linked to the row that it was made for', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'O-1', { name: 'First' });
  await room.control('POST', '/faults', { match: UPSERT, drop: 'after' });
  await room.deliver();
  const [made] = await room.list('deals');
  await want(room, 'deals', made?.id ?? '', 10_000);
  await room.rest();
  expect(await idOf(room, 'deals', 'O-1')).toBe(made?.id);
  expect(await room.list('deals')).toHaveLength(1);
  expect(await room.db.query('select id from opportunities')).toEqual([{ id: 'O-1' }]);
  expect((await room.calls())[UPSERT]?.count).toBe(1);
});

test('an id of our own is left alone while the answer that names it is on its way', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'o-1', { name: 'First' });
  const claimed = await room.claim();
  const outcomes = await room.send(claimed);
  const [made] = await room.list('deals');
  await want(room, 'deals', made?.id ?? '');
  await room.resolve();
  expect((await room.record('deals', 'o-1')).state.doubt).toEqual([]);
  await room.settle(claimed, outcomes);
  expect(await idOf(room, 'deals', 'o-1')).toBe(made?.id);
  expect((await room.waiting()).filter((line) => line.startsWith('wanted'))).toEqual([]);
  expect((await room.calls())['POST /crm/v3/objects/deals/batch/upsert']?.count).toBe(1);
});

test('a deletion that was announced before the answer that links the id is not forgotten', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'o-1', { name: 'First' });
  const claimed = await room.claim();
  const outcomes = await room.send(claimed);
  const [made] = await room.list('deals');
  await room.control('DELETE', `/objects/deals/${made?.id}`, {});
  const at = Date.now() + 10;
  await room.db.query(
    `insert into ${tables.hubspotId} (object_type, hubspot_id, dead_low, dead_high) values ('deals', $1, $2, $2)`,
    [made?.id, at],
  );
  await room.settle(claimed, outcomes);
  expect((await room.record('deals', 'o-1')).state.doubt).toContain('existence');
  await room.rest();
  expect(await room.row('deals', 'o-1')).toBeUndefined();
  expect(await room.list('deals')).toEqual([]);
});

test('a company that HubSpot made by itself, in our name, becomes no row', async () => {
  await using room = await createRoom({ behaviour: { companyFromEmailDomain: true } });
  await room.insert('contacts', 'p-1', { email: 'ana@acme.example', first_name: 'Ana' });
  await room.rest();
  const companies = await room.list('companies');
  expect(companies).toHaveLength(1);
  await want(room, 'companies', companies[0]?.id ?? '', 10_000);
  await room.rest();
  expect(await room.db.query('select id from clients')).toEqual([]);
  expect(await room.letters()).toEqual([]);
  // Nor is its association with the contact taken away.
  await room.doubt('contacts', 'p-1', 'association');
  await room.rest();
  const contact = await idOf(room, 'contacts', 'p-1');
  const [row] = await room.hubspot.readAssociations('contacts', 'companies', [contact]);
  expect(row?.to).toHaveLength(1);
});

test('where the mapping wants rows of automatic records, it gets one', async () => {
  await using room = await createRoom({
    behaviour: { companyFromEmailDomain: true },
    mapping: (text) => text.replace('automation: ignore', 'automation: rows'),
  });
  await room.insert('contacts', 'p-1', { email: 'ana@acme.example' });
  await room.rest();
  const [company] = await room.list('companies');
  await want(room, 'companies', company?.id ?? '', 10_000);
  await room.rest();
  const key = `hs_${company?.id}`;
  expect(await room.row('companies', key)).toBeDefined();
});

test('a record whose required property is empty gets no row, is not archived, and says why', async () => {
  await using room = await createRoom();
  const id = await room.create('deals', { pipeline: 'default', dealstage: 'contractsent' });
  await want(room, 'deals', id);
  await room.rest();
  expect(await room.db.query('select id from opportunities')).toEqual([]);
  expect((await room.shown('deals', id)).archived).toBe(false);
  expect(await room.letters()).toMatchObject([
    { key: `hs_${id}`, code: 'REQUIRED_MISSING', payload: { properties: ['dealname'] } },
  ]);
});

test('a record that Postgres takes no row of stays in HubSpot', async () => {
  await using room = await createRoom({ sql: 'alter table opportunities add owner text not null' });
  const id = await room.create('deals', deal);
  await want(room, 'deals', id);
  await room.rest();
  expect((await room.shown('deals', id)).archived).toBe(false);
  expect(await idOf(room, 'deals', `hs_${id}`)).toBe('');
  expect(await room.letters()).toMatchObject([{ code: 'ROW_REFUSED', key: `hs_${id}` }]);
});

test('an option that the mapping does not name leaves the new row’s column empty, and is not cleared', async () => {
  await using room = await createRoom({
    mapping: (text) => text.replace('          Closed Lost: closedlost\n', ''),
  });
  const id = await room.create('deals', { ...deal, dealstage: 'closedlost' });
  await want(room, 'deals', id);
  await room.rest();
  await room.reconcile();
  await room.rest();
  expect(await room.row('deals', `hs_${id}`)).toMatchObject({ name: 'From HubSpot', stage: null });
  expect((await room.shown('deals', id)).properties.dealstage).toBe('closedlost');
  expect((await room.letters()).every(({ code }) => code === 'VALUE_UNCONVERTIBLE')).toBe(true);
});

test('a record in which a person wrote the key of a row is linked to that row', async () => {
  await using room = await createRoom();
  await room.db.query("insert into opportunities (id, name) values ('o-7', 'Row')");
  const id = await room.create('deals', { ...deal, trs_id: 'o-7' });
  await want(room, 'deals', id);
  await room.rest();
  expect(await idOf(room, 'deals', 'o-7')).toBe(id);
  expect(await room.row('deals', 'o-7')).toMatchObject({ name: 'From HubSpot' });
});

test('a record of our app whose row is not here is left alone, as a dead letter', async () => {
  await using room = await createRoom();
  await room.hubspot.upsertBatch('deals', 'trs_id', [
    { key: 'elsewhere', properties: { dealname: 'x', trs_id: 'elsewhere' }, traceId: 't' },
  ]);
  const [made] = await room.list('deals');
  await want(room, 'deals', made?.id ?? '', 10_000);
  await room.rest();
  expect(await room.letters()).toMatchObject([{ code: 'UNKNOWN_ROW', hubspot_id: made?.id }]);
  expect(await room.list('deals')).toHaveLength(1);
  expect(await room.db.query('select id from opportunities')).toEqual([]);
});

test('without an id template a creation is a dead letter, and so it is where the key can not take one', async () => {
  await using room = await createRoom({
    sql: `create table things (id int primary key, name text);`,
    mapping: (text) =>
      text
        .replace('table: opportunities\n    object: deals', 'table: things\n    object: deals')
        .replace(/dealname: \{ column: name, required: true \}[\s\S]*$/, 'dealname: name\n'),
  });
  const id = await room.create('deals', deal);
  await want(room, 'deals', id);
  await room.rest();
  expect(await room.letters()).toMatchObject([{ code: 'NO_ROW_ID', hubspot_id: id }]);
});

test('an id that is gone by the time it is read wants nothing', async () => {
  await using room = await createRoom();
  const id = await room.create('deals', deal);
  await room.control('DELETE', `/objects/deals/${id}`, {});
  await want(room, 'deals', id);
  await want(room, 'deals', '404');
  await room.rest();
  expect(await room.db.query('select id from opportunities')).toEqual([]);
  expect(await room.letters()).toEqual([]);
});

test('a new row whose key names a living record is linked to it, not made a second time', async () => {
  await using room = await createRoom();
  const id = await room.create('deals', deal);
  await room.insert('deals', `hs_${id}`, { name: 'Row', amount: '5' });
  expect(await room.deliver()).toEqual([]);
  expect((await room.record('deals', `hs_${id}`)).state.doubt).toEqual(['created']);
  await room.rest();
  expect(await idOf(room, 'deals', `hs_${id}`)).toBe(id);
  expect(await room.list('deals')).toHaveLength(1);
  expect((await room.calls())[UPSERT]).toBeUndefined();
});

test('a new row whose key names no record is made in HubSpot, and never taken for one deleted there', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'hs_123456', { name: 'Row' });
  await room.rest();
  expect(await room.row('deals', 'hs_123456')).toBeDefined();
  const [made] = await room.list('deals');
  expect(made?.properties).toMatchObject({ dealname: 'Row', trs_id: 'hs_123456' });
  expect(await idOf(room, 'deals', 'hs_123456')).toBe(made?.id);
});

test('a new row whose key names an archived record gets one of its own', async () => {
  await using room = await createRoom();
  const id = await room.create('deals', deal);
  await room.control('DELETE', `/objects/deals/${id}`, {});
  await room.insert('deals', `hs_${id}`, { name: 'Row' });
  await room.rest();
  expect(await room.row('deals', `hs_${id}`)).toBeDefined();
  const link = await idOf(room, 'deals', `hs_${id}`);
  expect(link).not.toBe(id);
  expect((await room.shown('deals', link)).properties.dealname).toBe('Row');
});

test('a new row whose key names another row’s record gets one of its own', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'o-1', { name: 'First' });
  await room.rest();
  const id = await idOf(room, 'deals', 'o-1');
  await room.insert('deals', `hs_${id}`, { name: 'Second' });
  await room.rest();
  expect(await idOf(room, 'deals', 'o-1')).toBe(id);
  expect(await idOf(room, 'deals', `hs_${id}`)).not.toBe(id);
  expect((await room.shown('deals', id)).properties.dealname).toBe('First');
  expect(await room.letters()).toEqual([]);
});
