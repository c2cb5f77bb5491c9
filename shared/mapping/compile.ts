/** From a mapping file that is well formed to the mapping, and what is wrong beyond its form. */
import { decodeKey } from '../postgres/key.ts';
import { quoteIdentifier } from '../postgres/schema.ts';
import { CodecError, type CodecSpec, createCodec } from './codecs.ts';
import {
  type AssociationEntry,
  type MappingFile,
  type PropertyEntry,
  propertyEntry,
  type TableEntry,
} from './file.ts';
import type {
  AssociationMapping,
  Mapping,
  PropertyMapping,
  RowIdTemplate,
  TableMapping,
} from './mapping.ts';

/** A mistake, at a path of the file. */
export interface Mistake {
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly remedy: string;
}

const typeIds: Readonly<Record<string, string>> = {
  contacts: '0-1',
  companies: '0-2',
  deals: '0-3',
  tickets: '0-5',
};

/** HubSpot's primary association types, from and to. */
const primaryTypes: Readonly<Record<string, number>> = {
  'contacts/companies': 1,
  'deals/companies': 5,
  'tickets/companies': 26,
};

const KEY_LENGTH = 255;

export function compileMapping(file: MappingFile): { mapping: Mapping; mistakes: Mistake[] } {
  const mistakes: Mistake[] = [];
  const tables = file.tables.map((entry, i) => compileTable(file, entry, i, mistakes));
  unique(
    file.tables.map(({ object }) => object),
    (i) => ['tables', i, 'object'],
    (object) => `${object} is mapped twice`,
    'Map each HubSpot object type to one table.',
    mistakes,
  );
  unique(
    tables.map((table) => table.sql),
    (i) => ['tables', i, 'table'],
    (sql) => `table ${sql} is mapped twice`,
    'Map each table to one HubSpot object type.',
    mistakes,
  );
  const byTable = new Map(tables.map((table) => [`${table.schema}\u0000${table.name}`, table]));
  const byObject = new Map(
    tables.flatMap((table) => [
      [table.object, table] as const,
      [table.objectTypeId, table] as const,
    ]),
  );
  const mapping: Mapping = {
    tables,
    tableOf: (schema, name) => byTable.get(`${schema}\u0000${name}`),
    objectOf: (object) => byObject.get(object),
  };
  return { mapping, mistakes };
}

function compileTable(
  file: MappingFile,
  entry: TableEntry,
  index: number,
  mistakes: Mistake[],
): TableMapping {
  const at = ['tables', index];
  const parts = entry.table.split('.');
  const [schema, name] =
    parts.length > 1 ? [parts[0] ?? '', parts.slice(1).join('.')] : ['public', entry.table];
  const objectTypeId = typeIds[entry.object] ?? entry.object;
  if (!typeIds[entry.object] && !/^\d+-\d+$/.test(entry.object)) {
    mistakes.push({
      path: [...at, 'object'],
      message: `${entry.object} is no object type that HubSpot's paths name`,
      remedy: `Write one of ${Object.keys(typeIds).join(', ')}, or a custom object's type id such as 2-12345.`,
    });
  }
  const key = typeof entry.key === 'string' ? [entry.key] : entry.key;
  const properties = Object.entries(entry.properties).map(([property, given]) =>
    compileProperty(
      file,
      property,
      propertyEntry(given),
      [...at, 'properties', property],
      mistakes,
    ),
  );
  const associations = entry.associations.map((association, i) =>
    compileAssociation(file, entry, association, [...at, 'associations', i], mistakes),
  );
  checkTable(entry, key, properties, at, mistakes);
  const byProperty = new Map(properties.map((one) => [one.property, one]));
  const byColumn = new Map(properties.map((one) => [one.column, one]));
  const { markColumn } = entry.deletes;
  return {
    schema,
    name,
    sql: `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`,
    key,
    object: entry.object,
    objectTypeId,
    idProperty: entry.idProperty,
    keyValue: (recordKey) => keyValue(recordKey, key.length),
    ...(entry.id === undefined ? {} : { rowId: rowIdTemplate(entry.id) }),
    ...(entry.hubspotIdColumn === undefined ? {} : { hubspotIdColumn: entry.hubspotIdColumn }),
    properties,
    property: (property) => byProperty.get(property),
    column: (column) => byColumn.get(column),
    associations,
    deletes: {
      outbound: entry.deletes.outbound,
      inbound: entry.deletes.inbound,
      ...(markColumn === undefined ? {} : { markColumn }),
    },
    defaults: entry.defaults,
    automation: entry.automation,
  };
}

