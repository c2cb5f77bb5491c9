/** Both sides stay equal, nothing comes back as an echo, and nobody unsigned writes. */
import { createHmac } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../support/eventually.ts';
import { bothSides, createStack, portalId, type Stack, secret, seedDeals } from './stack.ts';

let stack: Stack;
let ids: string[];

beforeAll(async () => {
  stack = await createStack({
    seed: async (given) => {
      ids = await seedDeals(given, 20);
    },
  });
  await stack.start('cdc', 'webhook');
});
afterAll(() => stack?.[Symbol.asyncDispose]());

/** How often rows were written, since the table was made. */
async function rowWrites(): Promise<unknown> {
  return (
    await stack.db.query(
      'select coalesce(sum(xmin::text::bigint), 0) as versions, count(*) from opportunities',
    )
  )[0];
}

test('a change in Postgres is in HubSpot within two seconds', async () => {
  const [id] = ids;
  await stack.db.query('update opportunities set amount = 4242.5 where id = $1', [`hs_${id}`]);
  await eventually(
    async () => (await stack.record('deals', id as string)).properties.amount === '4242.5',
    { timeoutMs: 2000, what: 'the amount in HubSpot' },
  );
});

test('a change in HubSpot is in Postgres within two seconds', async () => {
  const id = ids[1] as string;
  await stack.control('PATCH', `/objects/deals/${id}`, {
    properties: { amount: '777.77', dealstage: 'closedlost', hs_next_step: 'Größe \u{1F600}' },
  });
  await eventually(
    async () => {
      const [row] = await stack.db.query(
        'select amount::text, stage, next_step from opportunities where id = $1',
        [`hs_${id}`],
      );
      expect(row).toEqual({ amount: '777.77', stage: 'Closed Lost', next_step: 'Größe \u{1F600}' });
    },
    { timeoutMs: 2000, what: 'the values in the row' },
  );
});

test('afterwards neither side is written again', async () => {
  await stack.quiet();
  const before = { writes: await stack.writes(), rows: await rowWrites() };
  // There is no event for something that must not happen: it is given time to.
  await delay(3000);
  await stack.quiet();
  expect({ writes: await stack.writes(), rows: await rowWrites() }).toEqual(before);
  const { hubspot, postgres } = await bothSides(stack);
  expect(postgres).toEqual(hubspot);
});

test('a thousand updates of ten rows cost a handful of batch calls', async () => {
  await stack.quiet();
  const before = await stack.writes();
  for (let round = 0; round < 100; round += 1) {
    await Promise.all(
      ids
        .slice(0, 10)
        .map((id) =>
          stack.db.query('update opportunities set amount = $2 where id = $1', [`hs_${id}`, round]),
        ),
    );
  }
  await stack.quiet();
  expect((await stack.writes()) - before).toBeLessThanOrEqual(12);
  const { hubspot, postgres } = await bothSides(stack);
  expect(postgres).toEqual(hubspot);
  expect(postgres[ids[0] as string]).toMatchObject({ amount: 99 });
});

test('a row inserted in Postgres is made in HubSpot once, and its id comes back', async () => {
  const before = (await stack.stats()).objects.deals ?? 0;
  await stack.db.query(
    "insert into opportunities (id, name, amount, stage) values ('born-here', 'Born here', 5, 'Proposal')",
  );
  await stack.quiet();
  expect((await stack.stats()).objects.deals).toBe(before + 1);
  const [row] = await stack.db.query(
    "select hubspot_id from hubspot_sync.record where object_type = 'deals' and key = 'born-here'",
  );
  const record = await stack.record('deals', row?.hubspot_id as string);
  expect(record.properties).toMatchObject({
    dealname: 'Born here',
    dealstage: 'presentationscheduled',
    pipeline: 'default',
    trs_id: 'born-here',
  });
});

test('a record made in HubSpot becomes a row with the id of the template', async () => {
  const { id } = await stack.control<{ id: string }>('POST', '/objects/deals', {
    properties: { dealname: 'Born there', pipeline: 'default', dealstage: 'qualifiedtobuy' },
  });
  await eventually(
    async () => {
      const [row] = await stack.db.query('select name, stage from opportunities where id = $1', [
        `hs_${id}`,
      ]);
      expect(row).toEqual({ name: 'Born there', stage: 'Qualification' });
    },
    { what: 'the row', timeoutMs: 10_000 },
  );
  await stack.quiet();
  const { hubspot, postgres } = await bothSides(stack);
  expect(postgres).toEqual(hubspot);
});

test('a deleted row is archived, and a record deleted in HubSpot takes its row along', async () => {
  const [, , , gone, away] = ids as [string, string, string, string, string];
  await stack.db.query('delete from opportunities where id = $1', [`hs_${gone}`]);
  await stack.control('DELETE', `/objects/deals/${away}`);
  await stack.quiet();
  expect((await stack.record('deals', gone)).archived).toBe(true);
  expect(await stack.db.query('select from opportunities where id = $1', [`hs_${away}`])).toEqual(
    [],
  );
  const { hubspot, postgres } = await bothSides(stack);
  expect(postgres).toEqual(hubspot);
});

test('a row deleted and inserted anew keeps its record, and gets what only travels inwards', async () => {
  const id = `hs_${ids[7]}`;
  await stack.db.query(
    `begin;
     delete from opportunities where id = '${id}';
     insert into opportunities (id, name, stage) values ('${id}', 'Again', 'Negotiation');
     commit`,
  );
  await stack.quiet();
  expect(
    await stack.db.query('select name, probability::float from opportunities where id = $1', [id]),
  ).toEqual([{ name: 'Again', probability: 0.9 }]);
  const { hubspot, postgres } = await bothSides(stack);
  expect(postgres).toEqual(hubspot);
});

