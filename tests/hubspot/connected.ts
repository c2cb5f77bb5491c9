/** A client of ours against an emulator, or against a server that answers what the test says. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Behaviour } from '../../emulator/behaviour.ts';
import { type Emulator, startEmulator } from '../../emulator/server.ts';
import { createHubSpot, type HubSpotOptions } from '../../shared/hubspot/client.ts';
import { HubSpotError } from '../../shared/hubspot/errors.ts';
import type { HubSpot } from '../../shared/hubspot/hubspot.ts';
import { createEvents, type Events } from '../../shared/service/events.ts';

const token = 'pat-test';
export const appId = 39522895;

export interface Client {
  readonly hubspot: HubSpot;
  readonly events: Events;
}

/** Fast unless the test is about pace. */
export function connect(
  baseUrl: string,
  settings: Partial<HubSpotOptions['settings']> = {},
): Client {
  const events = createEvents();
  const hubspot = createHubSpot({
    events,
    associationsLimit: 10_000,
    settings: {
      accessToken: token,
      baseUrl,
      apiVersion: 'v3',
      rateLimit: 10_000,
      searchLimit: 100,
      dailyLimit: undefined,
      reservePercent: 20,
      callTimeoutMs: 5000,
      ...settings,
    },
  });
  return { hubspot, events };
}

export interface Connected extends Client, AsyncDisposable {
  readonly emulator: Emulator;
  /** Calls a path under `/_emulator`. */
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked at field by field
  control(method: string, path: string, body?: unknown): Promise<any>;
}

export async function connectToEmulator(
  settings: Partial<HubSpotOptions['settings']> = {},
  {
    behaviour = {},
    rateLimit = 10_000,
  }: { readonly behaviour?: Partial<Behaviour>; readonly rateLimit?: number } = {},
): Promise<Connected> {
  const emulator = await startEmulator({
    port: 0,
    token,
    clientSecret: 'a-secret',
    appId,
    portalId: 12345678,
    rateLimit,
    webhookUrl: null,
    behaviour: { derivedBumpChance: 0, companyFromEmailDomain: false, ...behaviour },
  });
  const client = connect(emulator.url, settings);
  return {
    ...client,
    emulator,
    async control(method, path, body) {
      const response = await fetch(`${emulator.url}/_emulator${path}`, {
        method,
        headers: { 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
      return text === '' ? undefined : JSON.parse(text);
    },
    async [Symbol.asyncDispose]() {
      client.hubspot.close();
      await emulator.stop();
    },
  };
}

export interface Scripted extends Client, AsyncDisposable {
  readonly requests: { readonly method: string; readonly url: string; readonly body: string }[];
}

/** `answer` is called for each request, once its body is there. */
export async function connectToScript(
  answer: (response: ServerResponse, request: IncomingMessage, body: string) => void,
  settings: Partial<HubSpotOptions['settings']> = {},
): Promise<Scripted> {
  const requests: Scripted['requests'] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      requests.push({ method: request.method ?? '', url: request.url ?? '', body });
      answer(response, request, body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const client = connect(`http://127.0.0.1:${port}`, settings);
  return {
    ...client,
    requests,
    async [Symbol.asyncDispose]() {
      client.hubspot.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export async function failureOf(work: Promise<unknown>): Promise<HubSpotError> {
  const failure = await work.then(
    () => new Error('the call succeeded'),
    (error) => error,
  );
  if (!(failure instanceof HubSpotError)) throw failure;
  return failure;
}

let lastTrace = 0;
export function nextTrace(): string {
  lastTrace += 1;
  return `trace-${lastTrace}`;
}
