/** Both rooms in one process: one registry of metrics, one `/readyz` over both, one status. */
import type { Mapping } from '../../shared/mapping/mapping.ts';
import type { Config } from '../../shared/service/config.ts';
import type { Events } from '../../shared/service/events.ts';
import { type Handle, readinessOf } from '../../shared/service/lifecycle.ts';
import type { Logger } from '../../shared/service/logger.ts';
import type { Metrics } from '../../shared/service/metrics.ts';
import { sayPortInUse } from '../reach.ts';
import { handleFrom } from './demo.ts';

export interface RoomsOptions {
  readonly config: Config;
  readonly mapping: Mapping;
  readonly log: Logger;
  readonly events: Events;
  readonly metrics: Metrics;
  /** Told of each part as soon as it runs, so that a failure of the next one stops it. */
  onRunning(handle: Handle): void;
}

/** @returns where the two listen */
export async function startRooms(options: RoomsOptions): Promise<{ webhook: string; cdc: string }> {
  const { config, mapping, log, events, onRunning } = options;
  const { registry } = options.metrics;
  const { startWebhook } = await import('../../webhook/main.ts');
  const { startCdc } = await import('../../cdc/main.ts');
  const { statusRoutes } = await import('../../status/sync-status.ts');
  const { createPool } = await import('../../shared/postgres/pool.ts');
  const { databaseUrl, schema, statusToken } = config;
  const pool = createPool({ databaseUrl, applicationName: 'pg-hubspot-sync status', max: 3, log });
  onRunning(handleFrom(() => pool.end()));

  const rooms: Record<string, Handle> = {};
  const webhook = await startWebhook({
    config,
    mapping,
    log: log.child({ room: 'webhook' }),
    events,
    registry,
    // Without cdc, which comes next, this process isn't ready.
    ready: async () => (rooms.cdc ? readinessOf(rooms) : false),
    routes: [statusRoutes({ pool, schema, statusToken })],
  }).catch(sayPortInUse({ ...config.webhook, variable: 'PORT' }));
  rooms.webhook = webhook;
  onRunning(webhook);
  const cdc = await startCdc({
    config,
    mapping,
    log: log.child({ room: 'cdc' }),
    events,
    registry,
  }).catch(sayPortInUse({ ...config.cdc, variable: 'CDC_PORT' }));
  rooms.cdc = cdc;
  onRunning(cdc);
  return { webhook: webhook.url, cdc: cdc.url };
}
