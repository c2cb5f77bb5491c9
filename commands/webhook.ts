/** `webhook`: HubSpot to Postgres in a process of its own, with the status API on the same port. */
import { createPool } from '../shared/postgres/pool.ts';
import { requireAppCredentials } from '../shared/service/config.ts';
import { createEvents } from '../shared/service/events.ts';
import { runUntilSignal } from '../shared/service/lifecycle.ts';
import { createMetrics } from '../shared/service/metrics.ts';
import { statusRoutes } from '../status/sync-status.ts';
import { startWebhook } from '../webhook/main.ts';
import { chooseMapping } from './mapping.ts';
import { reachDatabase, sayPortInUse } from './reach.ts';
import type { CommandBody } from './run.ts';

const runWebhook: CommandBody = async ({ config, log, say }) => {
  requireAppCredentials(config);
  const { mapping } = await chooseMapping(config);
  await reachDatabase(config.databaseUrl);
  const events = createEvents((error, event) => log.warn({ err: error, event }, 'listener failed'));
  const { registry } = createMetrics(events);
  const { databaseUrl, schema, statusToken } = config;
  const pool = createPool({ databaseUrl, applicationName: 'pg-hubspot-sync status', max: 3, log });
  try {
    const room = await startWebhook({
      config,
      mapping,
      log: log.child({ room: 'webhook' }),
      events,
      registry,
      routes: [statusRoutes({ pool, schema, statusToken })],
    }).catch(sayPortInUse({ ...config.webhook, variable: 'PORT' }));
    say(
      `webhook: ${room.url}/webhooks/hubspot, which HubSpot calls as ${config.webhook.publicUrl}`,
    );
    await runUntilSignal([room], { log });
    return { result: null };
  } finally {
    await pool.end();
  }
};

export default runWebhook;
