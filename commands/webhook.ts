/** `webhook`: HubSpot to Postgres in a process of its own, with the status API on the same port. */
import { createPool } from '../shared/postgres/pool.ts';
import { type Config, requireAppCredentials } from '../shared/service/config.ts';
import { SyncError, serviceError } from '../shared/service/errors.ts';
import { createEvents } from '../shared/service/events.ts';
import { runUntilSignal } from '../shared/service/lifecycle.ts';
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
  const config = await withPortalId(given);
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

/**
 * The settings with the account's id. Without it nobody could tell our events from another account's
 * that the same app signs, so it is learned before anything is taken in.
 * @throws SyncError HUBSPOT_UNREACHABLE, HUBSPOT_TOKEN_REFUSED where it isn't set and can't be learned
 */
async function withPortalId(config: Config): Promise<Config> {
  const { hubspot } = config;
  if (hubspot.portalId !== undefined) return config;
  const advice = 'or set HUBSPOT_PORTAL_ID, so that webhook needn’t ask.';
  const portalId = await reachHubSpot(hubspot).catch((error: unknown) => {
    if (!(error instanceof SyncError)) throw error;
    throw new SyncError(error.code, error.message, {
      disposition: 'stop',
      advice: `${error.advice.replace(/\.$/, '')}, ${advice}`,
      facts: error.facts,
      cause: error,
    });
  });
  if (portalId === undefined) {
    throw serviceError(
      'HUBSPOT_UNREACHABLE',
      `HubSpot at ${hubspot.baseUrl} did not say which account the token is of; set HUBSPOT_PORTAL_ID.`,
    );
  }
  return { ...config, hubspot: { ...hubspot, portalId } };
}

export default runWebhook;
