/** Associations: kinds between two records, one primary, both directions, and what is announced. */
import { type RunningCrm, runCrm } from '../running-crm.ts';

const PRIMARY = 1;
const UNLABELLED = 279;
const kind = (associationTypeId: number, associationCategory = 'HUBSPOT_DEFINED') => ({
  associationCategory,
  associationTypeId,
});

async function withContact() {
  const hubspot = await runCrm();
  const contact = await hubspot.create('contacts', {});
  const companies = [await hubspot.create('companies', {}), await hubspot.create('companies', {})];
  hubspot.changes.length = 0;
  return { hubspot, contact, companies: companies as [string, string] };
}

function batch(hubspot: RunningCrm, name: string, inputs: unknown[], pair = 'contacts/companies') {
  return hubspot.call('POST', `/crm/v4/associations/${pair}/batch/${name}`, { inputs });
}

/** Kinds by company, both sorted. */
async function readKinds(hubspot: RunningCrm, id: string, pair = 'contacts/companies') {
  const { body } = await batch(hubspot, 'read', [{ id }], pair);
  type Row = { toObjectId: number; associationTypes: { typeId: number }[] };
  const rows: Row[] = body.results[0]?.to ?? [];
  return Object.fromEntries(
    rows.map(({ toObjectId, associationTypes }) => [
      String(toObjectId),
      associationTypes.map(({ typeId }) => typeId).sort((a, b) => a - b),
    ]),
  );
}

test('a primary brings the unlabelled kind along, seen from both sides and announced four times', async () => {
  const { hubspot, contact, companies } = await withContact();
  await using _ = hubspot;
  const [company] = companies;
  const { status, body } = await batch(hubspot, 'create', [
    { from: { id: contact }, to: { id: company }, types: [kind(PRIMARY)] },
  ]);
  expect(status).toBe(201);
  expect(body.results).toMatchObject([
    { fromObjectTypeId: '0-1', toObjectTypeId: '0-2', labels: ['Primary'] },
  ]);
  expect(await readKinds(hubspot, contact)).toEqual({ [company]: [PRIMARY, UNLABELLED] });
  expect(await readKinds(hubspot, company, 'companies/contacts')).toEqual({ [contact]: [2, 280] });
  const announced = hubspot.changes
    .filter((change) => change.kind === 'associationChange')
    .map(({ objectType, associationTypeId, isPrimaryAssociation }) => [
      objectType,
      associationTypeId,
      isPrimaryAssociation,
    ]);
  expect(announced).toEqual([
    ['contacts', 1, true],
    ['companies', 2, true],
    ['contacts', 279, false],
    ['companies', 280, false],
  ]);
});

test('the same association again changes and announces nothing', async () => {
  const { hubspot, contact, companies } = await withContact();
  await using _ = hubspot;
  const input = { from: { id: contact }, to: { id: companies[0] }, types: [kind(PRIMARY)] };
  await batch(hubspot, 'create', [input]);
  hubspot.changes.length = 0;
  expect((await batch(hubspot, 'create', [input])).status).toBe(201);
  expect(hubspot.changes).toEqual([]);
});

test('a second primary takes the place of the first, and the contact names it', async () => {
  const { hubspot, contact, companies } = await withContact();
  await using _ = hubspot;
  for (const company of companies) {
    await batch(hubspot, 'create', [
      { from: { id: contact }, to: { id: company }, types: [kind(PRIMARY)] },
    ]);
  }
  expect(await readKinds(hubspot, contact)).toEqual({
    [companies[0]]: [UNLABELLED],
    [companies[1]]: [PRIMARY, UNLABELLED],
  });
  const named = hubspot.changes
    .filter(({ property }) => property === 'associatedcompanyid')
    .map(({ value }) => value);
  expect(named).toEqual(companies);
  const removed = hubspot.changes.filter(({ associationRemoved }) => associationRemoved);
  expect(removed.map(({ associationTypeId }) => associationTypeId)).toEqual([1, 2]);
});

test('a primary that is set from the company side demotes the former one as well', async () => {
  const { hubspot, contact, companies } = await withContact();
  await using _ = hubspot;
  for (const company of companies) {
    await batch(
      hubspot,
      'create',
      [{ from: { id: company }, to: { id: contact }, types: [kind(2)] }],
      'companies/contacts',
    );
  }
  expect(await readKinds(hubspot, contact)).toEqual({
    [companies[0]]: [UNLABELLED],
    [companies[1]]: [PRIMARY, UNLABELLED],
  });
});

test('the kinds of a create replace those of the pair', async () => {
  const { hubspot, contact, companies } = await withContact();
  await using _ = hubspot;
  const set = (typeId: number) =>
    batch(hubspot, 'create', [
      { from: { id: contact }, to: { id: companies[0] }, types: [kind(typeId)] },
    ]);
  await set(PRIMARY);
  await set(UNLABELLED);
  expect(await readKinds(hubspot, contact)).toEqual({ [companies[0]]: [UNLABELLED] });
});