function checkTable(
  entry: TableEntry,
  key: readonly string[],
  properties: readonly PropertyMapping[],
  at: (string | number)[],
  mistakes: Mistake[],
): void {
  const names = Object.keys(entry.properties);
  unique(
    properties.map(({ column }) => column),
    (i) => [...at, 'properties', names[i] ?? '', ...columnPath(entry.properties[names[i] ?? ''])],
    (column) => `column ${column} is mapped to two properties`,
    'Map each column to one property, so that it is clear which value counts.',
    mistakes,
  );
  if (entry.properties[entry.idProperty] !== undefined) {
    mistakes.push({
      path: [...at, 'properties', entry.idProperty],
      message: `${entry.idProperty} is the id property and can't be mapped to a column`,
      remedy: 'Remove it here: it holds the row’s key by itself.',
    });
  }
  if (entry.id !== undefined && key.length > 1) {
    mistakes.push({
      path: [...at, 'id'],
      message: 'an id template needs a key of one column',
      remedy: 'Remove `id`, or give the table a key of one column.',
    });
  }
  if (entry.deletes.inbound === 'mark' && entry.deletes.markColumn === undefined) {
    mistakes.push({
      path: [...at, 'deletes', 'inbound'],
      message: '`mark` needs the column that is marked',
      remedy: 'Add `markColumn: deleted_at`, a boolean or timestamp column.',
    });
  }
  const used = new Set([...key, ...properties.map(({ column }) => column)]);
  for (const { column } of entry.associations) used.add(column);
  for (const column of Object.keys(entry.defaults)) {
    if (!used.has(column)) continue;
    mistakes.push({
      path: [...at, 'defaults', column],
      message: `${column} is mapped, so its value comes from HubSpot`,
      remedy: 'Remove the default, or the mapping of the column.',
    });
  }
}

function columnPath(entry: string | PropertyEntry | undefined): string[] {
  return typeof entry === 'string' ? [] : ['column'];
}

function compileProperty(
  file: MappingFile,
  property: string,
  entry: PropertyEntry,
  path: (string | number)[],
  mistakes: Mistake[],
): PropertyMapping {
  const mistake = (part: string, message: string, remedy: string) =>
    mistakes.push({ path: [...path, part], message, remedy });
  if (property !== property.toLowerCase()) {
    mistake(
      'column',
      `HubSpot's property names are lower case: ${property}`,
      `Write ${property.toLowerCase()}.`,
    );
  }
  const allowed: Readonly<Record<string, readonly string[]>> = {
    as: ['date', 'multi-enumeration'],
    zone: ['date'],
    separator: ['multi-enumeration'],
    values: ['enumeration', 'multi-enumeration'],
  };
  for (const [part, types] of Object.entries(allowed)) {
    if (entry[part as keyof PropertyEntry] !== undefined && !types.includes(entry.type)) {
      mistake(
        part,
        `\`${part}\` means nothing for type ${entry.type}`,
        `Remove it, or use type ${types.join(' or ')}.`,
      );
    }
  }
  const zone = entry.zone ?? file.zone;
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
  } catch {
    mistake('zone', `there is no time zone ${zone}`, 'Write a name such as UTC or Europe/Berlin.');
    return compileProperty(file, property, { ...entry, zone: 'UTC' }, path, mistakes);
  }
  const options = Object.values(entry.values ?? {});
  const twice = options.find((option, i) => options.indexOf(option) !== i);
  if (twice !== undefined) {
    mistake(
      'values',
      `option ${twice} stands for two values`,
      'Give each option one value: it must be clear which one comes back.',
    );
  }
  if (
    entry.type === 'date' &&
    entry.as !== undefined &&
    entry.as !== 'date' &&
    entry.as !== 'datetime'
  ) {
    mistake('as', 'a date is `as: date` or `as: datetime`', 'Say what the HubSpot property is.');
  }
  return {
    property,
    column: entry.column,
    direction: entry.direction,
    policy: entry.policy,
    codec: createCodec(codecSpec(entry, zone)),
    required: entry.required,
    personal: entry.personal || entry.type === 'email' || entry.type === 'phone',
    sendWith: entry.sendWith,
  };
}

