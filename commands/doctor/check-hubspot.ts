/**
 * The preconditions on the side of HubSpot: the token and what it may see, the account, and each mapped
 * property against HubSpot's own definition.
 */
import { ensureKeyProperties, fetchHubspotFacts } from '../../shared/hubspot/facts.ts';
import type { HubSpot } from '../../shared/hubspot/hubspot.ts';
import { checkMappingAgainstHubspot } from '../../shared/mapping/check-hubspot.ts';
import type { Mapping, TableMapping } from '../../shared/mapping/mapping.ts';
import { SyncError } from '../../shared/service/errors.ts';
import { error, type Finding, ok } from './check.ts';

export interface AccountOptions {
  readonly hubspot: HubSpot;
  readonly mapping: Mapping;
  /** HUBSPOT_PORTAL_ID, where it was set. */
  readonly portalId: number | undefined;
}

/** The token, the account it belongs to, and whether every mapped object can be read. */
export async function checkAccount({
  hubspot,
  mapping,
  portalId,
}: AccountOptions): Promise<Finding[]> {
  let account: Awaited<ReturnType<HubSpot['accountDetails']>>;
  try {
    account = await hubspot.accountDetails();
  } catch (thrown) {
    return [refused('hubspot.token', 'HubSpot’s account can’t be read', thrown)];
  }
  const findings = [
    portalId === undefined || portalId === account.portalId
      ? ok('hubspot.token', `the token is of account ${account.portalId}`)
      : error(
          'hubspot.token',
          `The token is of account ${account.portalId}, HUBSPOT_PORTAL_ID says ${portalId}.`,
          'Correct the one that is wrong; events of another account are dropped.',
        ),
  ];
  for (const table of mapping.tables) {
    const id = `hubspot.${table.object}.read`;
    findings.push(
      await hubspot.list(table.object, { limit: 1 }).then(
        () => ok(id, `${table.object} can be read`),
        (thrown) => refused(id, `${table.object} can’t be read`, thrown, scopesOf(table)),
      ),
    );
  }
  return findings;
}

export interface MappingOptions {
  readonly hubspot: HubSpot;
  readonly mapping: Mapping;
  /** Creates the key properties that are missing. */
  readonly fix: boolean;
}

/** Every mapped property against HubSpot's own definition of it. */
export async function checkMapping({ hubspot, mapping, fix }: MappingOptions): Promise<Finding[]> {
  const created = fix ? await createKeys(hubspot, mapping) : [];
  const objects = mapping.tables.map(({ object }) => object);
  const facts = await fetchHubspotFacts(hubspot, objects);
  const wrong = checkMappingAgainstHubspot(mapping, facts);
  const well = mapping.tables.filter(({ object }) => wrong.every((one) => one.object !== object));
  return [
    ...created,
    ...well.map((table) =>
      ok(
        `hubspot.${table.object}.mapping`,
        `${table.idProperty} and ${table.properties.length} mapped properties of ${table.object} fit`,
      ),
    ),
    ...wrong.map(({ severity, object, property, message, remedy }) => ({
      id: `hubspot.${object}.${property ?? 'mapping'}`,
      level: severity,
      message,
      advice: remedy,
    })),
  ];
}

/** Those that were created now, or can't be; the check that follows says how the others stand. */
async function createKeys(hubspot: HubSpot, mapping: Mapping): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const table of mapping.tables) {
    const { object, idProperty } = table;
    const id = `hubspot.${object}.${idProperty}.fix`;
    try {
      const [key] = await ensureKeyProperties(hubspot, [{ object, idProperty }]);
      if (key?.outcome !== 'created') continue;
      findings.push({ ...ok(id, `${object} got the unique property ${idProperty}`), fixed: true });
    } catch (thrown) {
      const scope = `crm.schemas.${object}.write`;
      findings.push(refused(id, `${idProperty} of ${object} can’t be created`, thrown, [scope]));
    }
  }
  return findings;
}

function scopesOf({ object }: TableMapping): string[] {
  const name = /^\d/.test(object) ? 'custom' : object;
  return ['read', 'write']
    .map((what) => `crm.objects.${name}.${what}`)
    .concat(`crm.schemas.${name}.read`);
}

function refused(
  id: string,
  what: string,
  thrown: unknown,
  scopes: readonly string[] = [],
): Finding {
  if (!(thrown instanceof SyncError)) throw thrown;
  const needed = scopes.length > 0 ? ` Needed: ${scopes.join(', ')}.` : '';
  return error(id, `${what} (${thrown.code}).`, `${thrown.advice}${needed}`);
}
