/**
 * The preconditions on the side of HubSpot: the token and what it may see, the account, and the unique
 * property that new records are made by. Whether each mapped property fits is the mapping's own check
 * (shared/mapping/).
 */
import type { HubSpot, NewProperty, PropertyDefinition } from '../../shared/hubspot/hubspot.ts';
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

/**
 * The property that upserts go by: there, unique, and text. With `fix` a missing one is created; one that
 * exists and isn't unique can't be mended, since HubSpot decides that at creation.
 */
export async function checkKeyProperty(
  hubspot: HubSpot,
  table: TableMapping,
  definitions: readonly PropertyDefinition[],
  fix: boolean,
): Promise<Finding> {
  const { object, idProperty } = table;
  const id = `hubspot.${object}.${idProperty}`;
  const found = definitions.find(({ name }) => name === idProperty);
  // HubSpot's own unique properties (a contact's email) don't say that they are.
  if (found?.hasUniqueValue || (object === 'contacts' && idProperty === 'email')) {
    return ok(id, `${object} has the unique property ${idProperty}`);
  }
  if (found) {
    return error(
      id,
      `${idProperty} of ${object} exists and isn’t unique; new rows can’t be sent.`,
      'Uniqueness is decided when a property is made: name another idProperty in sync.yaml, then run `pg-hubspot-sync doctor --fix`.',
    );
  }
  if (!fix) {
    return error(
      id,
      `${object} has no property ${idProperty}; new rows wait until it exists.`,
      'Run `pg-hubspot-sync doctor --fix`.',
    );
  }
  try {
    await hubspot.createProperty(object, keyProperty(table, definitions));
    return { ...ok(id, `${object} got the unique property ${idProperty}`), fixed: true };
  } catch (thrown) {
    return refused(id, `${idProperty} of ${object} can’t be created`, thrown, [
      `crm.schemas.${object}.write`,
    ]);
  }
}

/** In the group that the object's own properties are in, whose name differs by object. */
function keyProperty(table: TableMapping, definitions: readonly PropertyDefinition[]): NewProperty {
  const mapped = table.properties.map(({ property }) => property);
  const groupName =
    definitions.find(({ name, groupName }) => mapped.includes(name) && groupName !== '')
      ?.groupName ?? `${table.object.replace(/ies$/, 'y').replace(/s$/, '')}information`;
  return {
    name: table.idProperty,
    label: `Id in Postgres (${table.name})`,
    description: 'Written by pg-hubspot-sync when it makes the record. Please leave it.',
    type: 'string',
    fieldType: 'text',
    groupName,
    hasUniqueValue: true,
  };
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
