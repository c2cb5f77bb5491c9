/**
 * Reads from HubSpot what the records in doubt need: their ids with the history of every mapped
 * property, archived ones, records without a link by the unique key, and association sets.
 */
import type {
  AssociationRow,
  DateBracket,
  HubSpot,
  RecordAnswer,
} from '../../shared/hubspot/hubspot.ts';
import { batchSizes } from '../../shared/hubspot/hubspot.ts';
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import { planRead } from '../../shared/protocol/existence-judge.ts';
import { beginRead } from '../../shared/protocol/judge.ts';
import type { RecordState } from '../../shared/protocol/state.ts';

/** A record whose doubt is to be read, as it was when the reading began. */
export interface Doubtful {
  readonly key: string;
  readonly state: RecordState;
}

export interface Reading {
  readonly key: string;
  readonly revision: number;
  /** The whole reading lies between these, on HubSpot's clock. */
  readonly time: DateBracket;
  /** Live and archived records that were found of the plan. */
  readonly found: readonly RecordAnswer[];
  /** By association name, for the ids that were found live: what each is associated with. */
  readonly associations: Readonly<Record<string, AssociationRow>>;
}

/** HubSpot's own properties that tell who made a record. */
export const sourceProperties = ['hs_object_source', 'hs_object_source_id'] as const;

/** What is asked for of each record: every mapped property, the key, and the source. */
export function readProperties(table: TableMapping): string[] {
  const mapped = table.properties.map(({ property }) => property);
  return [...new Set([...mapped, table.idProperty, ...sourceProperties])];
}

/**
 * Reads a table's records in doubt, at most as many as one reading with history takes. A record
 * with a call under way isn't read. Throws what the client throws: reads may be repeated.
 */
export async function readDoubtful(
  hubspot: HubSpot,
  table: TableMapping,
  doubtful: readonly Doubtful[],
): Promise<Reading[]> {
  const begun = doubtful.flatMap(({ key, state }) => {
    const revision = beginRead(state);
    return revision === undefined ? [] : [{ key, revision, plan: planRead(state) }];
  });
  if (begun.length === 0) return [];
  const { object } = table;
  const properties = readProperties(table);
  const ids = [...new Set(begun.flatMap(({ plan }) => plan.ids))];
  const keys = begun.filter(({ plan }) => plan.byKey).map(({ key }) => table.keyValue(key));
  const answers: { results: readonly RecordAnswer[]; date: DateBracket }[] = [];
  for (const part of chunks(ids)) {
    answers.push(
      await hubspot.readBatch(
        object,
        { ids: part, properties, withHistory: true },
        { lane: 'retry' },
      ),
    );
  }
  const live = new Set(answers.flatMap(({ results }) => results.map(({ id }) => id)));
  for (const part of chunks(ids.filter((id) => !live.has(id)))) {
    answers.push(
      await hubspot.readBatch(object, { ids: part, properties, archived: true }, { lane: 'retry' }),
    );
  }
  for (const part of chunks(keys)) {
    answers.push(
      await hubspot.readBatch(
        object,
        { ids: part, idProperty: table.idProperty, properties, withHistory: true },
        { lane: 'retry' },
      ),
    );
  }
  const results = answers.flatMap((answer) => answer.results);
  const byId = new Map(results.map((result) => [result.id, result]));
  const byKey = new Map<string, RecordAnswer>();
  for (const result of results) {
    const value = result.properties[table.idProperty];
    if (value && !result.archived) byKey.set(value.toLowerCase(), result);
  }
  const associations = await readAssociations(hubspot, table, [...byId.values()]);
  const dates = answers.map(({ date }) => date);
  const time = {
    low: Math.min(...dates.map(({ low }) => low)),
    high: Math.max(...dates.map(({ high }) => high)),
  };
  return begun.map(({ key, revision, plan }) => {
    const found = new Map<string, RecordAnswer>();
    for (const id of plan.ids) {
      const result = byId.get(id);
      if (result) found.set(id, result);
    }
    const held = plan.byKey ? byKey.get(table.keyValue(key).toLowerCase()) : undefined;
    if (held) found.set(held.id, held);
    const first = [...found.values()].find((result) => !result.archived);
    const sets = first ? associations.get(first.id) : undefined;
    return { key, revision, time, found: [...found.values()], associations: sets ?? {} };
  });
}

async function readAssociations(
  hubspot: HubSpot,
  table: TableMapping,
  results: readonly RecordAnswer[],
): Promise<Map<string, Record<string, AssociationRow>>> {
  const sets = new Map<string, Record<string, AssociationRow>>();
  const ids = results.filter((result) => !result.archived).map(({ id }) => id);
  for (const { name, toObject } of table.associations) {
    for (const part of chunks(ids, batchSizes.associations)) {
      const rows = await hubspot.readAssociations(table.object, toObject, part, { lane: 'retry' });
      for (const row of rows) sets.set(row.from, { ...sets.get(row.from), [name]: row });
    }
  }
  return sets;
}

function chunks<T>(all: readonly T[], size: number = batchSizes.history): T[][] {
  const parts: T[][] = [];
  for (let i = 0; i < all.length; i += size) parts.push(all.slice(i, i + size));
  return parts;
}
