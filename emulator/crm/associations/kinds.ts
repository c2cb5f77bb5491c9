// The kinds of associations between two object types, with HubSpot's own numbers, and the labels that the portal
// adds. A kind is read in one direction; its inverse is what the other side bears.
import type { Journal } from '../../journal.ts';

export type AssociationKind = {
  typeId: number;
  category: 'HUBSPOT_DEFINED' | 'USER_DEFINED';
  fromTypeId: string;
  toTypeId: string;
  label: string | null;
  /** The kind of the same association seen from the other side; of some kinds it is itself. */
  inverseTypeId: number;
  /** `default`: the unlabelled one, which every associated pair has. `primary`: at most one per from side. */
  role: 'default' | 'primary' | 'label';
  name?: string;
};

const CONTACT = '0-1';
const COMPANY = '0-2';
const DEAL = '0-3';
const TICKET = '0-5';

/** Both directions of a kind. */
function pair(
  fromTypeId: string,
  toTypeId: string,
  there: number,
  back: number,
  role: AssociationKind['role'] = 'default',
  labels: [there: string | null, back: string | null] = [null, null],
): AssociationKind[] {
  const category = 'HUBSPOT_DEFINED';
  const one: AssociationKind = {
    typeId: there,
    category,
    fromTypeId,
    toTypeId,
    label: labels[0],
    inverseTypeId: back,
    role,
  };
  if (there === back) return [one];
  return [
    one,
    {
      typeId: back,
      category,
      fromTypeId: toTypeId,
      toTypeId: fromTypeId,
      label: labels[1],
      inverseTypeId: there,
      role,
    },
  ];
}

const PRIMARY: [string, string] = ['Primary', 'Primary'];

const HUBSPOT_KINDS: AssociationKind[] = [
  ...pair(CONTACT, COMPANY, 279, 280),
  ...pair(CONTACT, COMPANY, 1, 2, 'primary', PRIMARY),
  ...pair(DEAL, COMPANY, 341, 342),
  ...pair(DEAL, COMPANY, 5, 6, 'primary', PRIMARY),
  ...pair(DEAL, CONTACT, 3, 4),
  ...pair(COMPANY, COMPANY, 450, 450),
  ...pair(COMPANY, COMPANY, 13, 14, 'label', ['Child Company', 'Parent Company']),
  ...pair(CONTACT, CONTACT, 449, 449),
  ...pair(DEAL, DEAL, 451, 451),
  ...pair(TICKET, CONTACT, 16, 15),
  ...pair(TICKET, COMPANY, 339, 340),
  ...pair(TICKET, COMPANY, 26, 25, 'primary', PRIMARY),
  ...pair(TICKET, DEAL, 28, 27),
];

export type AssociationKinds = {
  list(fromTypeId: string, toTypeId: string): AssociationKind[];
  find(fromTypeId: string, toTypeId: string, typeId: number): AssociationKind | undefined;
  /** The unlabelled kind; undefined if the two types cannot be associated. */
  findDefault(fromTypeId: string, toTypeId: string): AssociationKind | undefined;
  /** Makes a kind of the portal's own, both directions; `inverseLabel` defaults to the label. */
  add(
    fromTypeId: string,
    toTypeId: string,
    options: {
      role: 'default' | 'label';
      label: string | null;
      inverseLabel?: string | null;
      name?: string;
    },
  ): AssociationKind[];
};

export function openAssociationKinds(journal: Journal): AssociationKinds {
  const kept = journal.map<AssociationKind>('association-kinds');
  const counters = journal.map<number>('counters');

  const list = (fromTypeId: string, toTypeId: string): AssociationKind[] =>
    [...HUBSPOT_KINDS, ...kept.values()].filter(
      (kind) => kind.fromTypeId === fromTypeId && kind.toTypeId === toTypeId,
    );

  return {
    list,
    find: (fromTypeId, toTypeId, typeId) =>
      list(fromTypeId, toTypeId).find((kind) => kind.typeId === typeId),
    findDefault: (fromTypeId, toTypeId) =>
      list(fromTypeId, toTypeId).find(({ role }) => role === 'default'),
    add(fromTypeId, toTypeId, { role, label, inverseLabel = label, name }) {
      const there = (counters.get('association-kinds') ?? 100) + 1;
      const back = fromTypeId === toTypeId && inverseLabel === label ? there : there + 1;
      counters.set('association-kinds', back);
      const made = pair(fromTypeId, toTypeId, there, back, role, [label, inverseLabel]).map(
        (kind) => ({ ...kind, category: 'USER_DEFINED' as const, ...(name ? { name } : {}) }),
      );
      for (const kind of made) kept.set(String(kind.typeId), kind);
      return made;
    },
  };
}
