/** What batch calls refuse whole, what they refuse input by input, and how they answer. */
import { PORTAL_ID, type RunningCrm, runCrm } from '../running-crm.ts';

const contacts = '/crm/v3/objects/contacts/batch';
const deals = '/crm/v3/objects/deals/batch';

const wrong = { properties: { nickname: 'x' } };
const good = { properties: { firstname: 'Ann' } };

async function addKey(hubspot: RunningCrm, type = 'deals', groupName = 'dealinformation') {
  const { status } = await hubspot.call('POST', `/crm/v3/properties/${type}`, {
    name: 'row_id',
    label: 'Row',
    type: 'string',
    fieldType: 'text',
    groupName,
    hasUniqueValue: true,
  });
  if (status !== 201) throw new Error(`the key property was answered ${status}`);
}

test('more than 100 inputs are refused, 50 with histories, and none at all', async () => {
  await using hubspot = await runCrm();
  const ids = (count: number) => Array.from({ length: count }, (_, at) => ({ id: String(at + 1) }));
  const read = (count: number, propertiesWithHistory?: string[]) =>
    hubspot.call('POST', `${deals}/read`, { inputs: ids(count), propertiesWithHistory });
  expect((await read(100)).status).toBe(207);
  expect((await read(101)).status).toBe(400);
  expect((await read(50, ['amount'])).status).toBe(207);
  expect((await read(51, ['amount'])).body.message).toBe(
    'The maximum number of inputs supported in a batch request for property histories is 50',
  );
  expect((await read(0)).status).toBe(400);
  for (const call of ['create', 'update', 'upsert', 'archive']) {
    const { status } = await hubspot.call('POST', `${deals}/${call}`, { inputs: ids(101) });
    expect([call, status]).toEqual([call, 400]);
  }
});

test('without trace ids one wrong input refuses the batch, with the problems of all inputs in one message', async () => {
  await using hubspot = await runCrm();
  const { status, body } = await hubspot.call('POST', `${contacts}/create`, {
    inputs: [good, wrong, { properties: { email: 'nobody' } }],
  });
  expect(status).toBe(400);
  expect(body).toMatchObject({ status: 'error', category: 'VALIDATION_ERROR' });
  expect(body.correlationId).toMatch(/^[0-9a-f-]{36}$/);
  const [prefix, list] = [body.message.slice(0, 33), body.message.slice(33)];
  expect(prefix).toBe('Property values were not valid: [');
  expect(JSON.parse(`[${list}`)).toEqual([
    {
      isValid: false,
      message: 'Property "nickname" does not exist',
      error: 'PROPERTY_DOESNT_EXIST',
      name: 'nickname',
      localizedErrorMessage: 'Property "nickname" does not exist',
      portalId: PORTAL_ID,
    },
    expect.objectContaining({ error: 'INVALID_EMAIL', name: 'email' }),
  ]);
  expect(body.errors).toContainEqual({
    message: 'Property "nickname" does not exist',
    code: 'PROPERTY_DOESNT_EXIST',
    context: { propertyName: ['nickname'] },
  });
  expect(hubspot.crm.countObjects().contacts).toBe(0);
  expect(hubspot.changes).toEqual([]);
});

test('with a trace id on every input the others are written and the answer is 207', async () => {
  await using hubspot = await runCrm();
  const { status, body } = await hubspot.call('POST', `${contacts}/create`, {
    inputs: [
      { ...good, objectWriteTraceId: 'a' },
      { ...wrong, objectWriteTraceId: 'b' },
    ],
  });
  expect(status).toBe(207);
  expect(body).toMatchObject({ status: 'COMPLETE', numErrors: 1 });
  expect(body.results).toHaveLength(1);
  expect(body.errors[0]).toMatchObject({
    status: 'error',
    category: 'VALIDATION_ERROR',
    context: { objectWriteTraceId: ['b'] },
  });
});

test('trace ids that are missing once, or occur twice, are none', async () => {
  await using hubspot = await runCrm();
  for (const traceIds of [
    ['a', undefined],
    ['a', 'a'],
  ]) {
    const inputs = [good, wrong].map((input, at) => ({
      ...input,
      objectWriteTraceId: traceIds[at],
    }));
    expect((await hubspot.call('POST', `${contacts}/create`, { inputs })).status).toBe(400);
  }
});

