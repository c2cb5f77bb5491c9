/** Every call of the client against the emulator, in both versions of the API. */

import { ensureKeyProperties, fetchHubspotFacts } from '../../shared/hubspot/facts.ts';
import type { BatchAnswer, HubSpot } from '../../shared/hubspot/hubspot.ts';
import { type Connected, connectToEmulator, failureOf, nextTrace } from './connected.ts';

const key = { object: 'deals', idProperty: 'trs_id' };
const stage = { pipeline: 'default', dealstage: 'qualifiedtobuy' };

async function makeDeals(hubspot: HubSpot, names: readonly string[]): Promise<readonly string[]> {
  await ensureKeyProperties(hubspot, [key]);
  const answer = await hubspot.upsertBatch(
    'deals',
    'trs_id',
    names.map((name) => ({
      key: name,
      properties: { dealname: name, ...stage },
      traceId: nextTrace(),
    })),
  );
  return names.map((name) => {
    const result = answer.results.find((each) => each.key === name);
    if (result === undefined) throw new Error(`no answer for ${name}`);
    return result.id;
  });
}

function expectBracket(answer: BatchAnswer): void {
  expect(answer.startedAt).toBeLessThanOrEqual(answer.completedAt);
  expect(answer.date.low).toBeLessThan(answer.date.high);
  expect(answer.startedAt).toBeGreaterThanOrEqual(answer.date.low);
  expect(answer.completedAt).toBeLessThanOrEqual(answer.date.high);
}

