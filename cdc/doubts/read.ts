/**
 * Reads from HubSpot what the records in doubt need: their ids with the history of every mapped
 * property, archived ones, records without a link by the unique key, and association sets. What
 * can't be told for certain is no reading: nothing is judged by it.
 */
import {
  type AssociationRow,
  batchSizes,
  type DateBracket,
  type HubSpot,
  type ReadAnswer,
  type ReadRequest,
  type RecordAnswer,
} from '../../shared/hubspot/hubspot.ts';
import type { Mapping, TableMapping } from '../../shared/mapping/mapping.ts';
import { planRead, type ReadPlan } from '../../shared/protocol/existence-judge.ts';
import { beginRead } from '../../shared/protocol/judge.ts';
import type { RecordState } from '../../shared/protocol/state.ts';
import { readAssociated, readPointers } from './read-associations.ts';

/** A record whose doubt is to be read, as it was when the reading began. */
export interface Doubtful {
  readonly key: string;
  readonly state: RecordState;
}

export interface Reading {
  readonly key: string;
  readonly revision: number;
  /** On our own clock, ms. */
  readonly startedAt: number;
  /** The whole reading lies between these, on HubSpot's clock. */
  readonly time: DateBracket;
  /** Live and archived records that were found of the plan. */
  readonly found: readonly RecordAnswer[];
  /** By the id of each that was found live, and by association name: what it is associated with. */
  readonly associations: ReadonlyMap<string, Readonly<Record<string, AssociationRow>>>;
  /** By id of those that weren't linked: records of other types that HubSpot associates with it. */
  readonly pointers: ReadonlyMap<string, readonly Pointer[]>;
}

export interface Pointer {
  readonly object: string;
  readonly hubspotIds: readonly string[];
}

/** HubSpot's own properties that tell who made a record, and which others it was merged from. */
export const sourceProperties = ['hs_object_source', 'hs_object_source_id'] as const;
const MERGED = 'hs_merged_object_ids';

/** What is asked for of each record: every mapped property, the key, the source, merges. */
export function readProperties(table: TableMapping): string[] {
  const mapped = table.properties.map(({ property }) => property);
  return [...new Set([...mapped, table.idProperty, ...sourceProperties, MERGED])];
}

interface Begun {
  readonly key: string;
  readonly revision: number;
  readonly plan: ReadPlan;
  /** The key property's value, where the plan reads by it and HubSpot can take it. */
  readonly keyValue: string | undefined;
}

/**
 * Reads a table's records in doubt, at most as many as one reading with history takes. Left out are
 * those with a call under way, and those of which HubSpot's answer says nothing. Throws what the
 * client throws: reads may be repeated.
 */
export async function readDoubtful(
  hubspot: HubSpot,
  mapping: Mapping,
  table: TableMapping,
  doubtful: readonly Doubtful[],
): Promise<Reading[]> {
  const startedAt = Date.now();
  const begun = doubtful.flatMap(({ key, state }): Begun[] => {
    const revision = beginRead(state);
    if (revision === undefined) return [];
    const plan = planRead(state);
    return [{ key, revision, plan, keyValue: plan.byKey ? keyValueOf(table, key) : undefined }];
  });
  if (begun.length === 0) return [];
  const answers = await readRecords(hubspot, table, begun);
  const byId = new Map(answers.results.map((result) => [result.id, result]));
  const byKey = new Map<string, RecordAnswer>();
  for (const result of answers.results) {
    const value = result.properties[table.idProperty];
    if (value && !result.archived) byKey.set(value.trim().toLowerCase(), result);
  }
  const certain = begun.filter(({ plan }) => plan.ids.every((id) => !answers.untold.has(id)));
  const foundOf = new Map(
    certain.map(({ key, plan, keyValue }) => {
      const held = keyValue === undefined ? undefined : byKey.get(keyValue);
      const found = [...plan.ids.map((id) => byId.get(id)), held].filter(
        (one) => one !== undefined,
      );
      return [key, [...new Map(found.map((one) => [one.id, one])).values()]];
    }),
  );
  const live = [...foundOf.values()].flat().filter(({ archived }) => !archived);
  const associations = await readAssociated(hubspot, table, live);
  const unlinked = certain
    .filter(({ plan }) => plan.byKey)
    .flatMap(({ key }) => foundOf.get(key) ?? [])
    .filter(({ archived }) => !archived);
  const pointers = await readPointers(hubspot, mapping, table, unlinked);
  return certain.map(({ key, revision }) => ({
    key,
    revision,
    startedAt,
    time: answers.time,
    found: foundOf.get(key) ?? [],
    associations,
    pointers,
  }));
}

function keyValueOf(table: TableMapping, key: string): string | undefined {
  try {
    return table.keyValue(key);
  } catch {
    // No HubSpot record can bear such a key.
    return undefined;
  }
}

interface Answers {
  readonly results: readonly RecordAnswer[];
  readonly time: DateBracket;
  /** Ids that the answers neither bring nor call missing. */
  readonly untold: ReadonlySet<string>;
}

async function readRecords(
  hubspot: HubSpot,
  table: TableMapping,
  begun: readonly Begun[],
): Promise<Answers> {
  const properties = readProperties(table);
  const ids = [...new Set(begun.flatMap(({ plan }) => plan.ids))];
  const keys = [...new Set(begun.flatMap(({ keyValue }) => keyValue ?? []))];
  const answers: ReadAnswer[] = [];
  const read = async (all: readonly string[], request: Omit<ReadRequest, 'ids' | 'properties'>) => {
    const made: ReadAnswer[] = [];
    for (const part of chunks(all)) {
      const asked = { ...request, ids: part, properties };
      made.push(await hubspot.readBatch(table.object, asked, { lane: 'retry' }));
    }
    answers.push(...made);
    return made;
  };
  const first = await read(ids, { withHistory: true });
  const live = new Set(first.flatMap(({ results }) => results.map(({ id }) => id)));
  const absent = ids.filter((id) => !live.has(id));
  await read(absent, { archived: true });
  await read(keys, { idProperty: table.idProperty, withHistory: true });
  const results = answers.flatMap((answer) => answer.results);
  const told = new Set(results.map(({ id }) => id));
  const missing = new Set(first.flatMap((answer) => answer.missing));
  const merged = new Set(results.flatMap(({ properties: p }) => (p[MERGED] ?? '').split(';')));
  return {
    results,
    time: timeOf(answers),
    // One that was merged into another is no record of its own any more.
    untold: new Set(absent.filter((id) => !missing.has(id) && !told.has(id) && !merged.has(id))),
  };
}

function timeOf(answers: readonly ReadAnswer[]): DateBracket {
  const dates = answers.map(({ date }) => date);
  // Nothing had to be asked: our own clock may be a little off.
  if (dates.length === 0) return { low: Date.now() - 5000, high: Date.now() + 5000 };
  return {
    low: Math.min(...dates.map(({ low }) => low)),
    high: Math.max(...dates.map(({ high }) => high)),
  };
}

export function chunks<T>(all: readonly T[], size: number = batchSizes.history): T[][] {
  const parts: T[][] = [];
  for (let i = 0; i < all.length; i += size) parts.push(all.slice(i, i + size));
  return parts;
}