test('trace ids work for update and upsert unless switched off, and never for an upsert by email', async () => {
  await using hubspot = await runCrm();
  await addKey(hubspot);
  const ids = [await hubspot.create('deals', {}), await hubspot.create('deals', {})];
  const properties = [{ amount: '1' }, { amount: 'much' }];
  const update = () =>
    hubspot.call('POST', `${deals}/update`, {
      inputs: ids.map((id, at) => ({ id, properties: properties[at], objectWriteTraceId: id })),
    });
  const upsert = () =>
    hubspot.call('POST', `${deals}/upsert`, {
      inputs: ids.map((id, at) => ({
        id,
        idProperty: 'row_id',
        properties: properties[at],
        objectWriteTraceId: id,
      })),
    });
  expect([(await update()).status, (await upsert()).status]).toEqual([207, 207]);
  hubspot.behaviour.traceIdsOnUpdate = 'reject';
  hubspot.behaviour.traceIdsOnUpsert = 'reject';
  expect([(await update()).status, (await upsert()).status]).toEqual([400, 400]);

  hubspot.behaviour.traceIdsOnUpsert = 'partial';
  const byEmail = await hubspot.call('POST', `${contacts}/upsert`, {
    inputs: [good, wrong].map((input, at) => ({
      ...input,
      id: `${at}@x.example`,
      idProperty: 'email',
      objectWriteTraceId: String(at),
    })),
  });
  expect(byEmail.status).toBe(400);
});

test('one id twice refuses the batch, emails in whatever case', async () => {
  await using hubspot = await runCrm();
  const id = await hubspot.create('deals', {});
  const twice = await hubspot.call('POST', `${deals}/update`, {
    inputs: [
      { id, properties: { amount: '1' }, objectWriteTraceId: 'a' },
      { id, properties: { amount: '2' }, objectWriteTraceId: 'b' },
    ],
  });
  expect(twice.status).toBe(400);
  expect(twice.body).toMatchObject({
    message: `Duplicate IDs found in batch input: [${id}]. IDs must be unique`,
    category: 'VALIDATION_ERROR',
    context: { ids: [id] },
  });
  const emails = await hubspot.call('POST', `${contacts}/upsert`, {
    inputs: ['Ann@x.example', 'ann@X.example'].map((email) => ({
      id: email,
      idProperty: 'email',
      properties: {},
    })),
  });
  expect(emails.body.context).toEqual({ ids: ['ann@x.example'] });
  expect(hubspot.crm.countObjects().contacts).toBe(0);
});

test('an update of unknown ids is 207 with one error for all of them, trace ids or not', async () => {
  await using hubspot = await runCrm();
  const id = await hubspot.create('contacts', {});
  const { status, body } = await hubspot.call('POST', `${contacts}/update`, {
    inputs: ['1', id, '2'].map((each) => ({ id: each, properties: { firstname: 'Ann' } })),
  });
  expect(status).toBe(207);
  expect(body.numErrors).toBe(1);
  expect(body.errors).toEqual([
    {
      status: 'error',
      category: 'OBJECT_NOT_FOUND',
      message:
        'Could not get some CONTACT objects, they may be deleted or not exist. Check that ids are valid.',
      context: { ids: ['1', '2'] },
    },
  ]);
  expect(body.results).toHaveLength(1);
});

test('results come in an order of their own', async () => {
  await using hubspot = await runCrm({ random: () => 0.999 });
  const names = ['a', 'b', 'c'];
  const { body } = await hubspot.call('POST', `${deals}/create`, {
    inputs: names.map((dealname) => ({ properties: { dealname } })),
  });
  const answered = body.results.map(
    (each: { properties: { dealname: string } }) => each.properties.dealname,
  );
  expect(answered).not.toEqual(names);
  expect(answered.sort()).toEqual(names);
});

test('upsert is refused by a property that is not unique, and by the record id', async () => {
  await using hubspot = await runCrm();
  const upsert = async (idProperty?: string) =>
    (
      await hubspot.call('POST', `${deals}/upsert`, {
        inputs: [{ id: '1', idProperty, properties: { amount: '1' } }],
      })
    ).body.message;
  expect(await upsert('dealname')).toBe(
    'Unable to perform update/upsert by non-unique 0-3 property dealname',
  );
  expect(await upsert('hs_object_id')).toContain('non-unique');
  expect(await upsert()).toContain('non-unique');
});

