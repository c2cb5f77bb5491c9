/** What HubSpot refuses, and what it can't be given: buried once, alone, with the rest sent. */
import { createRoom, type Room, tables } from '../room.ts';

const UPDATE = 'POST /crm/v3/objects/deals/batch/update';
const UPSERT = 'POST /crm/v3/objects/deals/batch/upsert';
const deal = { name: 'First', amount: '1', stage: 'Negotiation' };

async function idOf(room: Room, object: string, key: string): Promise<string> {
  return (await room.record(object, key)).state.existence.link ?? '';
}

/** A deal whose owner HubSpot refuses: an owner's id is a number. */
const badOwner = { ...deal, owner_id: 'nobody' };

test('one refused record of a batch is a dead letter with its reason; its neighbours go through', async () => {
  await using room = await createRoom();
  for (const key of ['o-1', 'o-2', 'o-3']) await room.insert('deals', key, deal);
  await room.rest();
  await room.update('deals', 'o-1', { name: 'A' });
  await room.update('deals', 'o-2', { name: 'B', owner_id: 'nobody' });
  await room.update('deals', 'o-3', { name: 'C' });
  await room.deliver();
  expect((await room.calls())[UPDATE]).toMatchObject({ count: 1, inputs: 3 });
  await room.rest();
  const letters = await room.letters();
  expect(letters).toMatchObject([
    {
      direction: 'outbound',
      object_type: 'deals',
      key: 'o-2',
      code: 'HUBSPOT_VALUES_REFUSED',
      state: 'open',
      payload: { properties: ['hubspot_owner_id'] },
    },
  ]);
  // What else the record carried is sent without it.
  expect((await room.shown('deals', await idOf(room, 'deals', 'o-2'))).properties.dealname).toBe(
    'B',
  );
  expect((await room.shown('deals', await idOf(room, 'deals', 'o-3'))).properties.dealname).toBe(
    'C',
  );
  const [line] = await room.db.query(
    `select * from ${tables.syncLog} where status = 'error' and object_id = 'o-2'`,
  );
  expect(line).toMatchObject({
    direction: 'outbound',
    message: expect.stringContaining('hubspot_owner_id'),
  });
  expect(JSON.stringify(line)).not.toContain('nobody');
  expect((await room.record('deals', 'o-2')).syncError).toContain('hubspot_owner_id');
});

test('a refused value is not sent again by comparisons; the corrected row is, and cures the letter', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'o-1', deal);
  await room.rest();
  await room.update('deals', 'o-1', { owner_id: 'nobody' });
  await room.rest();
  const before = (await room.calls())[UPDATE];
  await room.reconcile();
  await room.rest();
  expect((await room.calls())[UPDATE]).toEqual(before);
  expect(await room.letters()).toHaveLength(1);
  await room.update('deals', 'o-1', { name: 'Other' });
  await room.rest();
  expect(await room.letters()).toMatchObject([{ state: 'open' }]);
  await room.update('deals', 'o-1', { owner_id: '81960210' });
  await room.rest();
  expect(await room.letters()).toMatchObject([{ state: 'cured' }]);
  expect((await room.record('deals', 'o-1')).syncError).toBeNull();
});

test('a refused value that is taken back in the row needs no call, and its letter is cured', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'o-1', deal);
  await room.rest();
  await room.update('deals', 'o-1', { owner_id: 'nobody' });
  await room.rest();
  await room.update('deals', 'o-1', { owner_id: null });
  expect(await room.deliver()).toEqual([]);
  expect(await room.letters()).toMatchObject([{ state: 'cured' }]);
});

test('a batch that is refused as a whole is halved until the bad record stands alone', async () => {
  await using room = await createRoom({ behaviour: { traceIdsOnUpsert: 'reject' } });
  for (let i = 0; i < 7; i += 1) await room.insert('deals', `o-${i}`, i === 4 ? badOwner : deal);
  await room.rest();
  expect(await room.letters()).toMatchObject([{ key: 'o-4', code: 'HUBSPOT_VALUES_REFUSED' }]);
  expect((await room.calls())[UPSERT]?.count).toBeLessThanOrEqual(9);
  for (const key of ['o-0', 'o-3', 'o-4', 'o-6'])
    expect(await idOf(room, 'deals', key)).not.toBe('');
});

test('a new row without its refused value is made all the same, once', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'o-1', badOwner);
  await room.rest();
  expect(await room.letters()).toHaveLength(1);
  const { properties } = await room.shown('deals', await idOf(room, 'deals', 'o-1'));
  expect(properties).toMatchObject({ dealname: 'First', trs_id: 'o-1' });
});

