// The properties of each object type: HubSpot's own from defaults/, over them what the portal added, changed
// or archived, which the journal keeps.
import type { Journal } from '../../journal.ts';
import { COMPANY_PROPERTIES } from '../defaults/companies.ts';
import { CONTACT_PROPERTIES } from '../defaults/contacts.ts';
import { DEAL_PROPERTIES } from '../defaults/deals.ts';
import { listEveryObjectProperties } from '../defaults/every-object.ts';
import { TICKET_PROPERTIES } from '../defaults/tickets.ts';
import type { PropertyDefinition } from './definition.ts';

export type PropertyGroup = { name: string; label: string; displayOrder: number };

const DEFAULTS: Record<string, PropertyDefinition[]> = {
  '0-3': DEAL_PROPERTIES,
  '0-2': COMPANY_PROPERTIES,
  '0-1': CONTACT_PROPERTIES,
  '0-5': TICKET_PROPERTIES,
};

const DEFAULT_GROUPS: Record<string, PropertyGroup> = {
  '0-3': { name: 'dealinformation', label: 'Deal Information', displayOrder: 0 },
  '0-2': { name: 'companyinformation', label: 'Company Information', displayOrder: 0 },
  '0-1': { name: 'contactinformation', label: 'Contact Information', displayOrder: 0 },
  '0-5': { name: 'ticketinformation', label: 'Ticket Information', displayOrder: 0 },
};

/** The group that a custom object's own properties belong to. */
const CUSTOM_GROUP: PropertyGroup = {
  name: 'custom_object_information',
  label: 'Information',
  displayOrder: 0,
};

export type Properties = {
  /** Active properties only. */
  find(typeId: string, name: string): PropertyDefinition | undefined;
  findArchived(typeId: string, name: string): PropertyDefinition | undefined;
  list(typeId: string): PropertyDefinition[];
  listArchived(typeId: string): PropertyDefinition[];
  put(typeId: string, definition: PropertyDefinition): void;
  /** Properties of which no two active records may hold the same value. */
  listUnique(typeId: string): string[];
  listGroups(typeId: string): PropertyGroup[];
  putGroup(typeId: string, group: PropertyGroup): void;
  deleteGroup(typeId: string, name: string): boolean;
  defaultGroup(typeId: string): string;
};

export function openProperties(journal: Journal): Properties {
  const kept = journal.map<PropertyDefinition>('properties');
  const keptGroups = journal.map<PropertyGroup>('property-groups');

  const defaultsOf = new Map<string, Map<string, PropertyDefinition>>();
  const defaults = (typeId: string): Map<string, PropertyDefinition> => {
    const known = defaultsOf.get(typeId);
    if (known) return known;
    const group = (DEFAULT_GROUPS[typeId] ?? CUSTOM_GROUP).name;
    const list = [...(DEFAULTS[typeId] ?? []), ...listEveryObjectProperties(group)];
    const made = new Map(list.map((definition) => [definition.name, definition]));
    defaultsOf.set(typeId, made);
    return made;
  };

  // Property names are case-insensitive and kept in lower case.
  const get = (typeId: string, name: string): PropertyDefinition | undefined =>
    kept.get(`${typeId}/${name}`) ?? defaults(typeId).get(name);

  const listAll = (typeId: string): PropertyDefinition[] => {
    const names = new Set(defaults(typeId).keys());
    for (const key of kept.keys()) {
      if (key.startsWith(`${typeId}/`)) names.add(key.slice(typeId.length + 1));
    }
    return [...names].flatMap((name) => get(typeId, name) ?? []);
  };

  return {
    find(typeId, name) {
      const found = get(typeId, name);
      return found?.archivedAt === undefined ? found : undefined;
    },
    findArchived(typeId, name) {
      const found = get(typeId, name);
      return found?.archivedAt === undefined ? undefined : found;
    },
    list: (typeId) => listAll(typeId).filter(({ archivedAt }) => archivedAt === undefined),
    listArchived: (typeId) => listAll(typeId).filter(({ archivedAt }) => archivedAt !== undefined),
    put: (typeId, definition) => kept.set(`${typeId}/${definition.name}`, definition),
    listUnique(typeId) {
      const unique = DEFAULTS[typeId] === CONTACT_PROPERTIES ? ['email'] : [];
      for (const [key, definition] of kept.entries()) {
        if (!definition.hasUniqueValue || definition.archivedAt !== undefined) continue;
        if (key.startsWith(`${typeId}/`)) unique.push(definition.name);
      }
      return unique;
    },
    listGroups(typeId) {
      const groups = new Map([[defaultGroup(typeId).name, defaultGroup(typeId)]]);
      for (const [key, group] of keptGroups.entries()) {
        if (key.startsWith(`${typeId}/`)) groups.set(group.name, group);
      }
      return [...groups.values()];
    },
    putGroup: (typeId, group) => keptGroups.set(`${typeId}/${group.name}`, group),
    deleteGroup: (typeId, name) => keptGroups.delete(`${typeId}/${name}`),
    defaultGroup: (typeId) => defaultGroup(typeId).name,
  };
}

function defaultGroup(typeId: string): PropertyGroup {
  return DEFAULT_GROUPS[typeId] ?? CUSTOM_GROUP;
}
