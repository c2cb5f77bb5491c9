/**
 * What a mapping is checked against: HubSpot's own definitions, fetched once; and the one thing that
 * is created where it is missing, the unique property that new records are made by.
 */
import { HubSpotError } from './errors.ts';
import type { CallOptions, HubSpot, Owner, Pipeline, PropertyDefinition } from './hubspot.ts';

export interface ObjectFacts {
  readonly properties: readonly PropertyDefinition[];
  /** Empty for objects without pipelines. */
  readonly pipelines: readonly Pipeline[];
}

export interface HubSpotFacts {
  /** By path name (`deals`); without an entry: the account has no such object. */
  readonly objects: Readonly<Record<string, ObjectFacts | undefined>>;
  readonly owners: readonly Owner[];
}

/** @throws HubSpotError as the calls do; an object that doesn't exist is no error. */
export async function fetchHubspotFacts(
  hubspot: HubSpot,
  objects: readonly string[],
  options: CallOptions = {},
): Promise<HubSpotFacts> {
  const names = [...new Set(objects)];
  const [owners, ...facts] = await Promise.all([
    hubspot.listOwners(options),
    ...names.map(async (name): Promise<ObjectFacts | undefined> => {
      const properties = await unlessAbsent(hubspot.listProperties(name, options));
      if (properties === undefined) return undefined;
      const pipelines = await unlessAbsent(hubspot.listPipelines(name, options));
      return { properties, pipelines: pipelines ?? [] };
    }),
  ]);
  return { owners, objects: Object.fromEntries(names.map((name, at) => [name, facts[at]])) };
}

/** HubSpot answers 404 for an object it doesn't know, and 400 for pipelines of one that has none. */
async function unlessAbsent<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    const absent = error instanceof HubSpotError && (error.status === 404 || error.status === 400);
    if (absent) return undefined;
    throw error;
  }
}

export interface KeyProperty {
  readonly object: string;
  readonly idProperty: string;
}

export interface EnsuredKey extends KeyProperty {
  /**
   * `there` and unique; `created` now; `not-unique`: it exists without unique values, which HubSpot
   * sets at creation only; `object-missing`: the account has no such object.
   */
  readonly outcome: 'there' | 'created' | 'not-unique' | 'object-missing';
}

/**
 * Creates the unique properties that are missing, and says how each one stands. May run twice at once:
 * the second creation is refused and the property looked at again.
 * @throws HubSpotError, HUBSPOT_SCOPE_MISSING above all: schemas have a scope of their own.
 */
export async function ensureKeyProperties(
  hubspot: HubSpot,
  keys: readonly KeyProperty[],
  options: CallOptions = {},
): Promise<readonly EnsuredKey[]> {
  const ensured: EnsuredKey[] = [];
  for (const key of keys) {
    ensured.push({ ...key, outcome: await ensureKey(hubspot, key, options) });
  }
  return ensured;
}

async function ensureKey(
  hubspot: HubSpot,
  { object, idProperty }: KeyProperty,
  options: CallOptions,
): Promise<EnsuredKey['outcome']> {
  const look = async () => unlessAbsent(hubspot.listProperties(object, options));
  const properties = await look();
  if (properties === undefined) return 'object-missing';
  const standing = standingOf(properties, idProperty);
  if (standing !== undefined) return standing;
  try {
    await hubspot.createProperty(
      object,
      {
        name: idProperty,
        label: `Postgres key (${idProperty})`,
        description:
          'Key of the row that this record is kept equal with. Written by pg-hubspot-sync.',
        type: 'string',
        fieldType: 'text',
        groupName: mainGroup(properties),
        hasUniqueValue: true,
      },
      options,
    );
    return 'created';
  } catch (error) {
    if (!(error instanceof HubSpotError) || error.code !== 'HUBSPOT_CONFLICT') throw error;
    const now = standingOf((await look()) ?? [], idProperty);
    if (now === undefined) throw error;
    return now;
  }
}

function standingOf(
  properties: readonly PropertyDefinition[],
  name: string,
): 'there' | 'not-unique' | undefined {
  const property = properties.find((each) => each.name === name);
  if (property === undefined) return undefined;
  return property.hasUniqueValue ? 'there' : 'not-unique';
}

/** A property needs a group that exists; custom objects name theirs freely, so the fullest one it is. */
function mainGroup(properties: readonly PropertyDefinition[]): string {
  const sizes = new Map<string, number>();
  for (const { groupName } of properties) {
    if (groupName) sizes.set(groupName, (sizes.get(groupName) ?? 0) + 1);
  }
  const [fullest] = [...sizes].sort((a, b) => b[1] - a[1]);
  return fullest?.[0] ?? '';
}
