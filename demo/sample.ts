/**
 * Sample data of the demo: clients, contacts and opportunities that exist on both sides. They are made
 * in the emulator through HubSpot's own API first, and become rows with the ids that it gave. This runs
 * before the replication slot exists, so none of it travels as a change; `init` links the rows by id.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { packageRoot } from '../shared/service/package-root.ts';

const counts = { clients: 60, contacts: 120, opportunities: 260 };

/** Fixed, so that every demo shows the same rows. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}

const names = {
  company: [
    'Alder',
    'Birch',
    'Cedar',
    'Dogwood',
    'Elm',
    'Fir',
    'Hazel',
    'Juniper',
    'Larch',
    'Maple',
  ],
  suffix: ['Logistics', 'Works', 'Labs', 'Foods', 'Energy', 'Media'],
  first: ['Ada', 'Ben', 'Chloe', 'David', 'Elif', 'Femi', 'Grace', 'Hiro', 'Ines', 'Jonas'],
  last: ['Abara', 'Berg', 'Costa', 'Dubois', 'Evans', 'Fischer', 'Garcia', 'Haas', 'Ito', 'Jansen'],
  role: ['Chief Executive', 'Head of Sales', 'Buyer', 'Engineer', 'Controller'],
  region: ['Germany', 'France', 'Portugal', 'Kenya', 'Japan', 'Canada'],
  step: ['Send the offer', 'Call back', 'Agree on a date', 'Wait for legal', 'Show the product'],
} as const;

/** As the application names them, and as HubSpot does; sync.yaml holds the same pairs. */
const stages = [
  ['Prospecting', 'appointmentscheduled'],
  ['Qualification', 'qualifiedtobuy'],
  ['Proposal', 'presentationscheduled'],
  ['Decision', 'decisionmakerboughtin'],
  ['Negotiation', 'contractsent'],
] as const;
const phases = [
  ['Lead', 'lead'],
  ['Opportunity', 'opportunity'],
  ['Customer', 'customer'],
] as const;
const industries = [
  ['Computer Software', 'COMPUTER_SOFTWARE'],
  ['Banking', 'BANKING'],
  ['Retail', 'RETAIL'],
] as const;

interface Api {
  readonly baseUrl: string;
  readonly accessToken: string;
}

type Properties = Record<string, string>;

interface Association {
  readonly to: { readonly id: string };
  readonly types: readonly {
    readonly associationCategory: 'HUBSPOT_DEFINED';
    readonly associationTypeId: number;
  }[];
}

interface Input {
  readonly properties: Properties;
  readonly associations?: readonly Association[];
}

const primaryCompanyOf = { contacts: 1, deals: 5 } as const;

/**
 * Makes the application's tables in an empty database, with the sample rows where `api` names the
 * emulator they are made in. All of it in one transaction: where the tables exist, the rows do.
 * @returns how many rows each table got
 */
export async function createDemo(databaseUrl: string, api?: Api): Promise<Record<string, number>> {
  const rows = api ? await createRecords(api) : { clients: [], contacts: [], opportunities: [] };
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query('begin');
    await client.query(await readFile(join(packageRoot, 'demo', 'trs.sql'), 'utf8'));
    for (const [table, list] of Object.entries(rows)) {
      await client.query(
        `insert into ${table} select * from json_populate_recordset(null::${table}, $1)`,
        [JSON.stringify(list.map((row) => ({ created_at: new Date().toISOString(), ...row })))],
      );
    }
    await client.query('commit');
  } finally {
    await client.end();
  }
  return Object.fromEntries(Object.entries(rows).map(([table, list]) => [table, list.length]));
}

/** True when the application's tables are there, sample rows and all. */
export async function hasDemo(databaseUrl: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query(`select to_regclass('public.opportunities') as found`);
    return rows[0]?.found !== null;
  } finally {
    await client.end();
  }
}

type Row = Record<string, string | null>;

