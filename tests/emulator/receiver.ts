/** A webhook receiver over real HTTP: keeps what arrives, answers as the test says. */
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Delivery {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  // biome-ignore lint/suspicious/noExplicitAny: what arrives is looked at field by field
  readonly events: any[];
  readonly at: number;
}

export interface Receiver extends AsyncDisposable {
  readonly url: string;
  readonly deliveries: Delivery[];
  /** All events of all deliveries, in order of arrival. */
  // biome-ignore lint/suspicious/noExplicitAny: what arrives is looked at field by field
  events(): any[];
  /** Status of the next answers; `cut` closes the connection, `silent` never answers. */
  respond: (delivery: Delivery) => number | 'cut' | 'silent' | Promise<number>;
  readonly inFlight: { now: number; most: number };
  stop(): Promise<void>;
}

export async function startReceiver(port = 0): Promise<Receiver> {
  const deliveries: Delivery[] = [];
  const inFlight = { now: 0, most: 0 };
  const receiver: Pick<Receiver, 'respond'> = { respond: () => 204 };
  const server = createServer(async (req, res) => {
    inFlight.now += 1;
    inFlight.most = Math.max(inFlight.most, inFlight.now);
    res.on('close', () => {
      inFlight.now -= 1;
    });
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of req) chunks.push(chunk as Buffer);
    } catch {
      return;
    }
    const body = Buffer.concat(chunks).toString();
    const delivery = { headers: req.headers, body, events: JSON.parse(body), at: Date.now() };
    deliveries.push(delivery);
    const answer = await receiver.respond(delivery);
    if (answer === 'silent') return;
    if (answer === 'cut') {
      req.socket.destroy();
      return;
    }
    res.writeHead(answer).end();
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const address = server.address() as AddressInfo;
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return Object.assign(receiver, {
    url: `http://127.0.0.1:${address.port}/webhooks/hubspot?source=test`,
    deliveries,
    events: () => deliveries.flatMap((delivery) => delivery.events),
    inFlight,
    stop,
    [Symbol.asyncDispose]: stop,
  });
}