test.each([
  [
    'that does not exist',
    'hs_next_step: next_step',
    'no_such_property: next_step',
    'no_such_property',
  ],
  ['that is read-only', 'hs_next_step: next_step', 'hs_createdate: next_step', 'hs_createdate'],
])(
  'a property %s leaves the mapping at run time; the rest is sent, and each record is told',
  async (_, before, after, property) => {
    const lines: string[] = [];
    await using room = await createRoom({
      mapping: (text) => text.replace(before, after),
      log: (line) => lines.push(line),
    });
    const dropped = room.context.events.next('property:dropped');
    await room.insert('deals', 'o-1', { ...deal, next_step: 'secret words' });
    await room.insert('deals', 'o-2', { ...deal, next_step: 'secret words' });
    await room.rest();
    expect(await dropped).toMatchObject({ object: 'deals', property });
    const { properties } = await room.shown('deals', await idOf(room, 'deals', 'o-1'));
    expect(properties).toMatchObject({ dealname: 'First' });
    const letters = await room.letters();
    expect(letters.map(({ key, code }) => `${key} ${code}`).sort()).toEqual([
      'o-1 HUBSPOT_PROPERTY_REFUSED',
      'o-2 HUBSPOT_PROPERTY_REFUSED',
    ]);
    // The next record goes in one call.
    const { count = 0 } = (await room.calls())[UPSERT] ?? {};
    await room.insert('deals', 'o-3', { ...deal, next_step: 'secret words' });
    await room.rest();
    expect((await room.calls())[UPSERT]?.count).toBe(count + 1);
    expect((await room.letters()).map(({ key }) => key)).toContain('o-3');
    await room.reconcile();
    await room.rest();
    expect(await room.letters()).toHaveLength(3);
    expect(lines.some((line) => line.includes(property))).toBe(true);
    expect(lines.join('\n')).not.toContain('secret words');
  },
);

test('a value that no codec can convert is buried once and leaves the outbox; the rest is sent', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'o-1', { ...deal, stage: 'No such stage' });
  await room.deliver();
  await room.deliver();
  await room.rest();
  expect(await room.letters()).toMatchObject([
    { key: 'o-1', code: 'VALUE_UNCONVERTIBLE', payload: { properties: ['dealstage'] } },
  ]);
  const id = await idOf(room, 'deals', 'o-1');
  const { dealname, dealstage } = (await room.shown('deals', id)).properties;
  expect({ dealname, stage: dealstage ?? null }).toEqual({ dealname: 'First', stage: null });
  await room.reconcile();
  await room.rest();
  expect(await room.letters()).toHaveLength(1);
  await room.update('deals', 'o-1', { stage: 'Proposal' });
  await room.rest();
  expect((await room.letters()).map(({ state }) => state)).toEqual(['cured']);
  expect((await room.shown('deals', id)).properties.dealstage).toBe('presentationscheduled');
});

test('a value that cannot be converted is not buried while its record has to wait', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'o-1', { ...deal, stage: 'No such stage' });
  await room.change('deals', 'o-1', (record) => {
    record.state = { ...record.state, existence: { ...record.state.existence, marks: 1 } };
  });
  for (let i = 0; i < 3; i += 1) {
    await room.hurry();
    expect(await room.deliver()).toEqual([]);
  }
  expect(await room.letters()).toEqual([]);
  expect((await room.record('deals', 'o-1')).outbox?.error).toBe('WAITS_FOR_MARK');
});

test.each([['\u00fc-1'], ['x'.repeat(256)], ['  ']])(
  'a key that HubSpot can not be trusted with is a dead letter, not a loop (%#)',
  async (key) => {
    await using room = await createRoom();
    await room.insert('deals', key, deal);
    await room.insert('deals', 'o-1', deal);
    await room.rest();
    expect(await room.letters()).toMatchObject([{ key, code: 'KEY_UNUSABLE', state: 'open' }]);
    expect(await idOf(room, 'deals', 'o-1')).not.toBe('');
    expect((await room.list('deals')).length).toBe(1);
  },
);

test.each([
  ['together', true],
  ['one after the other', false],
])(
  'of two rows whose keys are one for HubSpot, %s, the second is buried and overwrites nothing',
  async (_, together) => {
    await using room = await createRoom();
    await room.insert('deals', 'A-1', deal);
    if (!together) await room.rest();
    await room.insert('deals', ' a-1 ', { ...deal, name: 'Second' });
    await room.rest();
    expect(await room.letters()).toMatchObject([{ key: ' a-1 ', code: 'KEY_TAKEN' }]);
    expect(await room.list('deals')).toHaveLength(1);
    const { properties } = await room.shown('deals', await idOf(room, 'deals', 'A-1'));
    expect(properties).toMatchObject({ dealname: 'First', trs_id: 'a-1' });
  },
);

test('an answer that brings the record of another row is a dead letter, and the settlement ends', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'o-1', deal);
  await room.rest();
  const id = await idOf(room, 'deals', 'o-1');
  // Somebody in HubSpot writes the key of another row into the record.
  await room.edit('deals', id, { trs_id: 'o-2' });
  await room.insert('deals', 'o-2', { ...deal, name: 'Second' });
  await room.insert('deals', 'o-3', { ...deal, name: 'Third' });
  await room.rest();
  expect(await room.letters()).toMatchObject([
    { key: 'o-2', code: 'LINK_TAKEN', hubspot_id: id, payload: { holder: 'o-1' } },
  ]);
  expect(await idOf(room, 'deals', 'o-1')).toBe(id);
  expect(await idOf(room, 'deals', 'o-2')).toBe('');
  expect(await idOf(room, 'deals', 'o-3')).not.toBe('');
  // Both sides of the record are equal again: it was read back.
  const row = await room.row('deals', 'o-1');
  expect((await room.shown('deals', id)).properties.dealname).toBe(row?.name);
});

