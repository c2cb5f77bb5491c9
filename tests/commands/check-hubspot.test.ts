import { join } from 'node:path';
import { checkAccount, checkMapping } from '../../commands/doctor/check-hubspot.ts';
import { type Emulator, startEmulator } from '../../emulator/server.ts';
import { createHubSpot } from '../../shared/hubspot/client.ts';
import type { HubSpot } from '../../shared/hubspot/hubspot.ts';
import { loadMapping, type Mapping } from '../../shared/mapping/load.ts';
import { loadConfig } from '../../shared/service/config.ts';
import { createEvents } from '../../shared/service/events.ts';
import { packageRoot } from '../../shared/service/package-root.ts';

let emulator: Emulator;
let mapping: Mapping;
const open: HubSpot[] = [];

beforeAll(async () => {
  mapping = await loadMapping(join(packageRoot, 'sync.yaml'));
});
beforeEach(async () => {
  emulator = await startEmulator({
    port: 0,
    clientSecret: 's',
    appId: 1,
    portalId: 4711,
    webhookUrl: null,
  });
});
afterEach(async () => {
  for (const hubspot of open.splice(0)) hubspot.close();
  await emulator.stop();
});

function connect(token = 'pat-emulator'): HubSpot {
  const env = { HUBSPOT_BASE_URL: emulator.url, HUBSPOT_ACCESS_TOKEN: token };
  const settings = loadConfig({ env }).hubspot;
  const hubspot = createHubSpot({ settings, events: createEvents() });
  open.push(hubspot);
  return hubspot;
}

test('an account that the token may read has nothing wrong', async () => {
  const findings = await checkAccount({ hubspot: connect(), mapping, portalId: 4711 });
  expect(findings.map(({ level }) => level)).toEqual(['ok', 'ok', 'ok', 'ok']);
});

test('a token of another account is told, with both ids', async () => {
  const [finding] = await checkAccount({ hubspot: connect(), mapping, portalId: 1 });
  expect(finding).toMatchObject({
    level: 'error',
    message: 'The token is of account 4711, HUBSPOT_PORTAL_ID says 1.',
  });
});

test('a refused token is the only finding', async () => {
  const findings = await checkAccount({ hubspot: connect('pat-no'), mapping, portalId: undefined });
  expect(findings).toMatchObject([{ id: 'hubspot.token', level: 'error' }]);
});

test('a missing scope is told with the scopes that are needed', async () => {
  await fetch(`${emulator.url}/_emulator/behaviour`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ missingScopes: 'crm.objects.deals.read' }),
  });
  const findings = await checkAccount({ hubspot: connect(), mapping, portalId: undefined });
  expect(findings.filter(({ level }) => level === 'error')).toMatchObject([
    {
      id: 'hubspot.deals.read',
      advice: expect.stringContaining('crm.objects.deals.read, crm.objects.deals.write'),
    },
  ]);
});

test('a missing key property is an error, until it is mended', async () => {
  const hubspot = connect();
  const wrong = (await checkMapping({ hubspot, mapping, fix: false })).filter(
    ({ level }) => level === 'error',
  );
  expect(wrong.map(({ id, advice }) => [id, advice])).toEqual(
    ['companies', 'contacts', 'deals'].map((object) => [
      `hubspot.${object}.trs_id`,
      'Run `pg-hubspot-sync doctor --fix`.',
    ]),
  );
  const mended = await checkMapping({ hubspot, mapping, fix: true });
  expect(mended.filter(({ fixed }) => fixed)).toHaveLength(3);
  expect(mended.filter(({ level }) => level === 'error')).toEqual([]);
  const made = (await hubspot.listProperties('deals')).find(({ name }) => name === 'trs_id');
  expect(made).toMatchObject({ type: 'string', hasUniqueValue: true });
  const again = await checkMapping({ hubspot, mapping, fix: true });
  expect(again.filter(({ fixed, level }) => fixed || level === 'error')).toEqual([]);
});

test('a key property that is not unique can not be mended, and that is said', async () => {
  const hubspot = connect();
  await hubspot.createProperty('deals', {
    name: 'trs_id',
    label: 'x',
    type: 'string',
    fieldType: 'text',
    groupName: 'dealinformation',
  });
  const findings = await checkMapping({ hubspot, mapping, fix: true });
  expect(findings.filter(({ level }) => level === 'error')).toMatchObject([
    { id: 'hubspot.deals.trs_id', message: expect.stringContaining('unique values') },
  ]);
});
