/** `doctor`: looks at every precondition on both sides and says how to mend what is wrong. */
import pc from 'picocolors';
import { createHubSpot } from '../shared/hubspot/client.ts';
import type { HubSpot } from '../shared/hubspot/hubspot.ts';
import type { Mapping } from '../shared/mapping/mapping.ts';
import { createPool } from '../shared/postgres/pool.ts';
import type { Config } from '../shared/service/config.ts';
import { SyncError } from '../shared/service/errors.ts';
import { createEvents } from '../shared/service/events.ts';
import type { Logger } from '../shared/service/logger.ts';
import type { Finding } from './doctor/check.ts';
import { checkAccount, checkMapping } from './doctor/check-hubspot.ts';
import { checkPostgres } from './doctor/check-postgres.ts';
import { chooseMapping } from './mapping.ts';
import { reachDatabase } from './reach.ts';
import type { CommandBody } from './run.ts';

const runDoctor: CommandBody = async ({ config, log, own }) => {
  const { mapping, says: mappingSays } = await chooseMapping(config);
  await reachDatabase(config.databaseUrl);
  const hubspot = createHubSpot({ settings: config.hubspot, events: createEvents() });
  const { databaseUrl } = config;
  const pool = createPool({ databaseUrl, applicationName: 'pg-hubspot-sync doctor', max: 3, log });
  try {
    const findings = [
      ...(await checkPostgres(pool, mapping, config)),
      ...(await checkHubSpot({ hubspot, mapping, config, fix: own.fix === true })),
    ];
    const failure = failureOf(findings);
    return {
      result: findings,
      text: `mapping: ${mappingSays}\n${describe(findings)}`,
      ...(failure ? { failure } : {}),
    };
  } finally {
    hubspot.close();
    await pool.end();
  }
};

interface CheckHubSpot {
  readonly hubspot: HubSpot;
  readonly mapping: Mapping;
  readonly config: Config;
  readonly fix: boolean;
}

async function checkHubSpot({ hubspot, mapping, config, fix }: CheckHubSpot): Promise<Finding[]> {
  const findings = await checkAccount({ hubspot, mapping, portalId: config.hubspot.portalId });
  // Without the account every further check would fail for the same reason.
  if (findings.some(({ level }) => level === 'error')) return findings;
  return [...findings, ...(await checkMapping({ hubspot, mapping, fix }))];
}

/**
 * What `start` does before cdc runs: creates the key properties, without which new rows wait, and says
 * what doesn't fit.
 */
export async function mend(options: {
  readonly config: Config;
  readonly mapping: Mapping;
  readonly log: Logger;
}): Promise<void> {
  const { config, mapping, log } = options;
  const hubspot = createHubSpot({ settings: config.hubspot, events: createEvents() });
  try {
    const findings = await checkMapping({ hubspot, mapping, fix: true });
    for (const { id, level, message, advice, fixed } of findings) {
      if (level === 'error') log.error({ check: id, advice }, message);
      else if (level === 'warning') log.warn({ check: id, advice }, message);
      else if (fixed) log.info({ check: id }, message);
    }
  } finally {
    hubspot.close();
  }
}

function failureOf(findings: readonly Finding[]): SyncError | undefined {
  const wrong = findings.filter(({ level }) => level === 'error').length;
  if (wrong === 0) return undefined;
  return new SyncError('PRECONDITIONS', `${wrong} of ${findings.length} checks failed.`, {
    disposition: 'stop',
    advice: 'Follow the advice of each.',
  });
}

function describe(findings: readonly Finding[]): string {
  const signs = { ok: pc.green('✓'), warning: pc.yellow('!'), error: pc.red('✗') };
  const lines = findings.map(({ level, message, advice, fixed }) =>
    [
      `${signs[level]} ${message}${fixed ? ' (mended)' : ''}`,
      ...(advice ? [`    ${advice}`] : []),
    ].join('\n'),
  );
  const well = failureOf(findings) ? [] : ['All is well.'];
  return [...lines, ...well].join('\n');
}

export default runDoctor;
