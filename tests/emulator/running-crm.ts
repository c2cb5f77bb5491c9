/** The CRM's API paths over HTTP with a clock in the test's hand and every announced change in a list. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { crmRoutes } from '../../emulator/api/routes.ts';
import { type Behaviour, openBehaviour } from '../../emulator/behaviour.ts';
import type { CrmChange } from '../../emulator/crm/change.ts';
import { createCrm } from '../../emulator/crm/create.ts';
import type { Crm } from '../../emulator/crm/crm.ts';
import { openJournal } from '../../emulator/journal.ts';

export const PORTAL_ID = 12345678;
export const APP_ID = 39522895;

/** What an API write of the emulator's app is announced with. */
export const APP = { source: 'INTEGRATION', sourceId: String(APP_ID) };

/** A person in HubSpot's own pages. */
export const USER = { source: 'CRM_UI', sourceId: 'userId:42' };

export interface CrmAnswer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked at field by field
  readonly body: any;
}

export interface RunningCrm extends AsyncDisposable {
  readonly url: string;
  readonly crm: Crm;
  readonly behaviour: Behaviour;
  /** Everything announced since it was last emptied. */
  readonly changes: CrmChange[];
  /** Epoch milliseconds; stands still until the test moves it. */
  readonly clock: { now: number };
  call(method: string, path: string, body?: unknown): Promise<CrmAnswer>;
  /** Creates one record by API and answers its id. */
  create(type: string, properties: Record<string, unknown>): Promise<string>;
  /** One record with the named properties, as a single read answers it. */
  read(type: string, id: string, properties?: string[]): Promise<CrmAnswer>;
  /** History of one property, newest first. */
  history(
    type: string,
    id: string,
    property: string,
  ): Promise<{ value: string; timestamp: string; sourceType: string; sourceId: string }[]>;
}

/** Automation that makes records by itself is off unless a test asks for it. */
export async function runCrm(
  options: {
    behaviour?: Partial<Behaviour>;
    dataDir?: string;
    random?: () => number;
    now?: number;
  } = {},
): Promise<RunningCrm> {
  const journal = openJournal(options.dataDir);
  const { behaviour } = openBehaviour(journal, {
    companyFromEmailDomain: false,
    derivedBumpChance: 0,
    ...options.behaviour,
  });
  const clock = { now: options.now ?? Date.UTC(2026, 0, 15, 12) };
  const changes: CrmChange[] = [];
  const crm = createCrm({
    journal,
    behaviour,
    clock: () => clock.now,
    portalId: PORTAL_ID,
    appId: APP_ID,
    emit: (change) => changes.push(change),
    random: options.random ?? (() => 0.5),
  });
  const app = express();
  app.use(express.json({ limit: '32mb' }));
  app.use(crmRoutes(crm, { dailyUsage: () => ({ used: 7, limit: 1000, resetsAt: clock.now }) }));
  const server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const call: RunningCrm['call'] = async (method, path, body) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  };
  return {
    url,
    crm,
    behaviour,
    changes,
    clock,
    call,
    async create(type, properties) {
      const { status, body } = await call('POST', `/crm/v3/objects/${type}`, { properties });
      if (status !== 201) throw new Error(`create answered ${status}: ${JSON.stringify(body)}`);
      return body.id as string;
    },
    read: (type, id, properties = []) =>
      call('GET', `/crm/v3/objects/${type}/${id}?properties=${properties.join(',')}`),
    async history(type, id, property) {
      const { body } = await call(
        'GET',
        `/crm/v3/objects/${type}/${id}?propertiesWithHistory=${property}`,
      );
      return body.propertiesWithHistory[property];
    },
    async [Symbol.asyncDispose]() {
      crm.stop();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      journal.close();
    },
  };
}
