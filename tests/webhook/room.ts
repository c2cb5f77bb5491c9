/** The webhook room on a database of its own, with a table of each kind, called over real HTTP. */
import { createHash } from 'node:crypto';
import { signatureHeaders } from '../../emulator/webhooks/signature.ts';
import { parseMapping } from '../../shared/mapping/load.ts';
import { ensureMarkSecret } from '../../shared/postgres/mark.ts';
import { migrate } from '../../shared/postgres/migrate.ts';
import { createPool, inTransaction } from '../../shared/postgres/pool.ts';
import { lockRecords, saveRecords } from '../../shared/postgres/records.ts';
import { tablesOf } from '../../shared/postgres/schema.ts';
import { linkId } from '../../shared/protocol/ids.ts';
import type { RecordState } from '../../shared/protocol/state.ts';
import { createEvents, type EventMap, type EventName } from '../../shared/service/events.ts';
import { createSilentLogger } from '../../shared/service/logger.ts';
import { startWebhook, type WebhookHandle, type WebhookOptions } from '../../webhook/main.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';

export const tables = tablesOf('hubspot_sync');
export const portalId = 4711;
export const appId = 99;
export const secret = 'a-client-secret';
/** A proxy's address: the server itself listens elsewhere. */
export const publicUrl = 'https://sync.example.com/webhooks/hubspot?via=proxy';

const schema = `
  create table companies (id text primary key, name text, big bigint);
  create table deals (
    id text primary key, name text not null, amount numeric(8,2) check (amount >= 0), stage text,
    note text, code text unique, client_id text references companies (id), only_out text);
`;

function mappingText(deletes: string): string {
  return `
tables:
  - table: companies
    object: companies
    key: id
    idProperty: trs_id
    id: hs_{id}
    properties:
      name: name
      numberofemployees: { column: big, type: number }
    deletes: { outbound: archive, inbound: ${deletes} }
  - table: deals
    object: deals
    key: id
    idProperty: trs_id
    id: hs_{id}
    properties:
      dealname: { column: name, required: true }
      amount: { column: amount, type: number }
      dealstage:
        column: stage
        type: enumeration
        values: { Open: open, Qualified: qualifiedtobuy, Won: closedwon }
      hs_next_step: note
      code: code
      forecast: { column: only_out, direction: outbound }
    associations:
      - { column: client_id, to: companies }
    deletes: { outbound: archive, inbound: ${deletes} }
`;
}

export interface Room extends AsyncDisposable {
  readonly db: TestDatabase;
  readonly handle: WebhookHandle;
  readonly options: WebhookOptions;
  /** All events told so far, by name. */
  told<N extends EventName>(name: N): EventMap[N][];
  /** Makes a row and its record, linked as of long ago; `change` edits what is remembered. */
  link(
    object: 'deals' | 'companies',
    key: string,
    hubspotId: string,
    row?: Readonly<Record<string, unknown>>,
    change?: (state: RecordState) => RecordState,
  ): Promise<void>;
  record(object: string, key: string): Promise<RecordState>;
  post(body: string, headers?: Readonly<Record<string, string>>): Promise<Response>;
  /** Signs and posts a list of events; answers the status. */
  send(...events: readonly Readonly<Record<string, unknown>>[]): Promise<number>;
  /** Waits until nothing in the inbox is unsettled. */
  settled(): Promise<void>;
}

export interface RoomOptions {
  readonly deletes?: 'delete' | 'keep' | 'mark, markColumn: deleted_at';
  readonly secrets?: readonly string[];
  readonly portalId?: number | undefined;
  readonly sql?: string;
  /** Listens there, and is called and signed without a proxy in between. */
  readonly port?: number;
}