describe.each([
  ['v3', '200'],
  ['2026-09', '200'],
  ['2026-09', '207'],
] as const)('version %s, errors in a dated %s', (apiVersion, datedErrors) => {
  let connected: Connected;
  let hubspot: HubSpot;

  beforeEach(async () => {
    connected = await connectToEmulator({ apiVersion }, { behaviour: { datedErrors } });
    hubspot = connected.hubspot;
  });

  afterEach(() => connected[Symbol.asyncDispose]());

  test('an upsert makes a record once, and says so', async () => {
    await ensureKeyProperties(hubspot, [key]);
    const send = (dealname: string) =>
      hubspot.upsertBatch('deals', 'trs_id', [
        { key: 'row-1', properties: { dealname, ...stage }, traceId: 'a' },
      ]);
    const first = await send('One');
    const second = await send('Two');
    expect(first.results[0]).toMatchObject({ key: 'row-1', traceId: 'a', isNew: true });
    expect(second.results[0]).toMatchObject({
      id: first.results[0]?.id,
      key: 'row-1',
      isNew: false,
      properties: { dealname: 'Two' },
    });
    expectBracket(second);
    expect([first.errors, first.unanswered]).toEqual([[], []]);
  });

  test('results of many come in any order and are matched to their inputs', async () => {
    const names = Array.from({ length: 20 }, (_, i) => `row-${i}`);
    const ids = await makeDeals(hubspot, names);
    const inputs = ids.map((id, i) => ({
      id,
      properties: { amount: String(i) },
      traceId: `t-${i}`,
    }));
    const answer = await hubspot.updateBatch('deals', inputs);
    expect(answer.results).toHaveLength(20);
    for (const input of inputs) {
      const result = answer.results.find((each) => each.traceId === input.traceId);
      expect(result).toMatchObject({ id: input.id, properties: input.properties });
    }
  });

  test('one bad value leaves its neighbours alone and names its input', async () => {
    const [one, two] = await makeDeals(hubspot, ['row-1', 'row-2']);
    const answer = await hubspot.updateBatch('deals', [
      { id: one as string, properties: { amount: 'much' }, traceId: 'bad' },
      { id: two as string, properties: { amount: '7' }, traceId: 'good' },
    ]);
    expect(answer.results).toMatchObject([{ traceId: 'good', properties: { amount: '7' } }]);
    expect(answer.errors).toMatchObject([
      {
        code: 'HUBSPOT_VALUES_REFUSED',
        disposition: 'split',
        traceIds: ['bad'],
        ids: [one],
        properties: ['amount'],
      },
    ]);
    expect(answer.unanswered).toEqual([]);
  });

  test('a property that doesn’t exist is named, in the batch or for the whole of it', async () => {
    const [id] = await makeDeals(hubspot, ['row-1']);
    const send = () =>
      hubspot.updateBatch('deals', [
        { id: id as string, properties: { colour: 'red', amount: '7' }, traceId: 'x' },
      ]);
    const answer = await send();
    expect(answer.errors).toMatchObject([
      {
        code: 'HUBSPOT_PROPERTY_REFUSED',
        disposition: 'property',
        properties: ['colour'],
        traceIds: ['x'],
      },
    ]);
    await connected.control('POST', '/behaviour', { traceIdsOnUpdate: 'reject' });
    const error = await failureOf(send());
    expect(error).toMatchObject({
      code: 'HUBSPOT_PROPERTY_REFUSED',
      disposition: 'property',
      outcome: 'not-done',
      status: 400,
    });
    expect(error.properties).toEqual(['colour']);
  });

  test('a read-only property is named', async () => {
    const [id] = await makeDeals(hubspot, ['row-1']);
    const answer = await hubspot.updateBatch('deals', [
      { id: id as string, properties: { hs_lastmodifieddate: '1' }, traceId: 'x' },
    ]);
    expect(answer.errors).toMatchObject([
      { code: 'HUBSPOT_PROPERTY_REFUSED', properties: ['hs_lastmodifieddate'] },
    ]);
  });

  test('missing records are told apart from the others by their ids', async () => {
    const [id] = await makeDeals(hubspot, ['row-1']);
    const answer = await hubspot.updateBatch('deals', [
      { id: '999000111', properties: { amount: '1' }, traceId: 'gone-1' },
      { id: id as string, properties: { amount: '2' }, traceId: 'here' },
      { id: '999000222', properties: { amount: '3' }, traceId: 'gone-2' },
    ]);
    expect(answer.results.map((result) => result.traceId)).toEqual(['here']);
    expect(answer.errors.every((error) => error.code === 'HUBSPOT_NOT_FOUND')).toBe(true);
    expect(answer.errors.flatMap((error) => error.traceIds).sort()).toEqual(['gone-1', 'gone-2']);
    expect(answer.unanswered).toEqual([]);
  });

  test('without the unique property creates are told to wait', async () => {
    const create = (idProperty: string) =>
      hubspot.upsertBatch('deals', idProperty, [
        { key: 'row-1', properties: { dealname: 'One', ...stage }, traceId: 'x' },
      ]);
    for (const idProperty of ['trs_id', 'dealname']) {
      expect(await failureOf(create(idProperty))).toMatchObject({
        code: 'HUBSPOT_KEY_NOT_UNIQUE',
        disposition: 'retry',
        outcome: 'not-done',
      });
    }
  });

  test('a batch that names a record twice is refused whole and may be halved', async () => {
    const [id] = await makeDeals(hubspot, ['row-1']);
    const twice = ['a', 'b'].map((traceId) => ({
      id: id as string,
      properties: { amount: '1' },
      traceId,
    }));
    expect(await failureOf(hubspot.updateBatch('deals', twice))).toMatchObject({
      code: 'HUBSPOT_DUPLICATE_IDS',
      disposition: 'split',
      outcome: 'not-done',
    });
  });

  test('values are read with their history, newest first', async () => {
    const [id] = await makeDeals(hubspot, ['row-1']);
    for (const amount of ['1', '2', '']) {
      await hubspot.updateBatch('deals', [
        { id: id as string, properties: { amount }, traceId: nextTrace() },
      ]);
    }
    const answer = await hubspot.readBatch('deals', {
      ids: [id as string, '999000111'],
      properties: ['amount', 'dealname'],
      withHistory: true,
    });
    expect(answer.missing).toEqual(['999000111']);
    expect(answer.unanswered).toEqual([]);
    const history = answer.results[0]?.histories?.amount ?? [];
    expect(history.map((item) => item.value)).toEqual(['', '2', '1']);
    expect(history.map((item) => item.sourceType)).toEqual([
      'INTEGRATION',
      'INTEGRATION',
      'INTEGRATION',
    ]);
    const times = history.map((item) => item.timestamp);
    expect([...times].sort((a, b) => b - a)).toEqual(times);
    expectBracket(answer);
  });

  test('records are read by their key too', async () => {
    const [id] = await makeDeals(hubspot, ['row-1']);
    const answer = await hubspot.readBatch('deals', {
      ids: ['row-1', 'row-2'],
      idProperty: 'trs_id',
      properties: ['dealname'],
    });
    expect(answer.results).toMatchObject([{ id, properties: { trs_id: 'row-1' } }]);
    expect(answer.missing).toEqual(['row-2']);
  });

  test('archiving is done twice without harm, and archived records are found with their time', async () => {
    const [id, other] = (await makeDeals(hubspot, ['row-1', 'row-2'])) as [string, string];
    const { date } = await hubspot.archiveBatch('deals', [id]);
    await hubspot.archiveBatch('deals', [id]);
    const live = await hubspot.readBatch('deals', { ids: [id, other], properties: [] });
    expect(live.results.map((result) => result.id)).toEqual([other]);
    expect(live.missing).toEqual([id]);
    const archived = await hubspot.readBatch('deals', {
      ids: [id, other],
      properties: [],
      archived: true,
    });
    const [result] = archived.results;
    expect(result).toMatchObject({ id, archived: true });
    expect(result?.archivedAt).toBeGreaterThan(date.low);
    expect(result?.archivedAt).toBeLessThanOrEqual(date.high);
    const list = await hubspot.list('deals', { archived: true });
    expect(list.results.map((each) => each.id)).toEqual([id]);
  });

  test('a merged record is unanswered beside a result that nobody asked for', async () => {
    const [one, two] = (await makeDeals(hubspot, ['row-1', 'row-2'])) as [string, string];
    await connected.control('POST', '/objects/deals/merge', { primary: one, other: two });
    const answer = await hubspot.readBatch('deals', { ids: [two], properties: ['dealname'] });
    expect(answer.missing).toEqual([]);
    expect(answer.unanswered).toEqual([two]);
    expect(answer.results[0]?.id).not.toBe(two);
  });

  test('search pages by offset, list by id', async () => {
    const names = Array.from({ length: 5 }, (_, i) => `row-${i}`);
    const ids = await makeDeals(hubspot, names);
    const filters = [{ propertyName: 'dealname', operator: 'HAS_PROPERTY' as const }];
    const sort = { propertyName: 'hs_object_id', direction: 'ASCENDING' as const };
    const first = await hubspot.search('deals', { filters, sort, limit: 3 });
    expect(first).toMatchObject({ total: 5, after: '3' });
    const second = await hubspot.search('deals', {
      filters,
      sort,
      limit: 3,
      after: first.after as string,
    });
    expect(second.after).toBeUndefined();
    const found = [...first.results, ...second.results].map((result) => result.id);
    expect([...found].sort()).toEqual([...ids].sort());

    const pageOne = await hubspot.list('deals', { limit: 3, properties: ['trs_id', 'amount'] });
    expect(pageOne.results[0]?.properties).toMatchObject({ trs_id: 'row-0', amount: null });
    const pageTwo = await hubspot.list('deals', { limit: 3, after: pageOne.after as string });
    expect(pageTwo.results).toHaveLength(2);
    expect(pageTwo.after).toBeUndefined();
  });

  test('associations are created, read and archived', async () => {
    const [deal, lone] = (await makeDeals(hubspot, ['row-1', 'row-2'])) as [string, string];
    const { id: company } = await connected.control('POST', '/objects/companies', {
      properties: { name: 'Acme' },
    });
    const made = await hubspot.createAssociations('deals', 'companies', [
      { from: deal, to: company, types: [{ category: 'HUBSPOT_DEFINED', typeId: 5 }] },
    ]);
    expect(made.errors).toEqual([]);
    const rows = await hubspot.readAssociations('deals', 'companies', [deal, lone]);
    expect(rows).toHaveLength(2);
    const row = rows.find((each) => each.from === deal);
    expect(row?.to.map((to) => to.id)).toEqual([company]);
    expect(row?.to[0]?.types.map((type) => type.typeId).sort()).toContain(5);
    expect(rows.find((each) => each.from === lone)?.to).toEqual([]);

    const removed = await hubspot.archiveAssociations('deals', 'companies', [
      { from: deal, to: [company] },
    ]);
    expect(removed.errors).toEqual([]);
    const after = await hubspot.readAssociations('deals', 'companies', [deal]);
    expect(after).toEqual([{ from: deal, to: [] }]);
  });

  test('an association to a record that isn’t there is an error beside the others', async () => {
    const [deal, other] = (await makeDeals(hubspot, ['row-1', 'row-2'])) as [string, string];
    const { id: company } = await connected.control('POST', '/objects/companies', {
      properties: { name: 'Acme' },
    });
    const types = [{ category: 'HUBSPOT_DEFINED', typeId: 341 }];
    const answer = await hubspot.createAssociations('deals', 'companies', [
      { from: deal, to: company, types },
      { from: other, to: '999000111', types },
      { from: '999000222', to: company, types },
    ]);
    expect(answer.errors.map((error) => error.ids)).toEqual([[other], ['999000222']]);
    const [row] = await hubspot.readAssociations('deals', 'companies', [deal]);
    expect(row?.to.map((to) => to.id)).toEqual([company]);
  });

  test('definitions, owners and the account are what a mapping is checked against', async () => {
    const facts = await fetchHubspotFacts(hubspot, ['deals', 'contacts', 'unicorns']);
    const deals = facts.objects.deals;
    const property = (name: string) => deals?.properties.find((each) => each.name === name);
    expect(property('dealname')).toMatchObject({ type: 'string', readOnlyValue: false });
    expect(property('hs_lastmodifieddate')?.readOnlyValue).toBe(true);
    expect(deals?.pipelines[0]?.stages.map((each) => each.id)).toContain('closedwon');
    expect(facts.objects.contacts?.properties.length).toBeGreaterThan(5);
    expect(facts.objects.unicorns).toBeUndefined();
    expect(facts.owners.length).toBeGreaterThan(0);
    expect(await hubspot.accountDetails()).toMatchObject({ portalId: 12345678, timeZone: 'UTC' });
  });

  test('the key property is created once, also when two create it at the same time', async () => {
    const both = await Promise.all([
      ensureKeyProperties(hubspot, [key, { object: 'unicorns', idProperty: 'trs_id' }]),
      ensureKeyProperties(hubspot, [key]),
    ]);
    const outcomes = both.map(([first]) => first?.outcome).sort();
    expect(outcomes).toEqual(['created', 'there']);
    expect(both[0][1]?.outcome).toBe('object-missing');
    const [plain] = await ensureKeyProperties(hubspot, [
      { object: 'deals', idProperty: 'dealname' },
    ]);
    expect(plain?.outcome).toBe('not-unique');
    const made = (await hubspot.listProperties('deals')).find((each) => each.name === 'trs_id');
    expect(made).toMatchObject({ hasUniqueValue: true, type: 'string' });
  });

  test('a refused token and a missing scope stop', async () => {
    await connected.control('POST', '/behaviour', { missingScopes: 'crm.objects.deals.write' });
    const write = hubspot.updateBatch('deals', [{ id: '1', properties: {}, traceId: 'x' }]);
    expect(await failureOf(write)).toMatchObject({
      code: 'HUBSPOT_SCOPE_MISSING',
      disposition: 'stop',
      outcome: 'not-done',
    });
  });
});
