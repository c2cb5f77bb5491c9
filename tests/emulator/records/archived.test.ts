/** Archived records: what they free, what they still hold, and what a person can restore. */
import { runCrm, USER } from '../running-crm.ts';

const upsertAnn = {
  inputs: [{ id: 'ann@x.example', idProperty: 'email', properties: { firstname: 'Ann' } }],
};
const contacts = '/crm/v3/objects/contacts';

test('archiving frees the unique value, and an upsert makes a new record', async () => {
  await using hubspot = await runCrm();
  const first = (await hubspot.call('POST', `${contacts}/batch/upsert`, upsertAnn)).body.results[0];
  const archived = await hubspot.call('POST', `${contacts}/batch/archive`, {
    inputs: [{ id: first.id }],
  });
  expect(archived).toEqual({ status: 204, body: undefined });
  const second = (await hubspot.call('POST', `${contacts}/batch/upsert`, upsertAnn)).body
    .results[0];
  expect(second).toMatchObject({ new: true });
  expect(second.id).not.toBe(first.id);
  expect(() => hubspot.crm.user.restore('contacts', first.id, USER)).toThrow('already exists');
  hubspot.crm.user.archive('contacts', second.id, USER);
  expect(hubspot.crm.user.restore('contacts', first.id, USER).archived).toBe(false);
});

test('an archived record is found by archived=true alone', async () => {
  await using hubspot = await runCrm();
  const id = await hubspot.create('deals', { dealname: 'One' });
  hubspot.clock.now += 1000;
  await hubspot.call('DELETE', `/crm/v3/objects/deals/${id}`);
  expect((await hubspot.call('GET', `/crm/v3/objects/deals/${id}`)).body).toMatchObject({
    status: 'error',
    category: 'OBJECT_NOT_FOUND',
  });
  const read = await hubspot.call('GET', `/crm/v3/objects/deals/${id}?archived=true`);
  expect(read.body).toMatchObject({
    archived: true,
    archivedAt: new Date(hubspot.clock.now).toISOString(),
  });
  const listed = await hubspot.call('GET', '/crm/v3/objects/deals?archived=true');
  expect(listed.body.results).toMatchObject([{ id }]);
  const inBatch = async (query: string) =>
    (await hubspot.call('POST', `/crm/v3/objects/deals/batch/read${query}`, { inputs: [{ id }] }))
      .body.results.length;
  expect([await inBatch(''), await inBatch('?archived=true')]).toEqual([0, 1]);
  const found = await hubspot.call('POST', '/crm/v3/objects/deals/search', {});
  expect(found.body.total).toBe(0);
  const updated = await hubspot.call('PATCH', `/crm/v3/objects/deals/${id}`, { properties: {} });
  expect(updated.status).toBe(404);
});

test('archiving and restoring are announced once, archiving again is no error', async () => {
  await using hubspot = await runCrm();
  const id = await hubspot.create('deals', {});
  hubspot.changes.length = 0;
  for (const _ of [1, 2]) {
    expect((await hubspot.call('DELETE', `/crm/v3/objects/deals/${id}`)).status).toBe(204);
  }
  hubspot.crm.user.restore('deals', id, USER);
  expect(hubspot.changes.map(({ kind }) => kind)).toEqual(['deletion', 'restore']);
});

test('a restored company has its contacts again, and they know it', async () => {
  await using hubspot = await runCrm();
  const company = await hubspot.create('companies', {});
  const contact = await hubspot.create('contacts', {});
  await hubspot.call('PATCH', `${contacts}/${contact}`, {
    properties: { associatedcompanyid: company },
  });
  const known = async () =>
    (await hubspot.read('contacts', contact, ['associatedcompanyid'])).body.properties
      .associatedcompanyid;
  expect(await known()).toBe(company);
  hubspot.crm.user.archive('companies', company, USER);
  expect(await known()).toBeNull();
  hubspot.crm.user.restore('companies', company, USER);
  expect(await known()).toBe(company);
});

test('a privacy deletion leaves nothing to read or restore', async () => {
  await using hubspot = await runCrm();
  const id = await hubspot.create('contacts', { email: 'ann@x.example' });
  hubspot.changes.length = 0;
  const { status } = await hubspot.call('POST', `${contacts}/gdpr-delete`, {
    objectId: 'ann@x.example',
    idProperty: 'email',
  });
  expect(status).toBe(204);
  expect((await hubspot.call('GET', `${contacts}/${id}?archived=true`)).status).toBe(404);
  expect(() => hubspot.crm.user.restore('contacts', id, USER)).toThrow();
  expect(hubspot.changes.map(({ kind }) => kind).sort()).toEqual(['deletion', 'privacyDeletion']);
});