test('archiving labels leaves the rest, archiving the unlabelled kind or the pair leaves nothing', async () => {
  const { hubspot, contact, companies } = await withContact();
  await using _ = hubspot;
  const pair = { from: { id: contact }, to: { id: companies[0] } };
  const create = () => batch(hubspot, 'create', [{ ...pair, types: [kind(PRIMARY)] }]);
  await create();
  await batch(hubspot, 'labels/archive', [{ ...pair, types: [kind(PRIMARY)] }]);
  expect(await readKinds(hubspot, contact)).toEqual({ [companies[0]]: [UNLABELLED] });
  await create();
  await batch(hubspot, 'labels/archive', [{ ...pair, types: [kind(UNLABELLED)] }]);
  expect(await readKinds(hubspot, contact)).toEqual({});
  await create();
  await batch(hubspot, 'archive', [{ from: pair.from, to: [pair.to] }]);
  expect(await readKinds(hubspot, contact)).toEqual({});
});

test('a record without associations is a miss in a 207, not a failure', async () => {
  const { hubspot, contact } = await withContact();
  await using _ = hubspot;
  const { status, body } = await batch(hubspot, 'read', [{ id: contact }]);
  expect(status).toBe(207);
  expect(body).toMatchObject({
    results: [],
    numErrors: 1,
    errors: [{ subCategory: 'crm.associations.NO_ASSOCIATIONS_FOUND' }],
  });
});

test('a kind that does not exist between the types refuses the call, and nothing is written', async () => {
  const { hubspot, contact, companies } = await withContact();
  await using _ = hubspot;
  const pair = { from: { id: contact }, to: { id: companies[0] } };
  for (const types of [[kind(5)], [kind(PRIMARY, 'USER_DEFINED')], []]) {
    const { status } = await batch(hubspot, 'create', [
      { ...pair, types: [kind(PRIMARY)] },
      { ...pair, types },
    ]);
    expect(status).toBe(400);
  }
  expect(await readKinds(hubspot, contact)).toEqual({});
});

test('default association answers both directions and keeps what there is', async () => {
  const { hubspot, contact, companies } = await withContact();
  await using _ = hubspot;
  const pair = { from: { id: contact }, to: { id: companies[0] } };
  await batch(hubspot, 'create', [{ ...pair, types: [kind(PRIMARY)] }]);
  const { status, body } = await batch(hubspot, 'associate/default', [pair]);
  expect(status).toBe(200);
  const specs = body.results.map(
    ({ associationSpec }: { associationSpec: { associationTypeId: number } }) =>
      associationSpec.associationTypeId,
  );
  expect(specs.sort()).toEqual([279, 280]);
  expect(await readKinds(hubspot, contact)).toEqual({ [companies[0]]: [PRIMARY, UNLABELLED] });
});

test('the first company becomes primary by itself only if the portal does that', async () => {
  const { hubspot, contact, companies } = await withContact();
  await using _ = hubspot;
  hubspot.behaviour.firstAssociationIsPrimary = true;
  await batch(hubspot, 'associate/default', [{ from: { id: contact }, to: { id: companies[0] } }]);
  expect(await readKinds(hubspot, contact)).toEqual({ [companies[0]]: [PRIMARY, UNLABELLED] });
});

test('a label of the portal is created once and used like the others', async () => {
  const { hubspot, contact, companies } = await withContact();
  await using _ = hubspot;
  const labels = '/crm/v4/associations/contacts/companies/labels';
  const made = await hubspot.call('POST', labels, { label: 'Advisor', name: 'advisor' });
  expect(made.status).toBe(200);
  expect((await hubspot.call('POST', labels, { label: 'Advisor', name: 'advisor' })).status).toBe(
    409,
  );
  const typeId = made.body.results[0].typeId;
  await batch(hubspot, 'create', [
    { from: { id: contact }, to: { id: companies[0] }, types: [kind(typeId, 'USER_DEFINED')] },
  ]);
  expect(await readKinds(hubspot, contact)).toEqual({ [companies[0]]: [typeId, UNLABELLED] });
  const listed = await hubspot.call('GET', labels);
  expect(listed.body.results).toContainEqual({
    category: 'USER_DEFINED',
    typeId,
    label: 'Advisor',
  });
});

test('one pair is set, defaulted, listed and removed under the object path', async () => {
  const { hubspot, contact, companies } = await withContact();
  await using _ = hubspot;
  const list = `/crm/v4/objects/contacts/${contact}/associations/companies`;
  const byDefault = `/crm/v4/objects/contacts/${contact}/associations/default/companies`;
  expect((await hubspot.call('PUT', `${list}/${companies[0]}`, [kind(PRIMARY)])).status).toBe(201);
  expect((await hubspot.call('PUT', `${byDefault}/${companies[1]}`)).status).toBe(200);
  const page = await hubspot.call('GET', `${list}?limit=1`);
  expect(page.body.results).toHaveLength(1);
  const rest = await hubspot.call('GET', `${list}?after=${page.body.paging.next.after}`);
  expect(rest.body.results).toMatchObject([{ toObjectId: Number(companies[1]) }]);
  expect((await hubspot.call('DELETE', `${list}/${companies[0]}`)).status).toBe(204);
  expect((await hubspot.call('GET', list)).body.results).toHaveLength(1);
  expect((await hubspot.call('PUT', `${list}/1`, [kind(PRIMARY)])).status).toBe(400);
});

test('a create with associations to nobody is refused, and no record is made', async () => {
  await using hubspot = await runCrm();
  const { status } = await hubspot.call('POST', '/crm/v3/objects/contacts/batch/create', {
    inputs: [{ properties: {}, associations: [{ to: { id: '1' }, types: [kind(PRIMARY)] }] }],
  });
  expect(status).toBe(400);
  expect(hubspot.crm.countObjects().contacts).toBe(0);
});
