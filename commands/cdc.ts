/** `cdc`: Postgres to HubSpot in a process of its own, with health and metrics on CDC_PORT. */
import { startCdc } from '../cdc/main.ts';
import { requireAppCredentials } from '../shared/service/config.ts';
import { createEvents } from '../shared/service/events.ts';
import { runUntilSignal } from '../shared/service/lifecycle.ts';
import { createMetrics } from '../shared/service/metrics.ts';
import { chooseMapping } from './mapping.ts';
import { reachDatabase, reachHubSpot, sayPortInUse } from './reach.ts';
import type { CommandBody } from './run.ts';

const runCdc: CommandBody = async ({ config, log, say }) => {
  requireAppCredentials(config);
  const { mapping } = await chooseMapping(config);
  await reachDatabase(config.databaseUrl);
  await reachHubSpot(config.hubspot).catch((error: unknown) => {
    // No reason to stay away: the WAL is read all the same, and what changes waits in the outbox.
    log.error({ err: error }, 'HubSpot can’t be asked now; changes wait in the outbox');
  });
  const events = createEvents((error, event) => log.warn({ err: error, event }, 'listener failed'));
  const { registry } = createMetrics(events);
  const room = await startCdc({
    config,
    mapping,
    log: log.child({ room: 'cdc' }),
    events,
    registry,
  }).catch(sayPortInUse({ ...config.cdc, variable: 'CDC_PORT' }));
  // Before anybody is told that it runs: a signal may come at once.
  const ended = runUntilSignal([room], { log });
  say(`cdc: ${room.url}/metrics, slot ${config.cdc.slot}, HubSpot at ${config.hubspot.baseUrl}`);
  await ended;
  return { result: null };
};

export default runCdc;
