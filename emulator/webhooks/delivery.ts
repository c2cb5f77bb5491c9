// Sends what is due: up to 100 notifications in a request, a fresh signature for each attempt, ten requests
// on their way at once. Anything but a 2xx within the time limit is a failed attempt.
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Notification, NotificationQueue } from './notifications.ts';
import type { WebhookEvent } from './shape.ts';
import { signatureHeaders } from './signature.ts';

export type DeliverySwitches = {
  webhookBatchSize: number;
  webhookConcurrency: number;
  webhookTimeoutMs: number;
  /** Adds an event of another portal to each request, as an app of many portals may see. */
  webhookMixPortals: boolean;
};

export type Delivery = {
  /** Looks for due notifications; called whenever something may have become due. */
  wake(): void;
  /** Cuts what is on its way; it counts as not delivered and stays in the journal. */
  stop(): void;
};

export function createDelivery(options: {
  queue: NotificationQueue;
  switches: DeliverySwitches;
  clientSecret: string;
  /** Where to send, and the URL that is signed; undefined while unknown or paused. */
  target: () => string | undefined;
  random: () => number;
  log: (line: string) => void;
}): Delivery {
  const { queue, switches, clientSecret, target, random, log } = options;
  // A connection a request: one kept alive may be closed by the receiver just when it is used again, which
  // would be a failed attempt that nobody caused.
  const agents = { http: new HttpAgent(), https: new HttpsAgent() };
  let inFlight = 0;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let failing = false;

  const wake = (): void => {
    clearTimeout(timer);
    timer = undefined;
    const url = target();
    if (stopped || url === undefined) return;
    while (inFlight < switches.webhookConcurrency) {
      const batch = queue.takeDue(switches.webhookBatchSize);
      if (batch.length === 0) break;
      void send(url, batch);
    }
    const next = queue.nextDueAt();
    if (next !== undefined && inFlight < switches.webhookConcurrency) {
      timer = setTimeout(wake, Math.max(1, next - Date.now()));
    }
  };

  const send = async (url: string, batch: Notification[]): Promise<void> => {
    inFlight += 1;
    queue.countSent(batch.length);
    const events = placeCreations(batch.map((notification) => notification.event));
    const body = JSON.stringify(
      switches.webhookMixPortals ? [...events, ...foreignEvents(events, random)] : events,
    );
    const outcome = await post(url, body);
    inFlight -= 1;
    if (stopped) return;
    queue.settle(batch, outcome.delivered);
    if (failing === outcome.delivered) {
      failing = !outcome.delivered;
      log(failing ? `webhooks fail: ${outcome.reason}; they are retried` : 'webhooks arrive again');
    }
    wake();
  };

  const post = (url: string, body: string): Promise<{ delivered: boolean; reason: string }> =>
    new Promise((resolve) => {
      const secure = url.startsWith('https:');
      const request = (secure ? httpsRequest : httpRequest)(url, {
        method: 'POST',
        agent: secure ? agents.https : agents.http,
        headers: {
          'Content-Type': 'application/json',
          'Content-Length': Buffer.byteLength(body),
          'User-Agent': 'HubSpot Connect 2.0 (emulator)',
          ...signatureHeaders(clientSecret, url, body, Date.now()),
        },
        signal: AbortSignal.timeout(switches.webhookTimeoutMs),
      });
      request.on('error', (error) => resolve({ delivered: false, reason: error.message }));
      request.on('response', (response) => {
        const status = response.statusCode ?? 0;
        response.on('error', (error) => resolve({ delivered: false, reason: error.message }));
        response.on('end', () => {
          resolve({ delivered: status >= 200 && status < 300, reason: `status ${status}` });
        });
        response.resume();
      });
      request.end(body);
    });

  return {
    wake,
    stop() {
      stopped = true;
      clearTimeout(timer);
      agents.http.destroy();
      agents.https.destroy();
    },
  };
}

/**
 * In recorded deliveries a creation stands behind property changes of the same record and time. Moves each
 * creation that comes first behind its last companion of the same request.
 */
export function placeCreations(events: WebhookEvent[]): WebhookEvent[] {
  const placed = [...events];
  for (let at = 0; at < placed.length; at += 1) {
    const event = placed[at] as WebhookEvent;
    if (!event.subscriptionType.endsWith('.creation')) continue;
    let last = at;
    for (let other = at + 1; other < placed.length; other += 1) {
      if (isCompanion(event, placed[other] as WebhookEvent)) last = other;
    }
    if (last > at) {
      placed.splice(at, 1);
      placed.splice(last, 0, event);
      at -= 1;
    }
  }
  return placed;
}

function isCompanion(creation: WebhookEvent, other: WebhookEvent): boolean {
  return (
    other.subscriptionType === creation.subscriptionType.replace('.creation', '.propertyChange') &&
    other.objectId === creation.objectId &&
    other.objectTypeId === creation.objectTypeId &&
    other.occurredAt === creation.occurredAt
  );
}

/** One event of a portal that isn't ours, of a record nobody here has. */
function foreignEvents(events: WebhookEvent[], random: () => number): WebhookEvent[] {
  const [first] = events;
  if (first === undefined) return [];
  const eventId = 1 + Math.floor(random() * (2 ** 32 - 1));
  return [{ ...first, portalId: first.portalId + 1, eventId }];
}
