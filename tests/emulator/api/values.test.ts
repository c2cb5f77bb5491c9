/** What each type of property takes, and how it is kept. */
import { runCrm } from '../running-crm.ts';

async function withProperties() {
  const hubspot = await runCrm();
  const options = ['red', 'green', 'blue'].map((value) => ({ label: value.toUpperCase(), value }));
  for (const [name, type, fieldType] of [
    ['a_text', 'string', 'text'],
    ['a_number', 'number', 'number'],
    ['a_flag', 'bool', 'booleancheckbox'],
    ['a_choice', 'enumeration', 'select'],
    ['some_choices', 'enumeration', 'checkbox'],
    ['a_day', 'date', 'date'],
    ['a_moment', 'datetime', 'date'],
  ]) {
    const { status } = await hubspot.call('POST', '/crm/v3/properties/deals', {
      name,
      label: name,
      type,
      fieldType,
      groupName: 'dealinformation',
      ...(type === 'enumeration' ? { options } : {}),
    });
    if (status !== 201) throw new Error(`property ${name} was answered ${status}`);
  }
  return hubspot;
}

const write = (hubspot: Awaited<ReturnType<typeof withProperties>>, properties: unknown) =>
  hubspot.call('POST', '/crm/v3/objects/deals', { properties });

test.each([
  ['a_text', '  kept as sent ', '  kept as sent '],
  ['a_text', 12, '12'],
  ['a_text', null, null],
  ['a_number', '100.50', '100.50'],
  ['a_number', -1.5, '-1.5'],
  ['a_flag', true, 'true'],
  ['a_choice', 'red', 'red'],
  ['some_choices', 'red;blue;red', 'red;blue'],
  ['a_day', '2026-02-28', '2026-02-28'],
  ['a_day', String(Date.UTC(2026, 1, 28)), '2026-02-28'],
  ['a_moment', '2026-02-28T10:20:30Z', '2026-02-28T10:20:30.000Z'],
  ['a_moment', '2026-02-28T10:20:30+02:00', '2026-02-28T08:20:30.000Z'],
  ['a_moment', Date.UTC(2026, 1, 28), '2026-02-28T00:00:00.000Z'],
  ['a_moment', '', null],
  ['hubspot_owner_id', '81960210', '81960210'],
])('%s takes %j and keeps %j', async (name, sent, kept) => {
  await using hubspot = await withProperties();
  const { status, body } = await write(hubspot, { [name]: sent });
  expect(status).toBe(201);
  expect(body.properties[name]).toBe(kept);
});

test.each([
  ['a_text', 'x'.repeat(65_537), 'VALUE_TOO_LONG'],
  ['a_text', ['x'], 'INVALID_VALUE'],
  ['a_number', '1,000', 'INVALID_DOUBLE'],
  ['a_number', '1e5', 'INVALID_DOUBLE'],
  ['a_number', '1.2.3', 'INVALID_DOUBLE'],
  ['a_flag', 'yes', 'INVALID_OPTION'],
  ['a_choice', 'RED', 'INVALID_OPTION'],
  ['a_choice', 'red;green', 'INVALID_OPTION'],
  ['some_choices', 'red;pink', 'INVALID_OPTION'],
  ['a_day', String(Date.UTC(2026, 1, 28, 1)), 'INVALID_DATE'],
  ['a_day', '2026-02-30', 'INVALID_DATE'],
  ['a_moment', 'tomorrow', 'INVALID_LONG'],
  ['a_moment', '99999999999999999', 'INVALID_LONG'],
  ['hubspot_owner_id', '5201001', 'INVALID_OWNER_ID'],
  ['hubspot_owner_id', 'Ana', 'INVALID_INTEGER'],
  ['hs_object_id', '1', 'READ_ONLY_VALUE'],
  ['dealstage', 'nowhere', 'INVALID_OPTION'],
])('%s refuses %j with %s', async (name, sent, code) => {
  await using hubspot = await withProperties();
  const { status, body } = await write(hubspot, { [name]: sent });
  expect(status).toBe(400);
  expect(body.errors).toMatchObject([{ code, context: { propertyName: [name] } }]);
  expect(hubspot.crm.countObjects().deals).toBe(0);
});

test('an allowed value of 65,536 characters fits', async () => {
  await using hubspot = await withProperties();
  expect((await write(hubspot, { a_text: 'x'.repeat(65_536) })).status).toBe(201);
});

test('a leading semicolon appends to several choices', async () => {
  await using hubspot = await withProperties();
  const { body } = await write(hubspot, { some_choices: 'red' });
  const patch = async (some_choices: string) =>
    (
      await hubspot.call('PATCH', `/crm/v3/objects/deals/${body.id}`, {
        properties: { some_choices },
      })
    ).body.properties.some_choices;
  expect(await patch(';blue')).toBe('red;blue');
  expect(await patch('green')).toBe('green');
});

test('the same choices in another order are the same value', async () => {
  await using hubspot = await withProperties();
  const { body } = await write(hubspot, { some_choices: 'red;blue' });
  await hubspot.call('PATCH', `/crm/v3/objects/deals/${body.id}`, {
    properties: { some_choices: 'blue;red' },
  });
  expect(await hubspot.history('deals', body.id, 'some_choices')).toHaveLength(1);
});

test.each([
  ['as-sent', '100.50', '100.50'],
  ['canonical', '0100.50', '100.5'],
  ['decimal', '100', '100.0'],
] as const)('numbers in form %s: %s is kept as %s', async (numberForm, sent, kept) => {
  await using hubspot = await withProperties();
  hubspot.behaviour.numberForm = numberForm;
  expect((await write(hubspot, { a_number: sent })).body.properties.a_number).toBe(kept);
});

test('dates are announced as epoch milliseconds, a cleared one as an empty text', async () => {
  await using hubspot = await withProperties();
  const { body } = await write(hubspot, { a_day: '2026-02-28', a_moment: '2026-02-28T10:20:30Z' });
  const announced = () =>
    Object.fromEntries(hubspot.changes.map(({ property, value }) => [property, value]));
  expect(announced()).toMatchObject({
    a_day: String(Date.UTC(2026, 1, 28)),
    a_moment: String(Date.UTC(2026, 1, 28, 10, 20, 30)),
  });
  hubspot.changes.length = 0;
  await hubspot.call('PATCH', `/crm/v3/objects/deals/${body.id}`, { properties: { a_day: '' } });
  expect(announced()).toEqual({ a_day: '' });
});
