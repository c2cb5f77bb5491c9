/**
 * The mapping against the tables' own definitions: are the columns there, do their types fit, can a
 * record that was made in HubSpot become a row. Pure: `doctor` and `init` fetch the catalog and ask.
 */
import type { ColumnFacts, TableFacts } from '../postgres/catalog.ts';
import type { MappingFinding } from './finding.ts';
import type { Codec, Mapping, PropertyMapping, TableMapping } from './mapping.ts';
import { nearest } from './nearest.ts';

/** What `describeCatalog` answers. */
export type Catalog = ReadonlyMap<string, TableFacts>;

/** Everything that is wrong; nothing when the mapping fits the tables. */
export function checkMappingAgainstPostgres(mapping: Mapping, catalog: Catalog): MappingFinding[] {
  return mapping.tables.flatMap((table) => {
    const facts = catalog.get(`${table.schema}.${table.name}`);
    if (facts === undefined || (facts.kind !== 'table' && facts.kind !== 'partitioned')) {
      const what = facts === undefined ? 'There is no table' : 'This is no table';
      return [
        {
          ...of(table),
          severity: 'error',
          message: `${what}: ${table.schema}.${table.name}.`,
          remedy: 'Correct `table`; outside of `public` the schema stands before it with a dot.',
        },
      ];
    }
    return [
      ...checkColumns(table, facts),
      ...checkTypes(table, facts),
      ...checkIdentity(table, facts),
      ...checkBirth(table, facts),
    ].map((finding) => ({ ...of(table), ...finding }));
  });
}

/** The columns that keep HubSpot's new records from becoming rows of the table: nothing fills them. */
export function columnsWithoutValue(table: TableMapping, facts: TableFacts): string[] {
  const filled = new Set([
    ...table.key,
    ...table.properties.filter((p) => p.direction !== 'outbound').map(({ column }) => column),
    ...table.associations.map(({ column }) => column),
    ...Object.keys(table.defaults),
  ]);
  return facts.columns
    .filter(({ notNull, hasDefault, generated }) => notNull && !hasDefault && !generated)
    .map(({ name }) => name)
    .filter((name) => !filled.has(name));
}

const of = (table: TableMapping) => ({
  table: `${table.schema}.${table.name}`,
  object: table.object,
});

type Finding = Omit<MappingFinding, 'table' | 'object'>;

function columnOf(facts: TableFacts, name: string): ColumnFacts | undefined {
  return facts.columns.find((column) => column.name === name);
}

function checkColumns(table: TableMapping, facts: TableFacts): Finding[] {
  const named = [
    ...table.key,
    ...table.properties.map(({ column }) => column),
    ...table.associations.map(({ column }) => column),
    ...Object.keys(table.defaults),
    ...(table.hubspotIdColumn ? [table.hubspotIdColumn] : []),
    ...(table.deletes.markColumn ? [table.deletes.markColumn] : []),
  ];
  return [...new Set(named)]
    .filter((column) => columnOf(facts, column) === undefined)
    .map((column) => {
      const likely = nearest(
        column,
        facts.columns.map(({ name }) => name),
      );
      return {
        severity: 'error',
        column,
        message: `${table.schema}.${table.name} has no column ${column}.`,
        remedy: likely ? `Did you mean ${likely}?` : 'Correct the name, or add the column.',
      };
    });
}

