/** What HubSpot changes by itself in the course of a write. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../../support/eventually.ts';
import { APP, runCrm, USER } from '../running-crm.ts';

const patchDeal = (id: string) => `/crm/v3/objects/deals/${id}`;

test('a new contact or company becomes a lead, and the answer tells', async () => {
  await using hubspot = await runCrm();
  const { body } = await hubspot.call('POST', '/crm/v3/objects/contacts', {
    properties: { firstname: 'Ann' },
  });
  expect(body.properties).toMatchObject({
    lifecyclestage: 'lead',
    hs_pipeline: 'contacts-lifecycle-pipeline',
    // In answers of writes this one is epoch milliseconds.
    hs_lifecyclestage_lead_date: String(hubspot.clock.now),
  });
  const read = await hubspot.read('contacts', body.id, ['hs_lifecyclestage_lead_date']);
  expect(read.body.properties.hs_lifecyclestage_lead_date).toBe(
    new Date(hubspot.clock.now).toISOString(),
  );
  const company = await hubspot.create('companies', { lifecyclestage: 'customer' });
  expect(
    (await hubspot.read('companies', company, ['lifecyclestage'])).body.properties.lifecyclestage,
  ).toBe('customer');
});

test('moving a deal sets its probability, closing it its close date', async () => {
  await using hubspot = await runCrm();
  const id = await hubspot.create('deals', { pipeline: 'default', dealstage: 'qualifiedtobuy' });
  expect(
    (await hubspot.read('deals', id, ['hs_deal_stage_probability', 'closedate', 'hs_is_closed']))
      .body.properties,
  ).toMatchObject({
    hs_deal_stage_probability: '0.4',
    closedate: null,
    hs_is_closed: 'false',
  });
  hubspot.clock.now += 60_000;
  hubspot.changes.length = 0;
  const { body } = await hubspot.call('PATCH', patchDeal(id), {
    properties: { dealstage: 'closedwon' },
  });
  expect(body.properties).toMatchObject({
    dealstage: 'closedwon',
    hs_deal_stage_probability: '1.0',
    closedate: new Date(hubspot.clock.now).toISOString(),
  });
  expect(hubspot.changes.map(({ property }) => property)).toEqual([
    'dealstage',
    'hs_deal_stage_probability',
    'closedate',
  ]);
  const read = await hubspot.read('deals', id, [
    'hs_is_closed_won',
    'hs_is_closed_lost',
    'hs_deal_stage_probability_shadow',
  ]);
  expect(read.body.properties).toMatchObject({
    hs_is_closed_won: 'true',
    hs_is_closed_lost: 'false',
    hs_deal_stage_probability_shadow: '1.0',
  });
});

test('a close date that is sent along is kept', async () => {
  await using hubspot = await runCrm();
  const id = await hubspot.create('deals', {
    pipeline: 'default',
    dealstage: 'closedlost',
    closedate: '2026-02-03T04:05:06Z',
  });
  expect((await hubspot.read('deals', id, ['closedate'])).body.properties.closedate).toBe(
    '2026-02-03T04:05:06.000Z',
  );
});

test.each([
  ['writer', USER],
  ['own-app', APP],
  ['calculated', { source: 'CALCULATED' }],
] as const)(
  'with sideEffectSource %s history and announcement name that source',
  async (sideEffectSource, source) => {
    await using hubspot = await runCrm({ behaviour: { sideEffectSource } });
    const id = await hubspot.create('deals', { pipeline: 'default', dealstage: 'qualifiedtobuy' });
    hubspot.changes.length = 0;
    hubspot.crm.user.edit('deals', id, { dealstage: 'closedwon' }, USER);
    const [closed] = await hubspot.history('deals', id, 'closedate');
    expect(closed?.sourceType).toBe(source.source);
    const announced = hubspot.changes.find(({ property }) => property === 'closedate');
    expect(announced?.actor).toMatchObject(source);
    expect(hubspot.changes[0]).toMatchObject({ property: 'dealstage', actor: USER });
  },
);

test('the probability is read-only by API unless switched, and takes an edit in the pages', async () => {
  await using hubspot = await runCrm();
  const id = await hubspot.create('deals', { pipeline: 'default', dealstage: 'qualifiedtobuy' });
  const write = () =>
    hubspot.call('PATCH', patchDeal(id), { properties: { hs_deal_stage_probability: '0.5' } });
  const isReadOnly = async () =>
    (await hubspot.call('GET', '/crm/v3/properties/deals/hs_deal_stage_probability')).body
      .modificationMetadata.readOnlyValue;
  expect((await write()).status).toBe(400);
  expect(await isReadOnly()).toBe(true);
  hubspot.crm.user.edit('deals', id, { hs_deal_stage_probability: '0.7' }, USER);
  expect(
    (await hubspot.read('deals', id, ['hs_deal_stage_probability'])).body.properties
      .hs_deal_stage_probability,
  ).toBe('0.7');
  hubspot.behaviour.probabilityWritable = true;
  expect((await write()).body.properties.hs_deal_stage_probability).toBe('0.5');
  expect(await isReadOnly()).toBe(false);
});

test('a contact gets the company of its email domain, which is made once', async () => {
  await using hubspot = await runCrm({ behaviour: { companyFromEmailDomain: true } });
  const ann = await hubspot.create('contacts', { email: 'ann@acme.example' });
  const bob = await hubspot.create('contacts', { email: 'bob@acme.example' });
  await hubspot.create('contacts', { email: 'cy@gmail.com' });
  const companies = hubspot.crm.user.list('companies', false);
  expect(companies.map(({ properties }) => properties.domain)).toEqual(['acme.example']);
  for (const id of [ann, bob]) {
    const { body } = await hubspot.read('contacts', id, ['associatedcompanyid']);
    expect(body.properties.associatedcompanyid).toBe(companies[0]?.id);
  }
  expect(hubspot.changes.filter(({ kind }) => kind === 'associationChange')).toHaveLength(8);
});

test('the company of the domain can come later, also after the process was gone', async () => {
  const behaviour = { companyFromEmailDomain: true, companyFromEmailDomainDelayMs: 1000 };
  const dataDir = mkdtempSync(join(tmpdir(), 'emulator-'));
  let now: number;
  {
    await using hubspot = await runCrm({ behaviour, dataDir });
    await hubspot.create('contacts', { email: 'ann@acme.example' });
    expect(hubspot.crm.countObjects().companies).toBe(0);
    now = hubspot.clock.now;
  }
  await using hubspot = await runCrm({ behaviour, dataDir, now: now + 1000 });
  rmSync(dataDir, { recursive: true });
  await eventually(() => hubspot.crm.countObjects().companies === 1, { what: 'the company' });
});

test('a deal moves the lifecycle of its company forward if the portal does that', async () => {
  await using hubspot = await runCrm({ behaviour: { lifecycleFromDeals: true } });
  const company = await hubspot.create('companies', { name: 'Acme' });
  const { body } = await hubspot.call('POST', '/crm/v3/objects/deals', {
    properties: { pipeline: 'default', dealstage: 'qualifiedtobuy' },
    associations: [
      {
        to: { id: company },
        types: [{ associationCategory: 'HUBSPOT_DEFINED', associationTypeId: 5 }],
      },
    ],
  });
  const stage = async () =>
    (await hubspot.read('companies', company, ['lifecyclestage'])).body.properties.lifecyclestage;
  expect(await stage()).toBe('opportunity');
  await hubspot.call('PATCH', patchDeal(body.id), { properties: { dealstage: 'closedwon' } });
  expect(await stage()).toBe('customer');
});

test('every side effect can be switched off', async () => {
  await using hubspot = await runCrm({
    behaviour: { lifecycleDefault: false, closeDateOnClosing: false, probabilityFromStage: false },
  });
  const deal = await hubspot.create('deals', { pipeline: 'default', dealstage: 'closedwon' });
  const contact = await hubspot.create('contacts', { email: 'ann@acme.example' });
  expect(
    (await hubspot.read('deals', deal, ['closedate', 'hs_deal_stage_probability'])).body.properties,
  ).toMatchObject({ closedate: null, hs_deal_stage_probability: null });
  expect(
    (await hubspot.read('contacts', contact, ['lifecyclestage'])).body.properties.lifecyclestage,
  ).toBeNull();
  expect(hubspot.crm.countObjects().companies).toBe(0);
});
