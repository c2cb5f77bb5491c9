import { createDemo, hasDemo } from '../../demo/sample.ts';
import { startEmulator } from '../../emulator/server.ts';
import { createTestDatabase } from '../support/database.ts';

test('the sample has the same rows and records on both sides, linked by the rows’ ids', async () => {
  await using db = await createTestDatabase();
  const emulator = await startEmulator({
    port: 0,
    clientSecret: 's',
    appId: 1,
    portalId: 2,
    webhookUrl: null,
  });
  try {
    expect(await hasDemo(db.url)).toBe(false);
    const counts = await createDemo(db.url, { baseUrl: emulator.url, accessToken: 'pat-emulator' });
    expect(counts.opportunities).toBeGreaterThanOrEqual(250);
    expect(await hasDemo(db.url)).toBe(true);

    const stats = await (await fetch(`${emulator.url}/_emulator/stats`)).json();
    // Exactly as many: HubSpot made no company of its own for a contact's email domain.
    expect(stats.objects).toMatchObject({
      deals: counts.opportunities,
      companies: counts.clients,
      contacts: counts.contacts,
    });
    for (const table of ['clients', 'contacts', 'opportunities']) {
      expect(await db.query(`select id from ${table} where id !~ '^hs_[0-9]+$'`)).toEqual([]);
    }
    const [deal] = await db.query(
      `select o.*, close_date::text as day from opportunities o order by id limit 1`,
    );
    const response = await fetch(`${emulator.url}/_emulator/objects/deals/${deal?.id.slice(3)}`);
    const { properties, associations } = await response.json();
    expect(properties).toMatchObject({
      dealname: deal?.name,
      hubspot_owner_id: deal?.owner_id,
      hs_next_step: deal?.next_step,
    });
    expect(Number(properties.amount)).toBe(Number(deal?.amount));
    expect(Number(properties.hs_deal_stage_probability)).toBe(Number(deal?.probability));
    expect(properties.closedate.slice(0, 10)).toBe(deal?.day);
    expect(associations).toContainEqual(
      expect.objectContaining({ toId: deal?.client_id.slice(3), typeId: 5 }),
    );
  } finally {
    await emulator.stop();
  }
});

test('without HubSpot the demo has its tables and no rows', async () => {
  await using db = await createTestDatabase();
  await createDemo(db.url);
  expect(await db.query('select count(*)::int as n from opportunities')).toEqual([{ n: 0 }]);
});
