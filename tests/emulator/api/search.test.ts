/** Search: operators, order, caps, and an index that lags behind. */
import { type RunningCrm, runCrm } from '../running-crm.ts';

type Filter = Record<string, unknown>;

async function withDeals() {
  const hubspot = await runCrm();
  for (const [dealname, amount, closedate] of [
    ['Roof of Acme', '10', '2026-01-01'],
    ['Cellar', '9.5', '2026-02-01'],
    ['Garden', '', ''],
  ]) {
    await hubspot.create('deals', { dealname, amount, closedate });
  }
  return hubspot;
}

function search(hubspot: RunningCrm, body: Record<string, unknown>) {
  return hubspot.call('POST', '/crm/v3/objects/deals/search', body);
}

async function names(hubspot: RunningCrm, filters: Filter[], more: Record<string, unknown> = {}) {
  const { body } = await search(hubspot, {
    filterGroups: [{ filters }],
    properties: ['dealname'],
    ...more,
  });
  return body.results.map((each: { properties: { dealname: string } }) => each.properties.dealname);
}

test.each([
  [{ propertyName: 'amount', operator: 'EQ', value: '10.0' }, ['Roof of Acme']],
  [{ propertyName: 'amount', operator: 'LT', value: '10' }, ['Cellar']],
  [{ propertyName: 'amount', operator: 'GTE', value: '9.5' }, ['Roof of Acme', 'Cellar']],
  [{ propertyName: 'amount', operator: 'BETWEEN', value: '9', highValue: '9.9' }, ['Cellar']],
  [{ propertyName: 'amount', operator: 'HAS_PROPERTY' }, ['Roof of Acme', 'Cellar']],
  [{ propertyName: 'amount', operator: 'NOT_HAS_PROPERTY' }, ['Garden']],
  [{ propertyName: 'dealname', operator: 'EQ', value: 'CELLAR' }, ['Cellar']],
  [{ propertyName: 'dealname', operator: 'IN', values: ['cellar'] }, ['Cellar']],
  [{ propertyName: 'dealname', operator: 'IN', values: ['Cellar'] }, []],
  [{ propertyName: 'dealname', operator: 'CONTAINS_TOKEN', value: 'acme' }, ['Roof of Acme']],
  [{ propertyName: 'dealname', operator: 'CONTAINS_TOKEN', value: 'gar*' }, ['Garden']],
  [
    { propertyName: 'dealname', operator: 'NOT_CONTAINS_TOKEN', value: 'acme' },
    ['Cellar', 'Garden'],
  ],
  [{ propertyName: 'closedate', operator: 'GT', value: String(Date.UTC(2026, 0, 15)) }, ['Cellar']],
])('filter %j finds %j', async (filter, found) => {
  await using hubspot = await withDeals();
  expect(await names(hubspot, [filter])).toEqual(found);
});

test('groups are alternatives, filters within one go together', async () => {
  await using hubspot = await withDeals();
  const { body } = await search(hubspot, {
    filterGroups: [
      { filters: [{ propertyName: 'dealname', operator: 'EQ', value: 'garden' }] },
      {
        filters: [
          { propertyName: 'amount', operator: 'GT', value: '9' },
          { propertyName: 'amount', operator: 'LT', value: '10' },
        ],
      },
    ],
  });
  expect(body.total).toBe(2);
});

test('one sort, by number and not by text; records without the value come last', async () => {
  await using hubspot = await withDeals();
  expect(await names(hubspot, [], { sorts: ['amount'] })).toEqual([
    'Cellar',
    'Roof of Acme',
    'Garden',
  ]);
  expect(
    await names(hubspot, [], { sorts: [{ propertyName: 'amount', direction: 'DESCENDING' }] }),
  ).toEqual(['Roof of Acme', 'Cellar', 'Garden']);
  expect(await names(hubspot, [], { sorts: ['-hs_object_id'] })).toEqual([
    'Garden',
    'Cellar',
    'Roof of Acme',
  ]);
  expect((await search(hubspot, { sorts: ['amount', 'dealname'] })).status).toBe(400);
});

test('pages go by offset', async () => {
  await using hubspot = await withDeals();
  const first = await search(hubspot, { limit: 2 });
  expect(first.body).toMatchObject({ total: 3, paging: { next: { after: '2' } } });
  const second = await search(hubspot, { limit: 2, after: '2' });
  expect(second.body.results).toHaveLength(1);
  expect(second.body).not.toHaveProperty('paging');
});

test.each([
  ['a page of more than 200', { limit: 201 }],
  ['anything behind the first 10,000', { limit: 100, after: '9901' }],
  ['a body of more than 3,000 characters', { query: 'x'.repeat(3000) }],
  ['more than 5 groups', { filterGroups: Array(6).fill({ filters: [] }) }],
  [
    'more than 6 filters in a group',
    {
      filterGroups: [
        { filters: Array(7).fill({ propertyName: 'amount', operator: 'HAS_PROPERTY' }) },
      ],
    },
  ],
  [
    'more than 18 filters',
    {
      filterGroups: Array(4).fill({
        filters: Array(5).fill({ propertyName: 'amount', operator: 'HAS_PROPERTY' }),
      }),
    },
  ],
  [
    'an unknown property',
    { filterGroups: [{ filters: [{ propertyName: 'x', operator: 'HAS_PROPERTY' }] }] },
  ],
  [
    'an unknown operator',
    { filterGroups: [{ filters: [{ propertyName: 'amount', operator: 'LIKE', value: '1' }] }] },
  ],
  [
    'a date that is no epoch',
    {
      filterGroups: [
        { filters: [{ propertyName: 'closedate', operator: 'GT', value: '2026-01-01' }] },
      ],
    },
  ],
])('%s is refused, without a category', async (_, body) => {
  await using hubspot = await runCrm();
  const answer = await search(hubspot, body);
  expect(answer.status).toBe(400);
  expect(answer.body.message).toContain('There was a problem with the request.');
  expect(answer.body).not.toHaveProperty('category');
});

test('the last page before the cap is answered', async () => {
  await using hubspot = await runCrm();
  expect((await search(hubspot, { limit: 100, after: '9900' })).status).toBe(200);
});

test('with a lag, search shows the past while reads show the present', async () => {
  await using hubspot = await runCrm({ behaviour: { searchLagMs: 10_000 } });
  const id = await hubspot.create('deals', { dealname: 'Old' });
  expect(await names(hubspot, [])).toEqual([]);
  hubspot.clock.now += 11_000;
  expect(await names(hubspot, [])).toEqual(['Old']);
  await hubspot.call('PATCH', `/crm/v3/objects/deals/${id}`, { properties: { dealname: 'New' } });
  expect(await names(hubspot, [])).toEqual(['Old']);
  expect((await hubspot.read('deals', id, ['dealname'])).body.properties.dealname).toBe('New');
  hubspot.clock.now += 11_000;
  expect(await names(hubspot, [])).toEqual(['New']);
});