const isText = (type: string) => /^(text|character|citext|name$|uuid$|"?bpchar)/.test(type);
const isArray = (type: string) => type.endsWith('[]');
const isInstant = (type: string) => type.startsWith('timestamp');
const isNumber = (type: string) =>
  /^(smallint|integer|bigint|numeric|real|double precision)/.test(type);
/** An enum, a domain: their texts are what the server says they are. */
const isOwn = (type: string) => !isArray(type) && !BUILT_IN.test(type);
const BUILT_IN =
  /^(text|char|citext|name|uuid|"|smallint|integer|bigint|numeric|real|double|boolean|date|time|interval|money|bytea|json|bit|inet|cidr|mac|xml|point|line|box|path|polygon|circle|ts)/;

/** What to write for a column of another type than the mapping says. */
function settingFor(type: string): string {
  if (isNumber(type)) return '`type: number`';
  if (type === 'boolean') return '`type: boolean`';
  if (type === 'date') return '`type: date`';
  if (isInstant(type)) return '`type: datetime`';
  if (isArray(type)) return '`type: multi-enumeration` with `as: array`';
  return '`type: text`';
}

function fits(codec: Codec, type: string): boolean {
  if (isOwn(type)) return true;
  if (isArray(type)) return codec.array === true;
  switch (codec.kind) {
    case 'number':
      return isNumber(type) || isText(type);
    case 'boolean':
      return type === 'boolean' || isText(type);
    case 'date':
    case 'day':
      return type === 'date' || isText(type);
    case 'datetime':
      return isInstant(type);
    case 'multi-enumeration':
      return !codec.array && isText(type);
    case 'enumeration':
      return isText(type) || isNumber(type) || type === 'boolean';
    case 'text':
      return isText(type) || isNumber(type) || /^(json|inet|cidr|xml|interval|time )/.test(type);
    default:
      return isText(type);
  }
}

function checkTypes(table: TableMapping, facts: TableFacts): Finding[] {
  const mapped = table.properties.flatMap((property) => {
    const column = columnOf(facts, property.column);
    return column ? checkType(property, column) : [];
  });
  return [...mapped, ...checkHelpers(table, facts)];
}

function checkType(mapping: PropertyMapping, { name, type, generated }: ColumnFacts): Finding[] {
  const about = { column: name, property: mapping.property };
  const findings: Finding[] = [];
  if (generated) {
    findings.push({
      ...about,
      severity: 'error',
      message: `${name} is computed by the server: it can’t be written, and its changes aren’t streamed.`,
      remedy: 'Map a column that the application writes.',
    });
  }
  if (type === 'money') {
    findings.push({
      ...about,
      severity: 'error',
      message: `${name} is of type money, whose text depends on the server’s language ($1,234.50).`,
      remedy: `Run \`ALTER TABLE … ALTER COLUMN ${name} TYPE numeric(14,2)\`.`,
    });
  } else if (!fits(mapping.codec, type)) {
    findings.push({
      ...about,
      severity: 'error',
      message: `${name} is of type ${type}, which the mapping’s type doesn’t fit.`,
      remedy: `Write ${settingFor(type)}, or map another column.`,
    });
  } else if (type === 'timestamp without time zone') {
    findings.push({
      ...about,
      severity: 'warning',
      message: `${name} has no time zone: it is taken for UTC.`,
      remedy: 'Make it a timestamptz where the application writes local time.',
    });
  } else if (/^character\(/.test(type) && mapping.direction !== 'inbound') {
    findings.push({
      ...about,
      severity: 'warning',
      message: `${name} is of type ${type}, which fills up with blanks: HubSpot gets them too.`,
      remedy: 'Make it text or varchar.',
    });
  }
  return findings;
}

/** The columns that the sync writes on its own account. */
function checkHelpers(table: TableMapping, facts: TableFacts): Finding[] {
  const findings: Finding[] = [];
  const { markColumn } = table.deletes;
  const mark = markColumn ? columnOf(facts, markColumn) : undefined;
  if (mark && mark.type !== 'boolean' && mark.type !== 'date' && !isInstant(mark.type)) {
    findings.push({
      severity: 'error',
      column: mark.name,
      message: `${mark.name} is of type ${mark.type} and can’t mark a deletion.`,
      remedy: 'Name a boolean or timestamp column as `markColumn`.',
    });
  }
  const id = table.hubspotIdColumn ? columnOf(facts, table.hubspotIdColumn) : undefined;
  if (id && !isText(id.type) && id.type !== 'bigint' && !id.type.startsWith('numeric')) {
    findings.push({
      severity: 'error',
      column: id.name,
      message: `${id.name} is of type ${id.type}; HubSpot’s ids have twelve digits and more.`,
      remedy: 'Name a text or bigint column as `hubspotIdColumn`.',
    });
  }
  return findings;
}

/** A delete names the row by its replica identity: the key must lie inside. */
function checkIdentity(table: TableMapping, facts: TableFacts): Finding[] {
  if (facts.replicaIdentity === 'full') return [];
  const outside = table.key.filter((column) => !facts.identityColumns.includes(column));
  if (outside.length === 0) return [];
  return [
    {
      severity: 'error',
      column: outside[0] as string,
      message: `The replica identity of ${table.schema}.${table.name} doesn’t cover the key (${outside.join(', ')}): deletes couldn’t be told apart.`,
      remedy: `Map the primary key as \`key\`, or run \`ALTER TABLE ${table.sql} ADD PRIMARY KEY (${table.key.join(', ')})\`.`,
    },
  ];
}

/** Whether a record that was made in HubSpot can become a row. */
function checkBirth(table: TableMapping, facts: TableFacts): Finding[] {
  if (table.rowId === undefined) return [];
  const findings: Finding[] = [];
  const [keyColumn] = table.key;
  const key = columnOf(facts, keyColumn ?? '');
  const numeric = /^\d+$/.test(table.rowId.format('1'));
  const takesText = key && isText(key.type) && key.type !== 'uuid';
  if (key && !takesText && !isOwn(key.type) && !(numeric && isNumber(key.type))) {
    findings.push({
      severity: 'error',
      column: key.name,
      message: `${key.name} is of type ${key.type}, which the ids of \`id: ${table.rowId.format('{id}')}\` don’t fit.`,
      remedy: 'Remove `id`: HubSpot’s new records then make no rows. Or make the key a text.',
    });
  }
  const empty = columnsWithoutValue(table, facts);
  if (empty.length > 0) {
    findings.push({
      severity: 'warning',
      column: empty[0] as string,
      message: `Records made in HubSpot can’t become rows: nothing fills ${empty.join(', ')}, which may not be null.`,
      remedy: 'Give values under `defaults`, or the columns a DEFAULT in the database.',
    });
  }
  return findings;
}
