/** `webhook`: HubSpot to Postgres in a process of its own, with the status API on the same port. */
import { createPool } from '../shared/postgres/pool.ts';
import { type Config, requireAppCredentials } from '../shared/service/config.ts';
import { createEvents } from '../shared/service/events.ts';
import { runUntilSignal } from '../shared/service/lifecycle.ts';
import type { Logger } from '../shared/service/logger.ts';
import { createMetrics } from '../shared/service/metrics.ts';
import { statusRoutes } from '../status/sync-status.ts';
import { startWebhook } from '../webhook/main.ts';
import { chooseMapping } from './mapping.ts';
import { reachDatabase, reachHubSpot, sayPortInUse } from './reach.ts';
import type { CommandBody } from './run.ts';

const runWebhook: CommandBody = async ({ config: given, log, say }) => {
  requireAppCredentials(given);
  const { mapping } = await chooseMapping(given);
  await reachDatabase(given.databaseUrl);
  const config = await withPortalId(given, log);
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
    // Before anybody is told that it runs: a signal may come at once.
    const ended = runUntilSignal([room], { log });
    say(
      `webhook: ${room.url}/webhooks/hubspot, which HubSpot calls as ${config.webhook.publicUrl}`,
    );
    await ended;
    return { result: null };
  } finally {
    await pool.end();
  }
};

/** Events of another account are dropped, where it is known which one is ours. */
async function withPortalId(config: Config, log: Logger): Promise<Config> {
  const { hubspot } = config;
  if (hubspot.portalId !== undefined) return config;
  const portalId = await reachHubSpot(hubspot).catch((error: unknown) => {
    log.warn({ err: error }, 'HubSpot can’t be asked for the account; set HUBSPOT_PORTAL_ID');
    return undefined;
  });
  return { ...config, hubspot: { ...hubspot, portalId } };
}

export default runWebhook;