test('a silent refusal ends in HubSpot’s value on both sides, told as a conflict, and in no further write', async () => {
  await using room = await createRoom();
  await room.insert('companies', 'c-1', { name: 'One', phase: 'Customer' });
  await room.rest();
  const id = await idOf(room, 'companies', 'c-1');
  await room.update('companies', 'c-1', { phase: 'Lead' });
  await room.rest();
  expect((await room.shown('companies', id)).properties.lifecyclestage).toBe('customer');
  expect(await room.row('companies', 'c-1')).toMatchObject({ phase: 'Customer' });
  const conflicts = await room.db.query(`select * from ${tables.conflict}`);
  expect(conflicts).toMatchObject([
    {
      key: 'c-1',
      property: 'lifecyclestage',
      postgres_value: 'lead',
      hubspot_value: 'customer',
      winner: 'hubspot',
      rule: 'refused',
    },
  ]);
  const before = (await room.calls())['POST /crm/v3/objects/companies/batch/update'];
  await room.reconcile();
  await room.rest();
  expect((await room.calls())['POST /crm/v3/objects/companies/batch/update']).toEqual(before);
  const log = await room.db.query(`select status from ${tables.syncLog} where status = 'conflict'`);
  expect(log).toHaveLength(1);
});

test('a row whose email another contact has gets its record without the email, after a few tries', async () => {
  await using room = await createRoom();
  await room.create('contacts', { email: 'ana@acme.example' });
  await room.insert('contacts', 'p-1', { email: 'ana@acme.example', first_name: 'Ana' });
  await room.insert('contacts', 'p-2', { email: 'ben@acme.example', first_name: 'Ben' });
  await room.rest();
  expect(await room.letters()).toMatchObject([
    { key: 'p-1', code: 'HUBSPOT_CONFLICT', payload: { properties: ['email'] } },
  ]);
  const { properties } = await room.shown('contacts', await idOf(room, 'contacts', 'p-1'));
  expect(properties).toMatchObject({ firstname: 'Ana', trs_id: 'p-1' });
  expect(properties.email ?? null).toBeNull();
  expect(await idOf(room, 'contacts', 'p-2')).not.toBe('');
  expect((await room.calls())['POST /crm/v3/objects/contacts/batch/upsert']?.count).toBeLessThan(7);
});

test.each(['conflict', 'object-already-exists'] as const)(
  'what is changed together with a taken email arrives (%s)',
  async (conflictBody) => {
    await using room = await createRoom({ behaviour: { conflictBody } });
    await room.create('contacts', { email: 'ana@acme.example' });
    await room.insert('contacts', 'p-1', { email: 'ben@acme.example', first_name: 'Ben' });
    await room.rest();
    const id = await idOf(room, 'contacts', 'p-1');
    await room.update('contacts', 'p-1', { email: 'ana@acme.example', first_name: 'Benno' });
    await room.rest();
    expect(await room.letters()).toMatchObject([
      { key: 'p-1', code: 'HUBSPOT_CONFLICT', payload: { properties: ['email'] } },
    ]);
    const { properties } = await room.shown('contacts', id);
    expect(properties).toMatchObject({ firstname: 'Benno', email: 'ben@acme.example' });
    await room.update('contacts', 'p-1', { email: 'benno@acme.example' });
    await room.rest();
    expect((await room.shown('contacts', id)).properties.email).toBe('benno@acme.example');
    expect(await room.letters()).toMatchObject([{ state: 'cured' }]);
  },
);

test('a refusal of a property that a record does not carry refuses the record, and does not go on for ever', async () => {
  await using room = await createRoom();
  await room.insert('deals', 'o-1', deal);
  await room.rest();
  await room.update('deals', 'o-1', { name: 'Second' });
  await room.control('POST', '/faults', {
    match: UPDATE,
    times: 0,
    status: 400,
    body: {
      status: 'error',
      category: 'VALIDATION_ERROR',
      message: 'Property "something_else" does not exist',
    },
  });
  await room.rest();
  expect(await room.letters()).toMatchObject([{ key: 'o-1', code: 'HUBSPOT_PROPERTY_REFUSED' }]);
  expect((await room.calls())[UPDATE]?.count).toBe(1);
});

test('without the key property creates are held with their reason, until it is there', async () => {
  await using room = await createRoom({
    mapping: (text) => text.replaceAll('idProperty: trs_id', 'idProperty: other_id'),
    keys: false,
  });
  await room.insert('deals', 'o-1', deal);
  await room.deliver();
  expect((await room.record('deals', 'o-1')).outbox).toMatchObject({
    error: 'HUBSPOT_KEY_NOT_UNIQUE',
    attempts: 1,
  });
  expect(await room.letters()).toEqual([]);
  await room.createKeys();
  await room.rest();
  expect(await idOf(room, 'deals', 'o-1')).not.toBe('');
});
