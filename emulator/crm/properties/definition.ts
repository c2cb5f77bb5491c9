// What a property is, and short ways to write one down; the lists in defaults/ are written with them.

export type PropertyType = 'string' | 'number' | 'bool' | 'enumeration' | 'date' | 'datetime';

export type PropertyOption = {
  label: string;
  value: string;
  displayOrder: number;
  hidden: boolean;
  description?: string;
};

/** A property of one object type. */
export type PropertyDefinition = {
  name: string;
  label: string;
  type: PropertyType | 'phone_number';
  fieldType: string;
  groupName: string;
  description: string;
  options: PropertyOption[];
  displayOrder: number;
  calculated: boolean;
  externalOptions: boolean;
  hasUniqueValue: boolean;
  hidden: boolean;
  hubspotDefined: boolean;
  formField: boolean;
  readOnlyValue: boolean;
  readOnlyDefinition: boolean;
  referencedObjectType?: string;
  /** Absent: not sensitive. */
  dataSensitivity?: 'sensitive' | 'highly_sensitive';
  /** Epoch milliseconds; of HubSpot's own properties undefined. */
  createdAt?: number;
  updatedAt?: number;
  archivedAt?: number;
};

type Details = Partial<PropertyDefinition> & { unique?: boolean; readOnly?: boolean };

/** A property of HubSpot's own. */
export function define(
  name: string,
  label: string,
  type: PropertyType,
  fieldType: string,
  details: Details = {},
): PropertyDefinition {
  const { unique = false, readOnly = false, ...rest } = details;
  return {
    name,
    label,
    type,
    fieldType,
    groupName: '',
    description: '',
    options: [],
    displayOrder: -1,
    calculated: false,
    externalOptions: false,
    hasUniqueValue: unique,
    hidden: false,
    hubspotDefined: true,
    formField: false,
    readOnlyValue: readOnly,
    readOnlyDefinition: true,
    ...rest,
  };
}

export const text = (name: string, label: string, details: Details = {}) =>
  define(name, label, 'string', 'text', details);

export const textarea = (name: string, label: string, details: Details = {}) =>
  define(name, label, 'string', 'textarea', details);

export const number = (name: string, label: string, details: Details = {}) =>
  define(name, label, 'number', 'number', details);

export const datetime = (name: string, label: string, details: Details = {}) =>
  define(name, label, 'datetime', 'date', details);

export const bool = (name: string, label: string, details: Details = {}) =>
  define(name, label, 'bool', 'booleancheckbox', {
    options: options([
      ['true', 'True'],
      ['false', 'False'],
    ]),
    ...details,
  });

/** `[value, label]` pairs, in the order shown. */
export function options(pairs: [value: string, label: string][]): PropertyOption[] {
  return pairs.map(([value, label], at) => ({ label, value, displayOrder: at, hidden: false }));
}

export const select = (
  name: string,
  label: string,
  pairs: [value: string, label: string][],
  details: Details = {},
) => define(name, label, 'enumeration', 'select', { options: options(pairs), ...details });

/** Several of the options at once. */
export const checkbox = (
  name: string,
  label: string,
  pairs: [value: string, label: string][],
  details: Details = {},
) => define(name, label, 'enumeration', 'checkbox', { options: options(pairs), ...details });