function codecSpec(entry: PropertyEntry, zone: string): CodecSpec {
  const { type, values } = entry;
  switch (type) {
    case 'date':
      return { type, as: entry.as === 'datetime' ? 'datetime' : 'date', zone };
    case 'enumeration':
      return { type, values };
    case 'multi-enumeration':
      return {
        type,
        values,
        column: entry.as === 'array' ? 'array' : 'text',
        separator: entry.separator ?? ';',
      };
    default:
      return { type };
  }
}

function compileAssociation(
  file: MappingFile,
  table: TableEntry,
  entry: AssociationEntry,
  path: (string | number)[],
  mistakes: Mistake[],
): AssociationMapping {
  const target = file.tables.find(({ object }) => object === entry.to);
  if (!target) {
    mistakes.push({
      path: [...path, 'to'],
      message: `${entry.to} is not mapped in this file`,
      remedy: `Map the table of ${entry.to} too, or remove the association.`,
    });
  } else if (Array.isArray(target.key) && target.key.length > 1) {
    mistakes.push({
      path: [...path, 'to'],
      message: `${entry.to} has a key of several columns, which one foreign key column can't name`,
      remedy: 'Remove the association.',
    });
  }
  const typeId = entry.type ?? primaryTypes[`${table.object}/${entry.to}`];
  if (typeId === undefined) {
    mistakes.push({
      path: [...path, 'to'],
      message: `HubSpot defines no primary association from ${table.object} to ${entry.to}`,
      remedy: 'Add `type:` with the association type id.',
    });
  }
  return {
    name: `association:${entry.to}${entry.type === undefined ? '' : `:${entry.type}`}`,
    column: entry.column,
    toObject: entry.to,
    typeId: typeId ?? 0,
  };
}

function unique(
  all: readonly string[],
  path: (index: number) => (string | number)[],
  message: (value: string) => string,
  remedy: string,
  mistakes: Mistake[],
): void {
  all.forEach((value, i) => {
    if (all.indexOf(value) < i) mistakes.push({ path: path(i), message: message(value), remedy });
  });
}

function keyValue(recordKey: string, width: number): string {
  const columns = decodeKey(recordKey, width).map((part) => part.trim().toLowerCase());
  const value = columns.length === 1 ? (columns[0] as string) : JSON.stringify(columns);
  if (value === '' || value.length > KEY_LENGTH || !/^[\x20-\x7e]+$/.test(value)) {
    throw new CodecError(
      'the key is empty, too long or not plain ASCII: HubSpot might take it for another',
      'Use keys of up to 255 ASCII characters.',
    );
  }
  return value;
}

function rowIdTemplate(template: string): RowIdTemplate {
  const [before = '', after = ''] = template.split('{id}');
  return {
    format: (id) => `${before}${id}${after}`,
    parse(key) {
      if (!key.startsWith(before) || !key.endsWith(after)) return undefined;
      const id = key.slice(before.length, key.length - after.length);
      return /^[0-9]+$/.test(id) ? id : undefined;
    },
  };
}
