// Which records are associated, by which kinds. Each association is kept in both directions.
import type { Journal } from '../../journal.ts';
import { type AssociationKinds, openAssociationKinds } from './kinds.ts';

/** A record by type and id. */
export type RecordRef = { typeId: string; id: string };

export type AssociationStore = {
  kinds: AssociationKinds;
  /** Type ids of the kinds between two records, seen from the first; empty if they are not associated. */
  read(from: RecordRef, to: RecordRef): number[];
  /** Sets one direction. No kinds removes it. */
  write(from: RecordRef, to: RecordRef, typeIds: number[]): void;
  /** Ids of the associated records of a type, in the order in which they were associated. */
  listIds(from: RecordRef, toTypeId: string): string[];
  /** Everything a record is associated with. */
  listAll(from: RecordRef): RecordRef[];
  forgetIndexes(): void;
};

export function openAssociationStore(journal: Journal): AssociationStore {
  const pairs = journal.map<number[]>('associations');
  let index: Map<string, Map<string, RecordRef>> | undefined;

  const keyOf = (ref: RecordRef): string => `${ref.typeId}/${ref.id}`;
  const pairKey = (from: RecordRef, to: RecordRef): string => `${keyOf(from)}>${keyOf(to)}`;

  const partners = (): Map<string, Map<string, RecordRef>> => {
    if (index) return index;
    index = new Map();
    for (const key of pairs.keys()) {
      const [from = '', to = ''] = key.split('>');
      const [typeId = '', id = ''] = to.split('/');
      addPartner(index, from, { typeId, id });
    }
    return index;
  };
  const addPartner = (
    into: Map<string, Map<string, RecordRef>>,
    from: string,
    to: RecordRef,
  ): void => {
    const known = into.get(from);
    if (known) known.set(keyOf(to), to);
    else into.set(from, new Map([[keyOf(to), to]]));
  };

  return {
    kinds: openAssociationKinds(journal),
    read: (from, to) => pairs.get(pairKey(from, to)) ?? [],
    write(from, to, typeIds) {
      if (typeIds.length === 0) {
        partners().get(keyOf(from))?.delete(keyOf(to));
        pairs.delete(pairKey(from, to));
        return;
      }
      addPartner(partners(), keyOf(from), to);
      pairs.set(pairKey(from, to), typeIds);
    },
    listIds: (from, toTypeId) =>
      [...(partners().get(keyOf(from))?.values() ?? [])]
        .filter(({ typeId }) => typeId === toTypeId)
        .map(({ id }) => id),
    listAll: (from) => [...(partners().get(keyOf(from))?.values() ?? [])],
    forgetIndexes() {
      index = undefined;
    },
  };
}
