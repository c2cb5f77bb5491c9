/**
 * The HubSpot ids of one record: which one is linked, which are dead and since when. A record has
 * at most one link; ids that it had before, or that a creation of ours made, stay remembered.
 */
import { learned } from './record.ts';
import type { Bracket, ExistenceState, KnownId, PropertyState, RecordState } from './state.ts';

/** Ids remembered per record; the link is never forgotten. */
export const IDS_LENGTH = 8;

/** All of `a` lies before all of `b`; brackets that touch or overlap don't tell. */
export function isBefore(a: Bracket, b: Bracket): boolean {
  return a.high < b.low;
}

/** The later of two times of one kind, the sharper one where they overlap. */
export function laterOf(a: Bracket | null, b: Bracket | null): Bracket | null {
  if (!a || !b) return a ?? b;
  if (isBefore(a, b)) return b;
  if (isBefore(b, a)) return a;
  return a.high - a.low < b.high - b.low ? a : b;
}

export function knownId(record: RecordState, id: string): KnownId | undefined {
  return record.existence.ids.find((known) => known.id === id);
}

export function withExistence(record: RecordState, change: Partial<ExistenceState>): RecordState {
  return { ...record, existence: { ...record.existence, ...change } };
}

/** Counts marks of the row's deletion or insertion: one more is emitted, or one was consumed. */
export function withMarks(record: RecordState, change: 1 | -1): RecordState {
  const marks = Math.max(0, (record.existence.marks ?? 0) + change);
  return withExistence(record, { marks });
}

/** The WAL between the last consumed place and a new slot is lost: marks in it will never come. */
export function forgetMarks(record: RecordState): RecordState {
  return record.existence.marks ? withExistence(record, { marks: 0 }) : record;
}

/** Changes what is known of an id, or begins to know it. */
export function withId(
  record: RecordState,
  id: string,
  change: Partial<Omit<KnownId, 'id'>>,
): RecordState {
  const { ids, link } = record.existence;
  const before = knownId(record, id);
  if (before) {
    return withExistence(record, {
      ids: ids.map((known) => (known === before ? { ...known, ...change } : known)),
    });
  }
  const fresh: KnownId = { id, dead: null, archivedByUs: false, createdByUs: false, ...change };
  const all = [...ids, fresh];
  const surplus = all.length - IDS_LENGTH;
  if (surplus <= 0) return withExistence(record, { ids: all });
  const oldest = all.filter((known) => known.id !== link && known !== fresh).slice(0, surplus);
  return withExistence(record, { ids: all.filter((known) => !oldest.includes(known)) });
}

/** The id is known alive as of `alive` and is the record's; what was known of its death ends. */
export function linkId(record: RecordState, id: string, alive: Bracket): RecordState {
  const { link } = record.existence;
  const before = link !== null && link !== id ? unlink(record) : record;
  const next = withId(before, id, { dead: null, unjudged: false });
  return withExistence(next, {
    link: id,
    alive: link === id ? laterOf(record.existence.alive, alive) : alive,
    detached: false,
  });
}

/**
 * The link is dead: its id is retired and a later one starts with empty properties. Only what was
 * sent without an outcome stays in the ledger, since HubSpot may yet carry it out under a new id.
 */
export function unlink(record: RecordState): RecordState {
  const properties: Record<string, PropertyState> = {};
  for (const [name, { ledger }] of Object.entries(record.properties)) {
    const open = ledger.filter((line) => line.outcome !== 'settled');
    if (open.length > 0) {
      properties[name] = {
        known: null,
        inbound: null,
        epoch: 0,
        standing: null,
        own: 0,
        ledger: open.map((line) => ({ ...line, epoch: 0, outcome: 'unknown' as const })),
        refused: null,
      };
    }
  }
  return withExistence({ ...record, properties }, { link: null, alive: null });
}

/** The id is known dead as of `dead`; if it was the link there is none any more. */
export function retireId(record: RecordState, id: string, dead: Bracket): RecordState {
  const next = withId(record, id, { dead: laterOf(knownId(record, id)?.dead ?? null, dead) });
  return learned(next.existence.link === id ? unlink(next) : next);
}