test('a row whose key changes while HubSpot changes its record loses neither', async () => {
  const changed = ids.slice(8, 18);
  for (const [i, id] of changed.entries()) {
    const rekey = stack.db.query('update opportunities set id = $2 where id = $1', [
      `hs_${id}`,
      `renamed-${i}`,
    ]);
    // At once, so that some of the events find the new key in the table and the old one on record.
    await Promise.all([
      rekey,
      stack.control('PATCH', `/objects/deals/${id}`, { properties: { dealname: `Renamed ${i}` } }),
    ]);
  }
  await stack.quiet();
  const rows = await stack.db.query(
    "select name from opportunities where id like 'renamed-%' order by id",
  );
  expect(rows.map(({ name }) => name)).toEqual(changed.map((_, i) => `Renamed ${i}`));
  const { hubspot, postgres } = await bothSides(stack);
  expect(postgres).toEqual(hubspot);
});

test('a foreign key is an association, made after both ends and moved with the key', async () => {
  await stack.db.query(
    `insert into clients (id, name) values ('acme', 'Acme'), ('zeta', 'Zeta');
     insert into opportunities (id, name, client_id) values ('deal-of-acme', 'Deal of Acme', 'acme')`,
  );
  await stack.quiet();
  const links = new Map(
    (
      await stack.db.query(
        "select key, hubspot_id from hubspot_sync.record where key in ('acme', 'zeta', 'deal-of-acme')",
      )
    ).map(({ key, hubspot_id }) => [key, hubspot_id as string]),
  );
  const primary = async () => {
    const record = await stack.control<{ associations: unknown }>(
      'GET',
      `/objects/deals/${links.get('deal-of-acme')}`,
    );
    return JSON.stringify(record.associations);
  };
  expect(await primary()).toContain(links.get('acme'));
  await stack.db.query("update opportunities set client_id = 'zeta' where id = 'deal-of-acme'");
  await stack.quiet();
  expect(await primary()).toContain(links.get('zeta'));
  expect(await primary()).not.toContain(links.get('acme'));
});

describe('a stranger’s request changes nothing', () => {
  const event = () => ({
    eventId: 1,
    subscriptionId: 1,
    portalId,
    appId: 1,
    occurredAt: Date.now(),
    subscriptionType: 'deal.propertyChange',
    attemptNumber: 0,
    objectId: Number(ids[5]),
    propertyName: 'amount',
    propertyValue: '666',
    changeSource: 'CRM_UI',
    sourceId: 'userId:1',
  });
  const send = (
    body: string,
    { key = secret, time = Date.now(), sign = true, sent = body } = {},
  ) => {
    const signature = createHmac('sha256', key)
      .update(`POST${stack.webhookUrl}${body}${time}`)
      .digest('base64');
    return fetch(stack.webhookUrl, {
      method: 'POST',
      body: sent,
      headers: {
        'content-type': 'application/json',
        'x-hubspot-request-timestamp': String(time),
        ...(sign ? { 'x-hubspot-signature-v3': signature } : {}),
      },
    });
  };
  const amount = async () =>
    (
      await stack.db.query('select amount::float from opportunities where id = $1', [
        `hs_${ids[5]}`,
      ])
    )[0]?.amount;

  test.each([
    ['without a signature', { sign: false }],
    ['with another secret', { key: 'not the secret' }],
    ['that is old', { time: Date.now() - 6 * 60_000 }],
    ['from the future', { time: Date.now() + 6 * 60_000 }],
    ['whose body was changed', { sent: '[]' }],
  ])('%s', async (_, options) => {
    const before = await stack.db.query('select count(*)::int as n from hubspot_sync.inbox');
    const response = await send(JSON.stringify([event()]), options);
    expect(response.status).toBe(401);
    expect(await stack.db.query('select count(*)::int as n from hubspot_sync.inbox')).toEqual(
      before,
    );
  });

  test('signed, of a foreign portal: it is taken and changes nothing', async () => {
    await stack.quiet();
    const before = await amount();
    const response = await send(JSON.stringify([{ ...event(), portalId: portalId + 1 }]));
    expect(response.status).toBeGreaterThanOrEqual(200);
    expect(response.status).toBeLessThan(300);
    await stack.quiet();
    expect(await amount()).toBe(before);
  });

  test('a mark that any role may emit hides no change', async () => {
    await stack.quiet();
    const forged = JSON.stringify({
      kind: 'inbound',
      rows: [
        {
          object: 'deals',
          key: `hs_${ids[6]}`,
          kind: 'update',
          values: { amount: { value: '31337', text: '31337.00', time: Date.now() } },
        },
      ],
    });
    await stack.db.query(
      `do $$ begin
         perform pg_logical_emit_message(true, 'pg-hubspot-sync', 'c2lnbmVk.' || '${forged}');
         perform pg_logical_emit_message(true, 'pg-hubspot-sync', '${forged}');
         update opportunities set amount = 31337 where id = 'hs_${ids[6]}';
       end $$`,
    );
    await eventually(
      async () => (await stack.record('deals', ids[6] as string)).properties.amount === '31337',
      { what: 'the change in HubSpot' },
    );
  });
});
