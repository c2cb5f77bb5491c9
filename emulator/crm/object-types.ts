// The object types of the portal: the standard ones and those that schemas add. Everything else names a type by
// the handle from here, so that `deals`, `deal` and `0-3` mean the same everywhere.
import type { Journal, PersistentMap } from '../journal.ts';

/** One type of object. */
export type ObjectType = {
  /** `0-3`, `2-1234`. */
  id: string;
  /** As HubSpot's own paths name it: `deals`, `2-1234`. */
  name: string;
  singular: string;
  /** In error messages: `DEAL`. */
  label: string;
  /** Which property bears the time of the last change. */
  modifiedProperty: 'hs_lastmodifieddate' | 'lastmodifieddate';
  createdProperty: 'createdate' | 'hs_createdate';
  /** What a read without a list of properties answers. */
  defaultProperties: string[];
};

/** A custom object's schema as created, beside its type. */
export type CustomSchema = {
  objectTypeId: string;
  name: string;
  labels: { singular?: string; plural?: string };
  description?: string;
  primaryDisplayProperty?: string;
  secondaryDisplayProperties: string[];
  requiredProperties: string[];
  searchableProperties: string[];
  associatedTypeIds: string[];
  createdAt: number;
  updatedAt: number;
  archivedAt?: number;
};

const STANDARD: ObjectType[] = [
  {
    id: '0-3',
    name: 'deals',
    singular: 'deal',
    label: 'DEAL',
    modifiedProperty: 'hs_lastmodifieddate',
    createdProperty: 'createdate',
    defaultProperties: ['amount', 'closedate', 'dealname', 'dealstage', 'pipeline'],
  },
  {
    id: '0-2',
    name: 'companies',
    singular: 'company',
    label: 'COMPANY',
    modifiedProperty: 'hs_lastmodifieddate',
    createdProperty: 'createdate',
    defaultProperties: ['domain', 'name'],
  },
  {
    id: '0-1',
    name: 'contacts',
    singular: 'contact',
    label: 'CONTACT',
    modifiedProperty: 'lastmodifieddate',
    createdProperty: 'createdate',
    defaultProperties: ['email', 'firstname', 'lastname'],
  },
  {
    id: '0-5',
    name: 'tickets',
    singular: 'ticket',
    label: 'TICKET',
    modifiedProperty: 'hs_lastmodifieddate',
    createdProperty: 'createdate',
    defaultProperties: [
      'content',
      'hs_pipeline',
      'hs_pipeline_stage',
      'hs_ticket_priority',
      'subject',
    ],
  },
];

export type ObjectTypes = {
  /** By name, singular, label, type id or fully qualified name; undefined if there is none. */
  find(segment: string): ObjectType | undefined;
  /** By type id; throws if there is none, which is a fault of the emulator. */
  byId(id: string): ObjectType;
  all(): ObjectType[];
  schemas: PersistentMap<CustomSchema>;
};

export function openObjectTypes(journal: Journal, portalId: number): ObjectTypes {
  const schemas = journal.map<CustomSchema>('schemas');

  const custom = (schema: CustomSchema): ObjectType => ({
    id: schema.objectTypeId,
    name: schema.objectTypeId,
    singular: schema.name,
    label: schema.objectTypeId,
    modifiedProperty: 'hs_lastmodifieddate',
    createdProperty: 'hs_createdate',
    defaultProperties: [],
  });
  const activeSchemas = (): CustomSchema[] =>
    [...schemas.values()].filter((schema) => schema.archivedAt === undefined);

  const find = (segment: string): ObjectType | undefined => {
    const wanted = segment.toLowerCase();
    const standard = STANDARD.find(
      (type) =>
        type.id === wanted ||
        type.name === wanted ||
        type.singular === wanted ||
        type.label === segment,
    );
    if (standard) return standard;
    const schema = activeSchemas().find(
      ({ objectTypeId, name }) =>
        objectTypeId === wanted || name === wanted || `p${portalId}_${name}` === wanted,
    );
    return schema && custom(schema);
  };

  return {
    find,
    byId(id) {
      const type = find(id);
      if (type === undefined) throw new Error(`There is no object type ${id}.`);
      return type;
    },
    all: () => [...STANDARD, ...activeSchemas().map(custom)],
    schemas,
  };
}