export async function openRoom(given: RoomOptions = {}): Promise<Room> {
  const db = await createTestDatabase(schema + (given.sql ?? ''));
  await migrate({ databaseUrl: db.url, schema: 'hubspot_sync' });
  const pool = createPool({ databaseUrl: db.url, applicationName: 'test' });
  await ensureMarkSecret(pool, tables);
  const events = createEvents((error) => {
    throw error;
  });
  const log: [EventName, unknown][] = [];
  for (const name of [
    'inbound:change',
    'inbound:settled',
    'webhook:received',
    'echo',
    'doubt',
    'deadletter',
  ] as const) {
    events.on(name, (event) => log.push([name, event]));
  }
  const options: WebhookOptions = {
    config: {
      databaseUrl: db.url,
      schema: 'hubspot_sync',
      hubspot: {
        clientSecrets: given.secrets ?? [secret],
        appId,
        portalId: 'portalId' in given ? given.portalId : portalId,
      } as WebhookOptions['config']['hubspot'],
      webhook: {
        host: '127.0.0.1',
        port: given.port ?? 0,
        publicUrl: given.port ? `http://127.0.0.1:${given.port}/webhooks/hubspot` : publicUrl,
      },
    },
    mapping: parseMapping(mappingText(given.deletes ?? 'delete'), 'test.yaml'),
    log: createSilentLogger(),
    events,
  };
  const handle = await startWebhook(options);
  const url = `${handle.url}/webhooks/hubspot?via=proxy`;
  const post = (body: string, headers: Readonly<Record<string, string>> = {}) =>
    fetch(url, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', ...headers },
    });
  return {
    db,
    handle,
    options,
    told: (name) => log.filter(([told]) => told === name).map(([, event]) => event as never),
    async link(object, key, hubspotId, row = {}, change = (state) => state) {
      const columns = { ...(object === 'deals' ? { name: `deal ${key}` } : {}), ...row, id: key };
      const names = Object.keys(columns);
      await db.query(
        `insert into ${object} (${names.join(', ')}) values (${names.map((_, i) => `$${i + 1}`).join(', ')})`,
        Object.values(columns),
      );
      await inTransaction(pool, async (client) => {
        const records = await lockRecords(client, tables, [{ object, key }], { create: true });
        for (const record of records.values()) {
          record.state = change(linkId(record.state, hubspotId, { low: 1, high: 1 }));
        }
        await saveRecords(client, tables, records.values());
      });
    },
    async record(object, key) {
      const [row] = await db.query(
        `select state from ${tables.record} where object_type = $1 and key = $2`,
        [object, key],
      );
      return row?.state;
    },
    post,
    async send(...list) {
      const body = JSON.stringify(list);
      const response = await post(body, signatureHeaders(secret, publicUrl, body, Date.now()));
      await response.arrayBuffer();
      return response.status;
    },
    async settled() {
      await eventually(
        async () => {
          const [row] = await db.query(
            `select count(*)::int as waiting from ${tables.inbox} where state = 'new'`,
          );
          return row?.waiting === 0;
        },
        { what: 'an inbox with nothing unsettled', timeoutMs: 20_000 },
      );
    },
    async [Symbol.asyncDispose]() {
      await handle.stop();
      await pool.end();
      await db.drop();
    },
  };
}

let counter = 0;

/** A property change by somebody in HubSpot's UI, as captured from real deliveries. */
export function propertyChange(
  objectId: number,
  propertyName: string,
  propertyValue: string | null,
  more: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  return { ...event('deal.propertyChange', objectId), propertyName, propertyValue, ...more };
}

export function event(
  subscriptionType: string,
  objectId: number,
  more: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  counter += 1;
  return {
    eventId: Number.parseInt(createHash('md5').update(`${counter}`).digest('hex').slice(0, 8), 16),
    subscriptionId: 1,
    portalId,
    appId,
    occurredAt: 1_800_000_000_000 + counter * 5000,
    subscriptionType,
    attemptNumber: 0,
    objectId,
    changeSource: 'CRM_UI',
    sourceId: 'userId:1',
    ...more,
  };
}

export const byUs = { changeSource: 'INTEGRATION', sourceId: String(appId) };
