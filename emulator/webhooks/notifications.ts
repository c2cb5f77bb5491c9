// The queue of notifications, in the journal until they are delivered or given up: what is to be sent
// when, how often it was tried, what the settings do to it on its way. delivery.ts takes from here.
import type { Journal } from '../journal.ts';
import { createDueQueue } from './due-queue.ts';
import type { DescribedEvent, WebhookEvent } from './shape.ts';

/** What `POST /_emulator/webhooks` sets. */
export type WebhookSettings = {
  /** Added to each notification's way. */
  delayMs: number;
  /** Chance from 0 to 1 that a notification comes a second time, in another request. */
  duplicate: number;
  /** Chance that a notification is overtaken by later ones. */
  reorder: number;
  /** Chance that a notification is never sent. */
  lose: number;
  /** While true nothing is sent; what comes meanwhile waits. */
  paused: boolean;
};

export const DEFAULT_SETTINGS: WebhookSettings = {
  delayMs: 0,
  duplicate: 0,
  reorder: 0,
  lose: 0,
  paused: false,
};

export type QueueSwitches = {
  /** Notifications gather this long before they leave together. */
  webhookWindowMs: number;
  /** How long a reordered or doubled notification lags behind, at most. */
  webhookLagMs: number;
  webhookRetryBaseMs: number;
  webhookMaxRetries: number;
  webhookRetryKeepsEventId: boolean;
  /** Every n-th notification takes the event id of the one before it; 0: none does. */
  webhookEventIdCollisionEvery: number;
};

export type WebhookCounts = {
  /** Notifications put on the wire, each attempt counted. */
  sent: number;
  /** Answered 2xx. */
  delivered: number;
  /** Failed attempts that are tried again. */
  retried: number;
  /** Given up after the last retry. */
  abandoned: number;
  /** Never sent, by the setting `lose`. */
  lost: number;
  /** Not yet delivered, those on their way included. */
  pending: number;
};

/** `order` is the place in the order of emission; a duplicate has one of its own. */
export type Notification = { order: number; dueAt: number; event: WebhookEvent };

/** So many wait while nobody has said where to send them; then the oldest are given up. */
const KEPT_WITHOUT_TARGET = 200_000;

export type NotificationQueue = {
  add(event: DescribedEvent, hasTarget: boolean): void;
  takeDue(limit: number): Notification[];
  nextDueAt(): number | undefined;
  /** Settles what was taken: delivered, or to be tried again later, each at a time of its own. */
  settle(batch: Notification[], delivered: boolean): void;
  countSent(notifications: number): void;
  readCounts(): WebhookCounts;
  /** Gives up what waits; what is on its way goes on. */
  forgetPending(): void;
};

export function createNotificationQueue(options: {
  journal: Journal;
  settings: () => WebhookSettings;
  switches: QueueSwitches;
  random: () => number;
}): NotificationQueue {
  const { journal, settings, switches, random } = options;
  const stored = journal.map<Notification>('webhook-notification');
  const totals = journal.map<number>('webhook-total');
  const queue = createDueQueue<Notification>();
  let lastOrder = 0;
  for (const notification of stored.values()) {
    lastOrder = Math.max(lastOrder, notification.order);
    queue.add(notification);
  }

  const count = (name: keyof WebhookCounts, by = 1): void => {
    if (by > 0) totals.set(name, (totals.get(name) ?? 0) + by);
  };

  /** Times are rounded up to the window, so that what comes close together travels together. */
  const dueIn = (ms: number): number => {
    const window = Math.max(1, switches.webhookWindowMs);
    return Math.ceil((Date.now() + ms) / window) * window;
  };

  const put = (event: WebhookEvent, delayMs: number): void => {
    lastOrder += 1;
    const notification = { order: lastOrder, dueAt: dueIn(delayMs), event };
    stored.set(String(lastOrder), notification);
    queue.add(notification);
  };

  const newEventId = (): number => {
    const created = totals.get('eventIds') ?? 0;
    totals.set('eventIds', created + 1);
    const every = switches.webhookEventIdCollisionEvery;
    const last = totals.get('lastEventId');
    if (every > 0 && (created + 1) % every === 0 && last !== undefined) return last;
    // Every recorded id lies below 2^32.
    const id = 1 + Math.floor(random() * (2 ** 32 - 1));
    totals.set('lastEventId', id);
    return id;
  };

  const giveUp = (limit: number): void => {
    for (const { order } of queue.takeDue(Number.POSITIVE_INFINITY, limit)) {
      stored.delete(String(order));
      count('abandoned');
    }
  };

  return {
    add(described, hasTarget) {
      const { delayMs, duplicate, reorder, lose } = settings();
      if (random() < lose) {
        count('lost');
        return;
      }
      const event = { ...described, eventId: newEventId(), attemptNumber: 0 };
      // More than a window, so that the late one never leaves in the same request.
      const lag = (): number => switches.webhookWindowMs + random() * switches.webhookLagMs;
      put(event, delayMs + (random() < reorder ? lag() : 0));
      if (random() < duplicate) put(event, delayMs + lag());
      if (!hasTarget && stored.size > KEPT_WITHOUT_TARGET) giveUp(1);
    },

    takeDue: (limit) => queue.takeDue(Date.now(), limit),
    nextDueAt: () => queue.nextDueAt(),

    settle(batch, delivered) {
      journal.together(() => {
        if (delivered) {
          for (const { order } of batch) stored.delete(String(order));
          count('delivered', batch.length);
          return;
        }
        for (const { order, event } of batch) {
          if (event.attemptNumber >= switches.webhookMaxRetries) {
            stored.delete(String(order));
            count('abandoned');
            continue;
          }
          const attemptNumber = event.attemptNumber + 1;
          const eventId = switches.webhookRetryKeepsEventId ? event.eventId : newEventId();
          const delay = retryDelay(switches.webhookRetryBaseMs, attemptNumber, random());
          const again = { order, dueAt: dueIn(delay), event: { ...event, attemptNumber, eventId } };
          stored.set(String(order), again);
          queue.add(again);
          count('retried');
        }
      });
    },

    forgetPending() {
      journal.together(() => giveUp(Number.POSITIVE_INFINITY));
    },

    countSent: (notifications) => count('sent', notifications),

    readCounts() {
      const read = (name: keyof WebhookCounts): number => totals.get(name) ?? 0;
      return {
        sent: read('sent'),
        delivered: read('delivered'),
        retried: read('retried'),
        abandoned: read('abandoned'),
        lost: read('lost'),
        pending: stored.size,
      };
    },
  };
}

/**
 * Milliseconds until attempt `attempt` (1 is the first retry): doubling up to 20 times the base, with a
 * quarter of jitter either way. HubSpot spreads its ten retries over 24 hours; a base of 1000 ms spreads
 * them over about two minutes.
 */
export function retryDelay(baseMs: number, attempt: number, chance: number): number {
  const grown = baseMs * Math.min(2 ** (attempt - 1), 20);
  return grown * (0.75 + 0.5 * chance);
}
