/** Merges: a third record, two ids that lead to it in some calls only, and what vanishes. */
import { runCrm, USER } from '../running-crm.ts';

async function withMergedContacts() {
  const hubspot = await runCrm();
  await hubspot.call('POST', '/crm/v3/properties/contacts', {
    name: 'row_id',
    label: 'Row',
    type: 'string',
    fieldType: 'text',
    groupName: 'contactinformation',
    hasUniqueValue: true,
  });
  const primary = await hubspot.create('contacts', {
    email: 'ann@x.example',
    row_id: '1',
    firstname: 'Ann',
  });
  const other = await hubspot.create('contacts', {
    email: 'bob@x.example',
    row_id: '2',
    firstname: 'Bob',
    jobtitle: 'Clerk',
  });
  hubspot.changes.length = 0;
  const merged = hubspot.crm.user.merge('contacts', primary, other, USER);
  return { hubspot, primary, other, survivor: merged.id };
}

test('the survivor has a new id, the values of the primary, and remembers whom it swallowed', async () => {
  const { hubspot, primary, other, survivor } = await withMergedContacts();
  await using _ = hubspot;
  expect([primary, other]).not.toContain(survivor);
  const { body } = await hubspot.read('contacts', survivor, [
    'firstname',
    'jobtitle',
    'email',
    'row_id',
    'hs_additional_emails',
    'hs_merged_object_ids',
  ]);
  expect(body.properties).toMatchObject({
    firstname: 'Ann',
    jobtitle: 'Clerk',
    email: 'ann@x.example',
    row_id: '1',
    hs_additional_emails: 'bob@x.example',
    hs_merged_object_ids: `${primary};${other}`,
  });
});

test('single calls follow an old id, and so does batch read, which answers the new id', async () => {
  const { hubspot, primary, other, survivor } = await withMergedContacts();
  await using _ = hubspot;
  expect((await hubspot.read('contacts', other)).body.id).toBe(survivor);
  const patched = await hubspot.call('PATCH', `/crm/v3/objects/contacts/${primary}`, {
    properties: { firstname: 'Anna' },
  });
  expect(patched).toMatchObject({ status: 200, body: { id: survivor } });
  const read = await hubspot.call('POST', '/crm/v3/objects/contacts/batch/read', {
    inputs: [{ id: other }],
    properties: ['firstname'],
  });
  expect(read.status).toBe(200);
  expect(read.body.results).toMatchObject([{ id: survivor, properties: { firstname: 'Anna' } }]);
});

test('batch update refuses an old id, and archiving it does nothing', async () => {
  const { hubspot, other, survivor } = await withMergedContacts();
  await using _ = hubspot;
  const updated = await hubspot.call('POST', '/crm/v3/objects/contacts/batch/update', {
    inputs: [{ id: other, properties: { firstname: 'Lost' } }],
  });
  expect(updated.status).toBe(207);
  expect(updated.body.errors).toMatchObject([
    { category: 'OBJECT_NOT_FOUND', context: { ids: [other] } },
  ]);
  await hubspot.call('POST', '/crm/v3/objects/contacts/batch/archive', { inputs: [{ id: other }] });
  expect((await hubspot.read('contacts', survivor)).body.archived).toBe(false);
});

test("the loser's unique key is gone: an upsert of it makes another record", async () => {
  const { hubspot, survivor } = await withMergedContacts();
  await using _ = hubspot;
  const { body } = await hubspot.call('POST', '/crm/v3/objects/contacts/batch/upsert', {
    inputs: [{ id: '2', idProperty: 'row_id', properties: { firstname: 'Bob' } }],
  });
  expect(body.results[0].new).toBe(true);
  expect(body.results[0].id).not.toBe(survivor);
});

test('a merge is announced as such and as a deletion of the loser, never as property changes', async () => {
  const { hubspot, primary, other, survivor } = await withMergedContacts();
  await using _ = hubspot;
  expect(hubspot.changes).toMatchObject([
    {
      kind: 'merge',
      primaryObjectId: primary,
      mergedObjectIds: [other],
      newObjectId: survivor,
      numberOfPropertiesMoved: 1,
    },
    { kind: 'deletion', objectId: other },
  ]);
});

test('associations of both sides belong to the survivor, with one primary company', async () => {
  await using hubspot = await runCrm();
  const [one, two] = [
    await hubspot.create('companies', { name: 'One' }),
    await hubspot.create('companies', { name: 'Two' }),
  ];
  const [ann, bob] = [await hubspot.create('contacts', {}), await hubspot.create('contacts', {})];
  const link = (contact: string, company: string) =>
    hubspot.call('PUT', `/crm/v4/objects/contacts/${contact}/associations/companies/${company}`, [
      { associationCategory: 'HUBSPOT_DEFINED', associationTypeId: 1 },
    ]);
  await link(ann, one);
  await link(bob, two);
  const { id } = hubspot.crm.user.merge('contacts', ann, bob, USER);
  const { body } = await hubspot.call(
    'GET',
    `/crm/v4/objects/contacts/${id}/associations/companies`,
  );
  const shown = body.results.map(
    (row: { toObjectId: number; associationTypes: { typeId: number }[] }) => [
      String(row.toObjectId),
      row.associationTypes.map(({ typeId }) => typeId).sort(),
    ],
  );
  expect(shown).toEqual([
    [one, [1, 279]],
    [two, [279]],
  ]);
});

test('a portal from before 2025 keeps the primary id', async () => {
  await using hubspot = await runCrm({ behaviour: { mergeKeepsPrimaryId: true } });
  const [one, two] = [await hubspot.create('deals', {}), await hubspot.create('deals', {})];
  const { body } = await hubspot.call('POST', '/crm/v3/objects/deals/merge', {
    primaryObjectId: one,
    objectIdToMerge: two,
  });
  expect(body.id).toBe(one);
  expect((await hubspot.read('deals', two)).body.id).toBe(one);
});

test('a record cannot be merged with itself, an unknown or an archived one', async () => {
  await using hubspot = await runCrm();
  const [one, two] = [await hubspot.create('deals', {}), await hubspot.create('deals', {})];
  hubspot.crm.user.archive('deals', two, USER);
  const merge = async (objectIdToMerge: string) =>
    (
      await hubspot.call('POST', '/crm/v3/objects/deals/merge', {
        primaryObjectId: one,
        objectIdToMerge,
      })
    ).status;
  expect([await merge(one), await merge('1'), await merge(two)]).toEqual([400, 404, 404]);
});
