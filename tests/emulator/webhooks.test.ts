import { createHash, createHmac } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Behaviour, openBehaviour } from '../../emulator/behaviour.ts';
import type { CrmChange } from '../../emulator/crm/change.ts';
import { type Journal, openJournal } from '../../emulator/journal.ts';
import { placeCreations } from '../../emulator/webhooks/delivery.ts';
import { retryDelay } from '../../emulator/webhooks/notifications.ts';
import type { WebhookEvent } from '../../emulator/webhooks/shape.ts';
import { signV1, signV3 } from '../../emulator/webhooks/signature.ts';
import { createWebhooks, type Webhooks } from '../../emulator/webhooks/webhooks.ts';
import { eventually } from '../support/eventually.ts';
import { type Delivery, type Receiver, startReceiver } from './receiver.ts';

const SECRET = 'a-secret';

function edit(objectId: number, value = 'x', more: Partial<CrmChange> = {}): CrmChange {
  return {
    kind: 'propertyChange',
    objectType: 'deals',
    objectTypeId: '0-3',
    objectId: String(objectId),
    property: 'dealname',
    value,
    occurredAt: 1_782_371_971_992,
    actor: { source: 'CRM_UI', sourceId: 'userId:1001' },
    ...more,
  };
}

interface Sender extends AsyncDisposable {
  readonly webhooks: Webhooks;
  readonly behaviour: Behaviour;
}

function startSender(options: {
  url?: string | null;
  journal?: Journal;
  behaviour?: Partial<Behaviour>;
  random?: () => number;
  sensitive?: string[];
}): Sender {
  const journal = options.journal ?? openJournal(undefined);
  const { behaviour } = openBehaviour(journal, { webhookWindowMs: 20, ...options.behaviour });
  const webhooks = createWebhooks({
    journal,
    switches: behaviour,
    clientSecret: SECRET,
    portalId: 12345678,
    appId: 39522895,
    webhookUrl: options.url,
    isSensitive: (_type, property) => options.sensitive?.includes(property) ?? false,
    log: () => undefined,
    ...(options.random ? { random: options.random } : {}),
  });
  return {
    webhooks,
    behaviour,
    [Symbol.asyncDispose]: async () => webhooks.stop(),
  };
}

async function firstDelivery(receiver: Receiver): Promise<Delivery> {
  await eventually(() => receiver.deliveries.length > 0);
  return receiver.deliveries[0] as Delivery;
}

/** A receiver and what sends to it, with the events it got once there are `count`. */
async function deliver(
  changes: CrmChange[],
  options: Omit<Parameters<typeof startSender>[0], 'url'> = {},
  // biome-ignore lint/suspicious/noExplicitAny: what arrives is looked at field by field
): Promise<any[]> {
  await using receiver = await startReceiver();
  await using sender = startSender({ ...options, url: receiver.url });
  for (const change of changes) sender.webhooks.announce(change);
  await eventually(() => sender.webhooks.readCounts().pending === 0);
  return receiver.events();
}

describe('the signature', () => {
  test.each([
    ['1693657560000', 'K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y='],
    ['1700000300000', 'RnbPH7+UMKVkbV32P8bz450N4M56aPmcru1+D3kSDtw='],
  ])('of version 3 equals the published vector of %s', (timestamp, expected) => {
    const signed = signV3(
      'yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy',
      'POST',
      'https://www.example.com/webhook_uri',
      "{'example_field':'example_value'}",
      Number(timestamp),
    );
    expect(signed).toBe(expected);
  });

  test('of version 3 undoes the escapes that HubSpot undoes, and no other', () => {
    const sign = (uri: string) => signV3(SECRET, 'POST', uri, '', 1);
    expect(sign('https://a.b/c?x=%3A%2F%40%2c&y=1')).toBe(sign('https://a.b/c?x=:/@,&y=1'));
    expect(sign('https://a.b/c?x=%20')).not.toBe(sign('https://a.b/c?x= '));
  });

  test('of version 1 is the hash of secret and body', () => {
    expect(signV1('s', 'b')).toBe(createHash('sha256').update('sb').digest('hex'));
  });

  test('travels with each request, over the public URL, the raw body and the time of the attempt', async () => {
    await using receiver = await startReceiver();
    await using sender = startSender({ url: receiver.url });
    sender.webhooks.announce(edit(1, 'Ünïcode ☃'));
    const { headers, body, at } = await firstDelivery(receiver);
    const timestamp = String(headers['x-hubspot-request-timestamp']);
    expect(Math.abs(Number(timestamp) - at)).toBeLessThan(1000);
    expect(headers['x-hubspot-signature-v3']).toBe(
      createHmac('sha256', SECRET)
        .update(`POST${receiver.url}${body}${timestamp}`)
        .digest('base64'),
    );
    expect(headers['x-hubspot-signature']).toBe(signV1(SECRET, body));
    expect(headers['x-hubspot-signature-version']).toBe('v1');
  });
});

