/** From a mapping file that is well formed to the mapping, and what is wrong beyond its form. */
import { decodeKey } from '../postgres/key.ts';
import { quoteIdentifier } from '../postgres/schema.ts';
import { CodecError } from './codecs.ts';
import { compileProperty, zoneMistake } from './compile-property.ts';
import { type AssociationEntry, type MappingFile, propertyEntry, type TableEntry } from './file.ts';
import type { AssociationMapping, Mapping, RowIdTemplate, TableMapping } from './mapping.ts';
import { isTimeZone, type Mistake } from './mistake.ts';
import { nearest } from './nearest.ts';
import { objectTypeIds, primaryTypes } from './object-types.ts';
import { tableMistakes } from './table-mistakes.ts';

/** Longer ones are refused here: HubSpot doesn't say how long a unique value may be. */
const KEY_LENGTH = 255;

/** The mapping is whole only when there are no mistakes. */
export function compileMapping(file: MappingFile): { mapping: Mapping; mistakes: Mistake[] } {
  const mistakes: Mistake[] = [];
  const zone = isTimeZone(file.zone) ? file.zone : 'UTC';
  if (zone !== file.zone) mistakes.push(zoneMistake(file.zone, ['zone']));
  const tables = file.tables.map((entry, i) =>
    compileTable(file, entry, zone, ['tables', i], mistakes),
  );
  tables.forEach((table, i) => {
    const before = tables.slice(0, i);
    if (before.some(({ object }) => object === table.object)) {
      mistakes.push({
        path: ['tables', i, 'object'],
        message: `${table.object} is mapped twice`,
        remedy: 'Map each HubSpot object type to one table',
      });
    }
    if (before.some(({ sql }) => sql === table.sql)) {
      mistakes.push({
        path: ['tables', i, 'table'],
        message: `the table ${table.schema}.${table.name} is mapped twice`,
        remedy: 'Map each table to one HubSpot object type',
      });
    }
  });
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
  zone: string,
  at: readonly (string | number)[],
  mistakes: Mistake[],
): TableMapping {
  const dot = entry.table.indexOf('.');
  const schema = dot < 0 ? 'public' : entry.table.slice(0, dot);
  const name = entry.table.slice(dot + 1);
  const key = typeof entry.key === 'string' ? [entry.key] : entry.key;
  const properties = Object.entries(entry.properties).map(([property, given]) => {
    const path = [...at, 'properties', property];
    const compiled = compileProperty(property, propertyEntry(given), zone, path);
    mistakes.push(...compiled.mistakes);
    return compiled.mapping;
  });
  const associations = entry.associations.map((association, i) =>
    compileAssociation(file, entry, association, [...at, 'associations', i], mistakes),
  );
  mistakes.push(...objectMistakes(entry.object, [...at, 'object']));
  mistakes.push(...tableMistakes(entry, key, properties, associations, at));
  const byProperty = new Map(properties.map((one) => [one.property, one]));
  const byColumn = new Map(properties.map((one) => [one.column, one]));
  const { markColumn } = entry.deletes;
  return {
    schema,
    name,
    sql: `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`,
    key,
    object: entry.object,
    objectTypeId: objectTypeIds[entry.object] ?? entry.object,
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

function objectMistakes(object: string, path: Mistake['path']): Mistake[] {
  if (Object.hasOwn(objectTypeIds, object) || /^\d+-\d+$/.test(object)) return [];
  const names = Object.keys(objectTypeIds);
  const likely = nearest(object, names);
  return [
    {
      path,
      message: `${object} is no object type by HubSpot’s own name`,
      remedy: likely
        ? `Did you mean ${likely}?`
        : `Write one of ${names.join(', ')}, or a custom object’s type id such as 2-12345`,
    },
  ];
}

function compileAssociation(
  file: MappingFile,
  table: TableEntry,
  entry: AssociationEntry,
  path: readonly (string | number)[],
  mistakes: Mistake[],
): AssociationMapping {
  const target = file.tables.find(({ object }) => object === entry.to);
  if (!target) {
    mistakes.push({
      path: [...path, 'to'],
      message: `${entry.to} is not mapped in this file`,
      remedy: `Map the table of ${entry.to} too, or remove the association`,
    });
  } else if (Array.isArray(target.key) && target.key.length > 1) {
    mistakes.push({
      path: [...path, 'to'],
      message: `${entry.to} has a key of several columns, which one foreign key column can’t name`,
      remedy: 'Remove the association',
    });
  }
  const typeId = entry.type ?? primaryTypes[`${table.object}/${entry.to}`];
  if (target && typeId === undefined) {
    mistakes.push({
      path: [...path, 'to'],
      message: `HubSpot defines no primary association from ${table.object} to ${entry.to}`,
      remedy: 'Add `type:` with the association type id',
    });
  }
  return {
    name: `association:${entry.to}${entry.type === undefined ? '' : `:${entry.type}`}`,
    column: entry.column,
    toObject: entry.to,
    typeId: typeId ?? 0,
  };
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
