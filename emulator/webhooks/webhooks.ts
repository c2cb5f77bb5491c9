// Announces what happened in the CRM: a change becomes an event, waits in the queue, and is sent. What the
// control path sets (delay, duplicates, loss, pause) is kept here.
import { z } from 'zod';
import type { CrmChange } from '../crm/change.ts';
import type { Journal } from '../journal.ts';
import { createDelivery, type DeliverySwitches } from './delivery.ts';
import {
  createNotificationQueue,
  DEFAULT_SETTINGS,
  type QueueSwitches,
  type WebhookCounts,
  type WebhookSettings,
} from './notifications.ts';
import { describeEvent, type ShapeSwitches } from './shape.ts';

export type WebhookSwitches = ShapeSwitches & QueueSwitches & DeliverySwitches;

/** What `POST /_emulator/webhooks` takes; what isn't named stays as it is. */
export const webhookSettingsInput = z.strictObject({
  delayMs: z.number().int().min(0).optional(),
  duplicate: z.number().min(0).max(1).optional(),
  reorder: z.number().min(0).max(1).optional(),
  lose: z.number().min(0).max(1).optional(),
  paused: z.boolean().optional(),
  /** Where events go from now on; also the URL that is signed. */
  targetUrl: z.url().optional(),
});

export type Webhooks = {
  /** Queues the announcement of a change. */
  announce(change: CrmChange): void;
  readSettings(): WebhookSettings & { targetUrl: string | null };
  changeSettings(input: z.infer<typeof webhookSettingsInput>): void;
  readCounts(): WebhookCounts;
  /** Gives up what isn't sent yet. */
  forgetPending(): void;
  /** Stops sending; what is pending stays in the journal. */
  stop(): void;
};

export function createWebhooks(options: {
  journal: Journal;
  switches: WebhookSwitches;
  clientSecret: string;
  portalId: number;
  appId: number;
  /** The configured public URL of the receiver; without one events wait, with null nobody is told. */
  webhookUrl: string | null | undefined;
  /** Whether a property holds sensitive data. */
  isSensitive: (objectTypeId: string, property: string) => boolean;
  log: (line: string) => void;
  /** From 0 to below 1. */
  random?: () => number;
}): Webhooks {
  const { journal, switches, clientSecret, portalId, appId, webhookUrl, isSensitive, log } =
    options;
  const random = options.random ?? Math.random;
  const stored = journal.map<Partial<WebhookSettings>>('webhook-setting');
  const targets = journal.map<string>('webhook-target');
  const settings = (): WebhookSettings => ({ ...DEFAULT_SETTINGS, ...stored.get('settings') });
  const targetUrl = (): string | undefined => targets.get('url') ?? webhookUrl ?? undefined;

  const queue = createNotificationQueue({ journal, settings, switches, random });
  const delivery = createDelivery({
    queue,
    switches,
    clientSecret,
    target: () => (settings().paused ? undefined : targetUrl()),
    random,
    log,
  });
  delivery.wake();

  return {
    announce(change) {
      if (webhookUrl === null && targetUrl() === undefined) return;
      const event = describeEvent(change, { portalId, appId, switches, isSensitive });
      if (event === undefined) return;
      queue.add(event, targetUrl() !== undefined);
      delivery.wake();
    },
    readSettings: () => ({ ...settings(), targetUrl: targetUrl() ?? null }),
    changeSettings({ targetUrl: url, ...changed }) {
      if (url !== undefined) targets.set('url', url);
      const given = Object.entries(changed).filter(([, value]) => value !== undefined);
      stored.set('settings', { ...stored.get('settings'), ...Object.fromEntries(given) });
      delivery.wake();
    },
    readCounts: () => queue.readCounts(),
    forgetPending: () => queue.forgetPending(),
    stop: () => delivery.stop(),
  };
}
