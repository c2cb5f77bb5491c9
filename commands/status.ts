/** `status`: what the sync's tables and the slot say now; the rooms needn't run. */
import Table from 'cli-table3';
import { createPool } from '../shared/postgres/pool.ts';
import { type Overview, readOverview } from '../status/overview.ts';
import { reachDatabase } from './reach.ts';
import type { CommandBody } from './run.ts';

const runStatus: CommandBody = async ({ config, log }) => {
  const { databaseUrl, schema, cdc } = config;
  await reachDatabase(databaseUrl);
  const pool = createPool({ databaseUrl, applicationName: 'pg-hubspot-sync status', max: 5, log });
  try {
    const overview = await readOverview({ pool, schema, slot: cdc.slot });
    return { result: overview, text: describe(overview) };
  } finally {
    await pool.end();
  }
};

function describe(overview: Overview): string {
  const { slot, lease, objects, inbox, errors24h, lastSuccessfulSync } = overview;
  const lines = [
    slot.exists
      ? `slot ${slot.name}: ${slot.active ? 'streaming' : 'nobody streams'}, ${bytes(slot.lagBytes)} behind, ${bytes(slot.retainedBytes)} of WAL kept (${slot.walStatus})`
      : `slot ${slot.name}: missing; run \`pg-hubspot-sync init\``,
    lease ? `cdc: ${lease.holder} (term ${lease.term})` : 'cdc: not running',
    `inbox: ${inbox.waiting} waiting, ${inbox.dead} refused`,
    `last success: ${lastSuccessfulSync ?? 'none yet'}; errors in 24 h: ${errors24h}`,
  ];
  const table = new Table({
    head: ['object', 'linked', 'to HubSpot', 'doubts', 'dead letters'],
    style: { head: [], border: [] },
  });
  for (const { id, linked, outbound, doubts, deadLetters } of objects) {
    table.push([id, linked, outbound, doubts, deadLetters]);
  }
  return objects.length > 0 ? `${lines.join('\n')}\n${table}` : lines.join('\n');
}

function bytes(count: number | null): string {
  if (count === null) return 'an unknown number of bytes';
  if (count < 10_000) return `${count} bytes`;
  return count < 10_000_000 ? `${Math.round(count / 1e3)} kB` : `${Math.round(count / 1e6)} MB`;
}

export default runStatus;
