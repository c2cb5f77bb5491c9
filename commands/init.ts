/** `init`: the sync's tables, the signing key, the publication, the slot; links rows by their ids. */
import { createHubSpot } from '../shared/hubspot/client.ts';
import type { Mapping } from '../shared/mapping/mapping.ts';
import { createPool, type Pool } from '../shared/postgres/pool.ts';
import type { Made } from '../shared/postgres/publish.ts';
import { tablesOf } from '../shared/postgres/schema.ts';
import { setUp } from '../shared/postgres/setup.ts';
import type { Config } from '../shared/service/config.ts';
import { SyncError, toSyncError } from '../shared/service/errors.ts';
import { createEvents } from '../shared/service/events.ts';
import type { Logger } from '../shared/service/logger.ts';
import { checkMaking } from './doctor/check-making.ts';
import { checkServerAndTables } from './doctor/check-postgres.ts';
import { type Linked, linkByTemplate } from './init/link.ts';
import { chooseMapping } from './mapping.ts';
import { reachDatabase, reachHubSpot } from './reach.ts';
import type { CommandBody } from './run.ts';

const runInit: CommandBody = async ({ config, log }) => {
  const { mapping, file } = await chooseMapping(config);
  await reachDatabase(config.databaseUrl);
  const result = await initialise({ config, mapping, log, mappingFile: file });
  return { result, text: describe(config, result) };
};

export interface Initialised {
  readonly migrations: readonly string[];
  readonly publication: Made;
  readonly slot: Made;
  /** What had interrupted the stream, so that changes were missed; null where nothing had. */
  readonly gap: string | null;
  /** Null when HubSpot can't be asked now: nothing was linked. */
  readonly linked: Linked | null;
  /** What was left undone, a sentence each, with what to do. */
  readonly warnings: readonly string[];
}

/** Safe to repeat: what is there is kept, and what is missing is made. */
export async function initialise(options: {
  readonly config: Config;
  readonly mapping: Mapping;
  readonly log: Logger;
  /** False where HubSpot is known not to answer: no rows are linked. */
  readonly linkRows?: boolean;
  /** Named beside what doesn't fit the tables. */
  readonly mappingFile?: string;
}): Promise<Initialised> {
  const { config, mapping, log, linkRows = true, mappingFile } = options;
  const { databaseUrl, schema, cdc } = config;
  const pool = createPool({ databaseUrl, applicationName: 'pg-hubspot-sync init', max: 3, log });
  try {
    await refuseWrongTables(pool, mapping, config, mappingFile);
    const { migrations, secret, publication, slot, gap } = await setUp({
      databaseUrl,
      schema,
      slot: cdc.slot,
      publication: cdc.publication,
      mapping,
      pool,
      log,
    });
    const warnings: string[] = [];
    const linked = linkRows ? await link({ config, mapping, pool, secret, warnings }) : null;
    for (const warning of warnings) log.warn(warning);
    log.info({ migrations, publication, slot, linked }, 'initialised');
    return { migrations, publication, slot, gap: gap?.message ?? null, linked, warnings };
  } finally {
    await pool.end();
  }
}

/** True once `init` has run to its end: there is a checkpoint of the slot. */
export async function isInitialised({ databaseUrl, schema, cdc }: Config): Promise<boolean> {
  const pool = createPool({ databaseUrl, applicationName: 'pg-hubspot-sync init', max: 1 });
  const { checkpoint } = tablesOf(schema);
  try {
    const { rows: found } = await pool.query('select to_regclass($1) as found', [checkpoint]);
    if (found[0]?.found === null) return false;
    const { rows } = await pool.query(`select from ${checkpoint} where slot = $1`, [cdc.slot]);
    return rows.length > 0;
  } finally {
    await pool.end();
  }
}

/** Before anything is published: without identity the application's own updates would fail. */
async function refuseWrongTables(
  pool: Pool,
  mapping: Mapping,
  config: Config,
  mappingFile: string | undefined,
): Promise<void> {
  const wrong = [
    ...(await checkServerAndTables(pool, mapping)),
    ...(await checkMaking(pool, mapping, config)),
  ].filter(({ level }) => level === 'error');
  if (wrong.length === 0) return;
  const file = mappingFile === undefined ? [] : [`The mapping is ${mappingFile}.`];
  throw new SyncError('PRECONDITIONS', wrong.map(({ message }) => message).join('\n'), {
    disposition: 'stop',
    advice: [...new Set(wrong.map(({ advice }) => advice)), ...file].join(' '),
    facts: { checks: wrong.map(({ id }) => id).join(', ') },
  });
}

async function link(options: {
  readonly config: Config;
  readonly mapping: Mapping;
  readonly pool: Pool;
  readonly secret: Buffer;
  /** Gets the sentence about a HubSpot that can't be asked. */
  readonly warnings: string[];
}): Promise<Linked | null> {
  const { config, mapping, pool, secret, warnings } = options;
  try {
    await reachHubSpot(config.hubspot);
  } catch (error) {
    // The database's part is done; HubSpot may not be set up yet.
    const { message, advice } = toSyncError(error);
    warnings.push(`No rows were linked: ${message} ${advice} Then run init again.`);
    return null;
  }
  const hubspot = createHubSpot({ settings: config.hubspot, events: createEvents() });
  try {
    return await linkByTemplate({
      pool,
      tables: tablesOf(config.schema),
      mapping,
      hubspot,
      secret,
    });
  } finally {
    hubspot.close();
  }
}

function describe({ schema, cdc }: Config, result: Initialised): string {
  const { migrations, publication, slot, linked } = result;
  const count = (by: Record<string, number>) => Object.values(by).reduce((a, b) => a + b, 0);
  const lines = [
    migrations.length > 0
      ? `schema ${schema}: ${migrations.length} migration${migrations.length > 1 ? 's' : ''} applied`
      : `schema ${schema}: up to date`,
    `publication ${cdc.publication}: ${publication}`,
    `slot ${cdc.slot}: ${slot}`,
  ];
  if (result.gap !== null) {
    lines.push(`changes were missed (${result.gap}): run pg-hubspot-sync reconcile --full`);
  }
  if (linked === null) lines.push(`links: none. ${result.warnings.join(' ')}`.trim());
  else {
    lines.push(`links: ${count(linked.found)} rows by the HubSpot id in their key`);
    const unknown = count(linked.unknown);
    if (unknown > 0) {
      lines.push(
        `       ${unknown} rows name an id that HubSpot doesn’t know; they are left alone`,
      );
    }
  }
  lines.push('Other rows are not copied: each is linked or created in HubSpot when it changes.');
  return lines.join('\n');
}

export default runInit;