describe('the shape', () => {
  test('of a property change is the legacy one for standard objects', async () => {
    expect(await deliver([edit(332507367156, '2000', { property: 'amount' })])).toEqual([
      {
        eventId: expect.any(Number),
        subscriptionId: expect.any(Number),
        portalId: 12345678,
        appId: 39522895,
        occurredAt: 1_782_371_971_992,
        subscriptionType: 'deal.propertyChange',
        attemptNumber: 0,
        objectId: 332507367156,
        propertyName: 'amount',
        propertyValue: '2000',
        changeSource: 'CRM_UI',
        sourceId: 'userId:1001',
      },
    ]);
  });

  test('is the generic one for custom objects, and for all where switched so', async () => {
    const custom = edit(5, 'x', { objectType: '2-1234', objectTypeId: '2-1234' });
    expect(await deliver([custom])).toMatchObject([
      { subscriptionType: 'object.propertyChange', objectTypeId: '2-1234', isSensitive: false },
    ]);
    expect(await deliver([edit(5)], { behaviour: { webhookShape: 'generic' } })).toMatchObject([
      { subscriptionType: 'object.propertyChange', objectTypeId: '0-3' },
    ]);
  });

  test.each([
    ['empty', { propertyValue: '' }],
    ['null', { propertyValue: null }],
  ] as const)('tells a cleared value as %s', async (webhookClearedValue, expected) => {
    expect(await deliver([edit(1, '')], { behaviour: { webhookClearedValue } })).toMatchObject([
      expected,
    ]);
  });

  test('can leave out a cleared value, and never tells a sensitive one', async () => {
    const [cleared] = await deliver([edit(1, '')], {
      behaviour: { webhookClearedValue: 'absent' },
    });
    expect(cleared).not.toHaveProperty('propertyValue');
    expect(await deliver([edit(1, 'private')], { sensitive: ['dealname'] })).toMatchObject([
      { propertyValue: 'REDACTED' },
    ]);
  });

  test('of creation, deletion and restore', async () => {
    const events = await deliver(
      (['creation', 'deletion', 'restore'] as const).map((kind) => {
        const { property, value, ...change } = edit(9);
        return { ...change, kind };
      }),
    );
    expect(events).toMatchObject([
      { subscriptionType: 'deal.creation', objectId: 9, changeFlag: 'CREATED' },
      { subscriptionType: 'deal.deletion', objectId: 9, changeFlag: 'DELETED' },
      { subscriptionType: 'deal.restore', objectId: 9 },
    ]);
    expect(events[2]).not.toHaveProperty('changeFlag');
  });

  test('of a merge, whose objectId is switchable', async () => {
    const merge: CrmChange = {
      ...edit(30),
      kind: 'merge',
      primaryObjectId: '10',
      mergedObjectIds: ['10', '20'],
      newObjectId: '30',
      numberOfPropertiesMoved: 4,
    };
    expect(await deliver([merge])).toMatchObject([
      {
        subscriptionType: 'deal.merge',
        objectId: 10,
        primaryObjectId: 10,
        mergedObjectIds: [10, 20],
        newObjectId: 30,
        numberOfPropertiesMoved: 4,
      },
    ]);
    expect(await deliver([merge], { behaviour: { webhookMergeObjectId: 'new' } })).toMatchObject([
      { objectId: 30 },
    ]);
    const [event] = await deliver([merge], { behaviour: { webhookMergeObjectId: 'absent' } });
    expect(event).not.toHaveProperty('objectId');
  });

  test('of an association names no objectId, and people as USER', async () => {
    const change: CrmChange = {
      ...edit(1),
      kind: 'associationChange',
      fromObjectId: '1',
      toObjectId: '2',
      toObjectTypeId: '0-2',
      associationTypeId: 5,
      associationCategory: 'HUBSPOT_DEFINED',
      associationRemoved: false,
      isPrimaryAssociation: true,
    };
    const [legacy] = await deliver([change]);
    expect(legacy).toMatchObject({
      subscriptionType: 'deal.associationChange',
      associationType: 'DEAL_TO_COMPANY',
      fromObjectId: 1,
      toObjectId: 2,
      associationRemoved: false,
      isPrimaryAssociation: true,
      changeSource: 'USER',
      sourceId: 'userId:1001',
    });
    expect(legacy).not.toHaveProperty('objectId');

    const [generic] = await deliver([change], { behaviour: { webhookShape: 'generic' } });
    expect(generic).toMatchObject({
      subscriptionType: 'object.associationChange',
      fromObjectTypeId: '0-3',
      toObjectTypeId: '0-2',
      associationTypeId: 5,
      associationCategory: 'HUBSPOT_DEFINED',
    });
    expect(generic).not.toHaveProperty('associationType');
  });

  test('does not exist for changes of the modified date alone', async () => {
    const events = await deliver([
      edit(1, '1', { property: 'hs_lastmodifieddate' }),
      edit(1, '1', { property: 'lastmodifieddate' }),
      edit(2),
    ]);
    expect(events.map((event) => event.objectId)).toEqual([2]);
  });

  test('puts a creation behind the property changes of the same record and time', () => {
    const base = { objectId: 1, occurredAt: 5 } as unknown as WebhookEvent;
    const created = { ...base, subscriptionType: 'deal.creation' };
    const named = { ...base, subscriptionType: 'deal.propertyChange', propertyName: 'dealname' };
    const other = { ...named, objectId: 2 };
    const later = { ...named, occurredAt: 6 };
    expect(placeCreations([created, named, other, later])).toEqual([named, created, other, later]);
    expect(placeCreations([created, other])).toEqual([created, other]);
  });
});

