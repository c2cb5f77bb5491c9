import { join } from 'node:path';
import { createDemo, hasDemo } from '../../demo/sample.ts';
import { startEmulator } from '../../emulator/server.ts';
import { loadMapping } from '../../shared/mapping/load.ts';
import { packageRoot } from '../../shared/service/package-root.ts';
import { createTestDatabase } from '../support/database.ts';

// biome-ignore lint/suspicious/noExplicitAny: the emulator's own answers
async function readJson(url: string): Promise<any> {
  return (await fetch(url)).json();
}

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

    const stats = await readJson(`${emulator.url}/_emulator/stats`);
    // Exactly as many: HubSpot made no company of its own for a contact's email domain.
    expect(stats.objects).toMatchObject({
      deals: counts.opportunities,
      companies: counts.clients,
      contacts: counts.contacts,
    });
    for (const table of ['clients', 'contacts', 'opportunities']) {
      expect(await db.query(`select id from ${table} where id !~ '^hs_[0-9]+$'`)).toEqual([]);
    }
    // Equal by the shipped mapping's own forms, so that linking them finds nothing to do.
    const mapping = await loadMapping(join(packageRoot, 'sync.yaml'));
    for (const table of mapping.tables) {
      const columns = [...table.properties, ...table.associations].map(({ column }) => column);
      const rows = await db.query(
        `select id, ${columns.map((column) => `${column}::text`)} from ${table.sql} order by id limit 25`,
      );
      for (const row of rows) {
        const id = table.rowId?.parse(row.id);
        const url = `${emulator.url}/_emulator/objects/${table.object}/${id}`;
        const { properties, associations } = await readJson(url);
        for (const { property, column, codec } of table.properties) {
          const there = codec.canonical(properties[property]);
          expect([property, codec.toHubspot(row[column])]).toEqual([property, there]);
        }
        for (const { column, typeId } of table.associations) {
          const toId = row[column].slice('hs_'.length);
          expect(associations).toContainEqual(expect.objectContaining({ toId, typeId }));
        }
      }
    }
  } finally {
    await emulator.stop();
  }
});

test('without HubSpot the demo has its tables and no rows', async () => {
  await using db = await createTestDatabase();
  await createDemo(db.url);
  expect(await db.query('select count(*)::int as n from opportunities')).toEqual([{ n: 0 }]);
});
