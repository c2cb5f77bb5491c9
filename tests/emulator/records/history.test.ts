/** Property history and modified dates: what a write leaves behind, and when. */
import { APP, runCrm, USER } from '../running-crm.ts';

const deals = '/crm/v3/objects/deals';

test('an identical write leaves no history entry, no announcement and no new modified date', async () => {
  await using hubspot = await runCrm();
  const id = await hubspot.create('deals', { dealname: 'One', amount: '100' });
  const before = await hubspot.read('deals', id, ['dealname', 'amount']);
  hubspot.changes.length = 0;
  hubspot.clock.now += 60_000;

  const { status, body } = await hubspot.call('POST', `${deals}/batch/update`, {
    inputs: [{ id, properties: { dealname: 'One', amount: '100.0' } }],
  });

  expect(status).toBe(200);
  expect(body.results[0].updatedAt).toBe(before.body.updatedAt);
  expect(await hubspot.history('deals', id, 'dealname')).toHaveLength(1);
  expect(await hubspot.history('deals', id, 'amount')).toHaveLength(1);
  expect(hubspot.changes).toEqual([]);
});

test('an identical upsert leaves no trace either', async () => {
  await using hubspot = await runCrm();
  const upsert = () =>
    hubspot.call('POST', '/crm/v3/objects/contacts/batch/upsert', {
      inputs: [{ id: 'Ann@X.example', idProperty: 'email', properties: { firstname: 'Ann' } }],
    });
  const first = await upsert();
  hubspot.changes.length = 0;
  hubspot.clock.now += 1000;
  const second = await upsert();
  expect(second.body.results[0]).toMatchObject({
    new: false,
    id: first.body.results[0].id,
    updatedAt: first.body.results[0].updatedAt,
  });
  expect(hubspot.changes).toEqual([]);
});

test('history times rise strictly per property, also within one millisecond', async () => {
  await using hubspot = await runCrm();
  const id = await hubspot.create('deals', { amount: '0' });
  for (const amount of ['1', '2', '3']) {
    await hubspot.call('PATCH', `${deals}/${id}`, { properties: { amount } });
  }
  const history = await hubspot.history('deals', id, 'amount');
  expect(history.map(({ value }) => value)).toEqual(['3', '2', '1', '0']);
  const times = history.map(({ timestamp }) => Date.parse(timestamp));
  expect(times).toEqual([3, 2, 1, 0].map((ms) => hubspot.clock.now + ms));
});

test('the modified date follows the history time by 5 to 40 ms, and the batch answer brackets it', async () => {
  for (const random of [0, 0.999]) {
    await using hubspot = await runCrm({ random: () => random });
    const id = await hubspot.create('deals', { amount: '0' });
    const { body } = await hubspot.call('POST', `${deals}/batch/update`, {
      inputs: [{ id, properties: { amount: '1' } }],
    });
    const [newest] = await hubspot.history('deals', id, 'amount');
    const at = Date.parse(newest?.timestamp ?? '');
    expect(Date.parse(body.startedAt)).toBeLessThanOrEqual(at);
    expect(Date.parse(body.completedAt)).toBeGreaterThanOrEqual(at);
    const lead = Date.parse(body.results[0].updatedAt) - at;
    expect(lead).toBeGreaterThanOrEqual(5);
    expect(lead).toBeLessThanOrEqual(40);
  }
});

test('a derived bump moves the modified date alone, 1 to 15 s later, without an announcement', async () => {
  await using hubspot = await runCrm({ behaviour: { derivedBumpChance: 1 } });
  const id = await hubspot.create('deals', { amount: '0' });
  const first = await hubspot.read('deals', id);
  hubspot.changes.length = 0;
  hubspot.clock.now += 15_100;
  const later = await hubspot.read('deals', id);
  const moved = Date.parse(later.body.updatedAt) - Date.parse(first.body.updatedAt);
  expect(moved).toBeGreaterThanOrEqual(1000);
  expect(moved).toBeLessThanOrEqual(15_000);
  expect(later.body.properties.hs_lastmodifieddate).toBe(later.body.updatedAt);
  expect(await hubspot.history('deals', id, 'amount')).toHaveLength(1);
  expect(hubspot.changes).toEqual([]);
});

test('a person in the pages edits at the time the test says, and the announcement bears it', async () => {
  await using hubspot = await runCrm();
  const id = await hubspot.create('deals', { dealname: 'One' });
  hubspot.changes.length = 0;
  const occurredAt = hubspot.clock.now + 5000;
  hubspot.crm.user.edit('deals', id, { dealname: 'Two' }, { ...USER, occurredAt });
  const [newest] = await hubspot.history('deals', id, 'dealname');
  expect(newest).toEqual({
    value: 'Two',
    timestamp: new Date(occurredAt).toISOString(),
    sourceType: 'CRM_UI',
    sourceId: 'userId:42',
    updatedByUserId: 42,
  });
  expect(hubspot.changes).toMatchObject([
    { kind: 'propertyChange', property: 'dealname', value: 'Two', occurredAt, actor: USER },
  ]);
});

test('a creation is announced after its properties, all at the same time and by the app', async () => {
  await using hubspot = await runCrm();
  const id = await hubspot.create('deals', {
    dealname: 'One',
    closedate: '2026-03-01T10:00:00Z',
  });
  const kinds = hubspot.changes.map(({ kind }) => kind);
  expect(kinds).toEqual(['propertyChange', 'propertyChange', 'creation']);
  expect(new Set(hubspot.changes.map(({ occurredAt }) => occurredAt)).size).toBe(1);
  expect(hubspot.changes[2]).toMatchObject({
    objectType: 'deals',
    objectTypeId: '0-3',
    objectId: id,
    actor: APP,
  });
  // Dates are announced as epoch milliseconds, though they are stored as ISO.
  expect(hubspot.changes.find(({ property }) => property === 'closedate')?.value).toBe(
    String(Date.UTC(2026, 2, 1, 10)),
  );
});

test('ids have 11 digits and repeat across types', async () => {
  await using hubspot = await runCrm();
  const deal = await hubspot.create('deals', {});
  const company = await hubspot.create('companies', {});
  expect(deal).toMatch(/^\d{11,}$/);
  expect(company).toBe(deal);
});