describe('delivery', () => {
  test('gathers events of a short time into requests of at most 100', async () => {
    await using receiver = await startReceiver();
    await using sender = startSender({ url: receiver.url });
    for (let n = 1; n <= 250; n += 1) sender.webhooks.announce(edit(n));
    await eventually(() => receiver.events().length === 250);
    const sizes = receiver.deliveries.map((delivery) => delivery.events.length);
    expect(Math.max(...sizes)).toBe(100);
    expect(sizes.length).toBeLessThanOrEqual(5);
    await eventually(() => sender.webhooks.readCounts().pending === 0);
    expect(sender.webhooks.readCounts()).toEqual({
      sent: 250,
      delivered: 250,
      retried: 0,
      abandoned: 0,
      lost: 0,
      pending: 0,
    });
  });

  test('keeps ten requests on their way and no more', async () => {
    await using receiver = await startReceiver();
    let open: () => void = () => undefined;
    const opened = new Promise<number>((resolve) => {
      open = () => resolve(200);
    });
    receiver.respond = () => opened;
    await using sender = startSender({ url: receiver.url });
    for (let n = 1; n <= 1500; n += 1) sender.webhooks.announce(edit(n));
    await eventually(() => receiver.inFlight.now === 10);
    open();
    await eventually(() => sender.webhooks.readCounts().pending === 0);
    expect(receiver.inFlight.most).toBe(10);
    expect(receiver.events()).toHaveLength(1500);
  });

  test.each([
    ['a 500', 500],
    ['a 404', 404],
    ['a redirect', 302],
    ['a cut connection', 'cut'],
    ['no answer in time', 'silent'],
  ] as const)(
    'tries again after %s, signed anew, and counts the attempt',
    async (_name, answer) => {
      await using receiver = await startReceiver();
      receiver.respond = ({ events }) => (events[0].attemptNumber === 0 ? answer : 200);
      await using sender = startSender({
        url: receiver.url,
        behaviour: { webhookRetryBaseMs: 30, webhookTimeoutMs: 200 },
      });
      sender.webhooks.announce(edit(1));
      await eventually(() => sender.webhooks.readCounts().delivered === 1);
      const [first, second] = receiver.deliveries;
      expect(second?.events[0]).toEqual({ ...first?.events[0], attemptNumber: 1 });
      expect(Number(second?.headers['x-hubspot-request-timestamp'])).toBeGreaterThan(
        Number(first?.headers['x-hubspot-request-timestamp']),
      );
      expect(second?.headers['x-hubspot-signature-v3']).not.toBe(
        first?.headers['x-hubspot-signature-v3'],
      );
      expect(sender.webhooks.readCounts()).toMatchObject({ sent: 2, retried: 1, pending: 0 });
    },
  );

  test('sends retried events in other company than before', async () => {
    await using receiver = await startReceiver();
    receiver.respond = ({ events }) => (events[0].attemptNumber === 0 ? 503 : 200);
    await using sender = startSender({
      url: receiver.url,
      behaviour: { webhookRetryBaseMs: 400, webhookWindowMs: 20 },
    });
    for (let n = 1; n <= 50; n += 1) sender.webhooks.announce(edit(n));
    await eventually(() => sender.webhooks.readCounts().delivered === 50);
    const retries = receiver.deliveries.filter(({ events }) => events[0].attemptNumber === 1);
    expect(retries.length).toBeGreaterThan(1);
  });

  test('gives up after ten retries', async () => {
    await using receiver = await startReceiver();
    receiver.respond = () => 500;
    await using sender = startSender({ url: receiver.url, behaviour: { webhookRetryBaseMs: 1 } });
    sender.webhooks.announce(edit(1));
    await eventually(() => sender.webhooks.readCounts().abandoned === 1);
    expect(receiver.events().map((event) => event.attemptNumber)).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
    ]);
    expect(sender.webhooks.readCounts()).toMatchObject({ sent: 11, retried: 10, pending: 0 });
  });

  test('waits longer from retry to retry', () => {
    const waits = Array.from({ length: 10 }, (_, n) => retryDelay(1000, n + 1, 0.5));
    expect(waits).toEqual([1000, 2000, 4000, 8000, 16000, 20000, 20000, 20000, 20000, 20000]);
    expect(retryDelay(1000, 1, 0)).toBe(750);
    expect(retryDelay(0, 9, 1)).toBe(0);
  });

  test('can give retries new event ids', async () => {
    await using receiver = await startReceiver();
    receiver.respond = ({ events }) => (events[0].attemptNumber === 0 ? 500 : 200);
    await using sender = startSender({
      url: receiver.url,
      behaviour: { webhookRetryBaseMs: 1, webhookRetryKeepsEventId: false },
    });
    sender.webhooks.announce(edit(1));
    await eventually(() => receiver.events().length === 2);
    const [first, second] = receiver.events();
    expect(second.eventId).not.toBe(first.eventId);
  });

  test('gives event ids of 32 bits, and collisions where asked for', async () => {
    const changes = Array.from({ length: 300 }, (_, n) => edit(n));
    const ids = (await deliver(changes)).map((event) => event.eventId as number);
    expect(new Set(ids).size).toBe(300);
    expect(ids.every((id) => Number.isInteger(id) && id > 0 && id < 2 ** 32)).toBe(true);
    expect(ids.some((id) => id > 2 ** 31)).toBe(true);

    const colliding = await deliver(changes, { behaviour: { webhookEventIdCollisionEvery: 3 } });
    expect(new Set(colliding.map((event) => event.eventId)).size).toBe(200);
  });

  test('can mix in events of another portal', async () => {
    const events = await deliver([edit(1)], { behaviour: { webhookMixPortals: true } });
    expect(events.map((event) => event.portalId)).toEqual([12345678, 12345679]);
  });
});