async function createRecords(
  api: Api,
): Promise<Record<'clients' | 'contacts' | 'opportunities', Row[]>> {
  const random = createRandom(20_261_124);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const owners = await readOwners(api);

  const clients = Array.from({ length: counts.clients }, (_, i) => ({
    name: `${names.company[i % 10]} ${names.suffix[Math.floor(i / 10)]}`,
    arr: String(10_000 + Math.floor(random() * 900) * 100),
    phase: pick(phases),
    industry: pick(industries),
    region: pick(names.region),
    owner: pick(owners),
  }));
  const clientIds = await createBatches(
    api,
    'companies',
    clients.map(({ name, arr, phase, industry, region, owner }) => ({
      properties: {
        name,
        annualrevenue: arr,
        lifecyclestage: phase[1],
        industry: industry[1],
        country: region,
        hubspot_owner_id: owner,
      },
    })),
    'name',
  );

  const contacts = Array.from({ length: counts.contacts }, (_, i) => {
    const first = names.first[i % 10] as string;
    const last = names.last[Math.floor(i / 10) % 10] as string;
    return {
      client: i % counts.clients,
      first,
      last,
      email: `${first}.${last}.${i}@example.com`.toLowerCase(),
      role: pick(names.role),
      phone: `+49 30 ${5_550_000 + i}`,
    };
  });
  const contactIds = await createBatches(
    api,
    'contacts',
    contacts.map(({ client, first, last, email, role, phone }) => ({
      properties: { firstname: first, lastname: last, email, jobtitle: role, phone },
      associations: [primary('contacts', clientIds[client] as string)],
    })),
    'email',
  );

  const opportunities = Array.from({ length: counts.opportunities }, (_, i) => {
    const client = i % counts.clients;
    const day = new Date(Date.UTC(2026, 11, 1 + Math.floor(random() * 120)));
    return {
      client,
      name: `${clients[client]?.name}, order ${i + 1}`,
      amount: String(1000 + Math.floor(random() * 990) * 100),
      stage: pick(stages),
      closeDate: day.toISOString().slice(0, 10),
      owner: pick(owners),
      step: pick(names.step),
    };
  });
  const deals = await createBatches(
    api,
    'deals',
    opportunities.map(({ client, name, amount, stage, closeDate, owner, step }) => ({
      properties: {
        dealname: name,
        amount,
        pipeline: 'default',
        dealstage: stage[1],
        closedate: `${closeDate}T00:00:00.000Z`,
        hubspot_owner_id: owner,
        hs_next_step: step,
      },
      associations: [primary('deals', clientIds[client] as string)],
    })),
    'dealname',
  );
  const probabilities = await readProbabilities(api, deals);

  return {
    clients: clients.map(({ name, arr, phase, industry, region, owner }, i) => ({
      id: `hs_${clientIds[i]}`,
      name,
      arr,
      phase: phase[0],
      industry: industry[0],
      region,
      owner_id: owner,
    })),
    contacts: contacts.map(({ client, first, last, email, role, phone }, i) => ({
      id: `hs_${contactIds[i]}`,
      client_id: `hs_${clientIds[client]}`,
      first_name: first,
      last_name: last,
      email,
      role,
      phone,
    })),
    opportunities: opportunities.map(
      ({ client, name, amount, stage, closeDate, owner, step }, i) => ({
        id: `hs_${deals[i]}`,
        client_id: `hs_${clientIds[client]}`,
        name,
        amount,
        stage: stage[0],
        close_date: closeDate,
        probability: probabilities.get(deals[i] as string) ?? null,
        owner_id: owner,
        next_step: step,
      }),
    ),
  };
}

function primary(from: keyof typeof primaryCompanyOf, companyId: string): Association {
  const associationTypeId = primaryCompanyOf[from];
  return {
    to: { id: companyId },
    types: [{ associationCategory: 'HUBSPOT_DEFINED', associationTypeId }],
  };
}

async function call<T>(api: Api, method: string, path: string, body?: unknown): Promise<T> {
  const response = await fetch(`${api.baseUrl}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${api.accessToken}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) {
    throw new Error(`sample data: ${method} ${path} was answered ${response.status}: ${text}`);
  }
  return JSON.parse(text) as T;
}

interface ApiRecord {
  readonly id: string;
  readonly properties: Record<string, string | null>;
}

/** @returns the ids in the order of the inputs; answers come in any order, so `by` names a unique property */
async function createBatches(
  api: Api,
  type: string,
  inputs: readonly Input[],
  by: string,
): Promise<string[]> {
  const ids = new Map<string, string>();
  for (let from = 0; from < inputs.length; from += 100) {
    const { results } = await call<{ results: ApiRecord[] }>(
      api,
      'POST',
      `/crm/v3/objects/${type}/batch/create`,
      { inputs: inputs.slice(from, from + 100) },
    );
    for (const { id, properties } of results) ids.set(properties[by] as string, id);
  }
  return inputs.map(({ properties }) => {
    const id = ids.get(properties[by] as string);
    if (id === undefined) throw new Error(`sample data: a ${type} record got no id`);
    return id;
  });
}

async function readOwners(api: Api): Promise<string[]> {
  const { results } = await call<{ results: { id: string }[] }>(api, 'GET', '/crm/v3/owners');
  return results.map(({ id }) => id);
}

/** HubSpot sets the probability from the stage; the rows hold what it says. */
async function readProbabilities(
  api: Api,
  ids: readonly string[],
): Promise<Map<string, string | null>> {
  const found = new Map<string, string | null>();
  for (let from = 0; from < ids.length; from += 100) {
    const { results } = await call<{ results: ApiRecord[] }>(
      api,
      'POST',
      '/crm/v3/objects/deals/batch/read',
      {
        properties: ['hs_deal_stage_probability'],
        inputs: ids.slice(from, from + 100).map((id) => ({ id })),
      },
    );
    for (const { id, properties } of results) {
      found.set(id, properties.hs_deal_stage_probability ?? null);
    }
  }
  return found;
}