test('a taken email is a conflict: 409 with the id in the message, in a 207 with the id in the context', async () => {
  await using hubspot = await runCrm();
  const id = await hubspot.create('contacts', { email: 'ann@x.example' });
  const input = { properties: { email: 'ANN@x.example' } };
  const single = await hubspot.call('POST', '/crm/v3/objects/contacts', input);
  expect(single.status).toBe(409);
  expect(single.body).toMatchObject({
    category: 'CONFLICT',
    message: `Contact already exists. Existing ID: ${id}`,
  });
  expect((await hubspot.call('POST', `${contacts}/create`, { inputs: [input] })).status).toBe(409);
  const traced = await hubspot.call('POST', `${contacts}/create`, {
    inputs: [{ ...input, objectWriteTraceId: 'a' }],
  });
  expect(traced.status).toBe(207);
  expect(traced.body.errors[0]).toMatchObject({
    message: 'Contact already exists',
    context: { existingId: [id], objectWriteTraceId: ['a'] },
  });
  hubspot.behaviour.conflictBody = 'object-already-exists';
  const newer = await hubspot.call('POST', '/crm/v3/objects/contacts', input);
  expect(newer.status).toBe(409);
  expect(newer.body).toMatchObject({
    category: 'OBJECT_ALREADY_EXISTS',
    error: 'CONTACT_EXISTS',
    errors: [{ in: 'email' }],
    identityProfile: { vid: Number(id) },
  });
});

test('an additional email is taken too, for a create and for an upsert', async () => {
  await using hubspot = await runCrm();
  const id = await hubspot.create('contacts', {
    email: 'ann@x.example',
    hs_additional_emails: 'ann@home.example',
  });
  const upsert = () =>
    hubspot.call('POST', `${contacts}/upsert`, {
      inputs: [{ id: 'ann@home.example', idProperty: 'email', properties: { firstname: 'Ann' } }],
    });
  expect((await upsert()).status).toBe(409);
  hubspot.behaviour.upsertFindsSecondaryEmail = true;
  expect((await upsert()).body.results).toMatchObject([{ id, new: false }]);
});

test('two inputs that would take the same unique value refuse the batch', async () => {
  await using hubspot = await runCrm();
  const { status } = await hubspot.call('POST', `${contacts}/create`, {
    inputs: [1, 2].map(() => ({ properties: { email: 'ann@x.example' } })),
  });
  expect(status).toBe(409);
  expect(hubspot.crm.countObjects().contacts).toBe(0);
});

test('a taken value of a custom unique property is a validation error that names the holder', async () => {
  await using hubspot = await runCrm();
  await addKey(hubspot);
  const id = await hubspot.create('deals', { row_id: '7' });
  const { status, body } = await hubspot.call('POST', '/crm/v3/objects/deals', {
    properties: { row_id: '7' },
  });
  expect(status).toBe(400);
  expect(body.errors[0].code).toBe('CONFLICTING_UNIQUE_VALUE');
  expect(body.message).toContain(`${id} already has that value`);
});

test('custom keys tell capitals apart unless switched', async () => {
  await using hubspot = await runCrm();
  await addKey(hubspot);
  const upsert = (ids: string[]) =>
    hubspot.call('POST', `${deals}/upsert`, {
      inputs: ids.map((id) => ({ id, idProperty: 'row_id', properties: {} })),
    });
  expect((await upsert(['A', 'a'])).body.results).toHaveLength(2);
  hubspot.behaviour.uniqueValuesIgnoreCase = true;
  expect((await upsert(['B', 'b'])).status).toBe(400);
  const made = await upsert(['B']);
  const found = await upsert(['b']);
  expect(found.body.results).toMatchObject([{ id: made.body.results[0].id, new: false }]);
});

test('the loser of a race for a key can be made to fail', async () => {
  await using hubspot = await runCrm({ behaviour: { upsertRaceMs: 100 } });
  const upsert = async () =>
    (
      await hubspot.call('POST', `${contacts}/upsert`, {
        inputs: [{ id: 'ann@x.example', idProperty: 'email', properties: {} }],
      })
    ).status;
  expect([await upsert(), await upsert()]).toEqual([200, 409]);
  hubspot.behaviour.upsertRaceLoser = '423';
  expect(await upsert()).toBe(423);
  hubspot.clock.now += 100;
  expect(await upsert()).toBe(200);
});

test('an unknown object type and a body that is no object are refused', async () => {
  await using hubspot = await runCrm();
  expect(
    (await hubspot.call('POST', '/crm/v3/objects/rockets/batch/read', { inputs: [] })).status,
  ).toBe(400);
  const { status, body } = await hubspot.call('POST', `${deals}/read`, []);
  expect(status).toBe(400);
  expect(body).not.toHaveProperty('category');
});

test('names, singulars and type ids lead to the same records', async () => {
  await using hubspot = await runCrm();
  const id = await hubspot.create('0-3', { dealname: 'One' });
  for (const type of ['deals', 'deal', '0-3']) {
    expect((await hubspot.read(type, id)).body.id).toBe(id);
  }
});