describe('the settings', () => {
  const settings = async (
    input: Parameters<Webhooks['changeSettings']>[0],
    work: (receiver: Receiver, sender: Sender) => Promise<void>,
  ) => {
    await using receiver = await startReceiver();
    await using sender = startSender({ url: receiver.url, behaviour: { webhookLagMs: 300 } });
    sender.webhooks.changeSettings(input);
    await work(receiver, sender);
  };

  test('duplicate: an event comes twice, with the same id, in two requests', () =>
    settings({ duplicate: 1 }, async (receiver, sender) => {
      sender.webhooks.announce(edit(1));
      await eventually(() => sender.webhooks.readCounts().pending === 0);
      const [first, second] = receiver.events();
      expect(second).toEqual(first);
      expect(receiver.deliveries.map((delivery) => delivery.events.length)).toEqual([1, 1]);
    }));

  test('lose: an event is counted and never sent', () =>
    settings({ lose: 1 }, async (receiver, sender) => {
      sender.webhooks.announce(edit(1));
      sender.webhooks.changeSettings({ lose: 0 });
      sender.webhooks.announce(edit(2));
      await eventually(() => sender.webhooks.readCounts().delivered === 1);
      expect(receiver.events().map((event) => event.objectId)).toEqual([2]);
      expect(sender.webhooks.readCounts()).toMatchObject({ lost: 1, pending: 0 });
    }));

  test('reorder: later events overtake', () =>
    settings({ reorder: 0.5 }, async (receiver, sender) => {
      for (let n = 1; n <= 60; n += 1) sender.webhooks.announce(edit(n));
      await eventually(() => receiver.events().length === 60);
      const ids = receiver.events().map((event) => event.objectId as number);
      expect(ids).not.toEqual([...ids].sort((a, b) => a - b));
    }));

  test('delayMs: an event leaves that much later', () =>
    settings({ delayMs: 250 }, async (receiver, sender) => {
      const announced = Date.now();
      sender.webhooks.announce(edit(1));
      const { at } = await firstDelivery(receiver);
      expect(at - announced).toBeGreaterThanOrEqual(250);
    }));

  test('paused: events wait until it ends', () =>
    settings({ paused: true }, async (receiver, sender) => {
      sender.webhooks.announce(edit(1));
      sender.webhooks.announce(edit(2));
      expect(sender.webhooks.readSettings().paused).toBe(true);
      expect(sender.webhooks.readCounts()).toMatchObject({ sent: 0, pending: 2 });
      sender.webhooks.changeSettings({ paused: false });
      await eventually(() => receiver.events().length === 2);
    }));
});

describe('what is pending', () => {
  test('waits for a target, and goes to the one that is set', async () => {
    await using receiver = await startReceiver();
    await using sender = startSender({});
    sender.webhooks.announce(edit(1));
    expect(sender.webhooks.readCounts().pending).toBe(1);
    sender.webhooks.changeSettings({ targetUrl: receiver.url });
    await eventually(() => receiver.events().length === 1);
  });

  test('does not exist where nobody is to be told', async () => {
    await using sender = startSender({ url: null });
    sender.webhooks.announce(edit(1));
    expect(sender.webhooks.readCounts().pending).toBe(0);
  });

  test('is sent after a restart, what was on its way included', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'webhooks-'));
    await using receiver = await startReceiver();
    receiver.respond = () => 'silent';
    const first = startSender({ url: receiver.url, journal: openJournal(folder) });
    first.webhooks.announce(edit(1));
    await eventually(() => receiver.events().length === 1);
    first.webhooks.changeSettings({ delayMs: 50 });
    first.webhooks.announce(edit(2));
    await first[Symbol.asyncDispose]();
    expect(receiver.events()).toHaveLength(1);

    receiver.respond = () => 200;
    const journal = openJournal(folder);
    await using second = startSender({ url: receiver.url, journal });
    await eventually(() => second.webhooks.readCounts().pending === 0);
    expect(receiver.events().map((event) => event.objectId)).toEqual([1, 1, 2]);
    expect(receiver.events()[1]).toEqual(receiver.events()[0]);
    journal.close();
    await rm(folder, { recursive: true });
  });
});
