/**
 * The mapping against HubSpot's own definitions: does each property exist, does its type fit, can it
 * be written, are the options known. Pure: `doctor` and the start fetch the facts and ask.
 */
import type { HubSpotFacts, ObjectFacts } from '../hubspot/facts.ts';
import type { PropertyDefinition } from '../hubspot/hubspot.ts';
import { checkStage, pipelinePropertyOf } from './check-stage.ts';
import { listOf, type MappingFinding } from './finding.ts';
import type { Mapping, PropertyMapping, TableMapping } from './mapping.ts';
import { nearest } from './nearest.ts';

/** Everything that is wrong; nothing when the mapping fits the account. */
export function checkMappingAgainstHubspot(
  mapping: Mapping,
  facts: HubSpotFacts,
): MappingFinding[] {
  return mapping.tables.flatMap((table) => {
    const found = facts.objects[table.object];
    if (found === undefined) {
      return [
        {
          ...of(table),
          severity: 'error',
          message: `The account has no object type ${table.object}, or the token may not see it.`,
          remedy: `Correct \`object\`, or give the app the scope crm.schemas.${table.object}.read.`,
        },
      ];
    }
    return [
      ...checkKey(table, found),
      ...table.properties.flatMap((property) => checkProperty(table, property, found)),
    ];
  });
}

const of = (table: TableMapping) => ({
  table: `${table.schema}.${table.name}`,
  object: table.object,
});

/** The property that upserts go by. A contact's email is unique without saying so. */
function checkKey(table: TableMapping, facts: ObjectFacts): MappingFinding[] {
  const property = table.idProperty;
  const about = { ...of(table), property, severity: 'error' as const };
  const definition = definitionOf(facts, property);
  if (definition === undefined) {
    return [
      {
        ...about,
        message: `${table.object} has no property ${property}: new rows wait until it exists.`,
        remedy: 'Run `pg-hubspot-sync doctor --fix`.',
        fix: 'create-property',
      },
    ];
  }
  if (!definition.hasUniqueValue && !(table.object === 'contacts' && property === 'email')) {
    return [
      {
        ...about,
        message: `${property} of ${table.object} doesn’t demand unique values: new rows can’t be sent.`,
        remedy:
          'HubSpot decides that when a property is made: write another name as idProperty, then run `pg-hubspot-sync doctor --fix`.',
      },
    ];
  }
  if (definition.type !== 'string' || definition.readOnlyValue) {
    return [
      {
        ...about,
        message: `${property} of ${table.object} is no text that can be written.`,
        remedy: 'Write a text property of your own as idProperty.',
      },
    ];
  }
  return [];
}

function checkProperty(
  table: TableMapping,
  mapping: PropertyMapping,
  facts: ObjectFacts,
): MappingFinding[] {
  const about = { ...of(table), property: mapping.property, column: mapping.column };
  const definition = definitionOf(facts, mapping.property);
  if (definition === undefined) {
    const names = facts.properties.map(({ name }) => name);
    const likely = nearest(mapping.property, names);
    return [
      {
        ...about,
        severity: 'error',
        message: `${table.object} has no property ${mapping.property}.`,
        remedy: likely
          ? `Did you mean ${likely}?`
          : 'Write the internal name, which HubSpot shows beside the property’s label (</>).',
      },
    ];
  }
  const misfit = misfitOf(mapping, definition);
  return [
    ...(misfit ? [{ ...about, ...misfit }] : []),
    ...checkDirection(mapping, definition).map((finding) => ({ ...about, ...finding })),
    ...(pipelinePropertyOf(mapping)
      ? checkStage(table, mapping, facts)
      : checkOptions(mapping, definition).map((finding) => ({ ...about, ...finding }))),
    ...checkCompanions(mapping, facts).map((finding) => ({ ...about, ...finding })),
  ];
}

function definitionOf(facts: ObjectFacts, name: string): PropertyDefinition | undefined {
  return facts.properties.find((property) => property.name === name && !property.archived);
}

type Finding = Pick<MappingFinding, 'severity' | 'message' | 'remedy'>;

const texts = ['string', 'phone_number'];

/** Types of HubSpot that a codec reads and writes without a second thought. */
const hubspotTypes: Readonly<Record<string, readonly string[]>> = {
  // An option's id is a text too: an owner, or an enumeration whose ids the column holds as they are.
  text: [...texts, 'enumeration', 'json'],
  email: texts,
  domain: texts,
  phone: texts,
  number: ['number', 'currency_number'],
  boolean: ['bool'],
  date: ['date'],
  day: ['datetime'],
  datetime: ['datetime'],
  enumeration: ['enumeration', 'bool'],
  'multi-enumeration': ['enumeration'],
};

/** What to write in the mapping for a type of HubSpot. */
const settingFor: Readonly<Record<string, string>> = {
  number: '`type: number`',
  currency_number: '`type: number`',
  bool: '`type: boolean`',
  date: '`type: date`',
  datetime: '`type: datetime`, or `type: date` with `as: datetime` for a calendar day',
  enumeration: '`type: enumeration`',
};

function misfitOf({ codec }: PropertyMapping, definition: PropertyDefinition): Finding | undefined {
  const { name, type, fieldType } = definition;
  const several = fieldType === 'checkbox';
  if (codec.kind === 'boolean' && fieldType === 'booleancheckbox') return undefined;
  if (type === 'enumeration' && several && codec.kind !== 'multi-enumeration') {
    return {
      severity: 'error',
      message: `${name} holds several options at once; the mapping’s type is for one value.`,
      remedy: 'Write `type: multi-enumeration`.',
    };
  }
  if (codec.kind === 'multi-enumeration' && type === 'enumeration' && !several) {
    return {
      severity: 'error',
      message: `${name} holds one option; the mapping’s type is for several.`,
      remedy: 'Write `type: enumeration`.',
    };
  }
  if (hubspotTypes[codec.kind]?.includes(type) ?? true) return undefined;
  return {
    severity: 'error',
    message: `${name} has the type ${type} in HubSpot, which the mapping’s type doesn’t fit.`,
    remedy: `Write ${settingFor[type] ?? '`type: text`'}.`,
  };
}

/** HubSpot announces no change of these, whatever is subscribed. */
const neverAnnounced = ['hs_lastmodifieddate', 'lastmodifieddate', 'num_unique_conversion_events'];

function checkDirection(
  { direction }: PropertyMapping,
  { name, readOnlyValue, calculated, fieldType }: PropertyDefinition,
): Finding[] {
  const findings: Finding[] = [];
  if (readOnlyValue && direction !== 'inbound') {
    findings.push({
      severity: 'error',
      message: `${name} can’t be written in HubSpot.`,
      remedy: 'Write `direction: inbound`.',
    });
  }
  if ((calculated || neverAnnounced.includes(name)) && direction !== 'outbound') {
    findings.push({
      severity: 'warning',
      message: `HubSpot sends no webhook for changes of ${name}: they come in with the next reading only.`,
      remedy: 'Live with the delay until `reconcile`, or take it out of the mapping.',
    });
  }
  if (fieldType === 'html' && direction !== 'inbound') {
    findings.push({
      severity: 'warning',
      message: `${name} is rich text, which HubSpot rewrites: what is stored differs from what was sent.`,
      remedy: 'Write `direction: inbound`, or map a plain text property.',
    });
  }
  return findings;
}

/** The value map against the options; a list that HubSpot keeps elsewhere comes empty and says nothing. */
function checkOptions(
  { codec, direction }: PropertyMapping,
  { name, options }: PropertyDefinition,
): Finding[] {
  const { values } = codec;
  if (values === undefined || options.length === 0) return [];
  const findings: Finding[] = [];
  const ids = options.map(({ value }) => value);
  const mapped = Object.entries(values);
  const unknown = mapped.filter(([, id]) => !ids.includes(id));
  for (const [label, id] of unknown) {
    const likely =
      options.find((option) => option.label.toLowerCase() === label.toLowerCase())?.value ??
      nearest(id, ids);
    findings.push({
      severity: 'error',
      message: `${name} has no option ${id} (value ${label}).`,
      remedy: likely ? `Did you mean ${likely}?` : `The options are: ${listOf(ids)}.`,
    });
  }
  for (const [label, id] of mapped.filter(([, known]) => ids.includes(known))) {
    const namesakes = options.filter(
      (option) => option.label.toLowerCase() === label.toLowerCase(),
    );
    if (namesakes.length === 0 || namesakes.some(({ value }) => value === id)) continue;
    findings.push({
      severity: 'warning',
      message: `The value ${label} stands for option ${id} of ${name}; HubSpot shows that label for ${listOf(namesakes.map(({ value }) => value))}.`,
      remedy: 'Check that the two weren’t mixed up.',
    });
  }
  const without = options.filter(
    ({ value, hidden }) => !hidden && !Object.values(values).includes(value),
  );
  if (direction !== 'outbound' && without.length > 0) {
    findings.push({
      severity: 'warning',
      message: `${name} has options without a value in the mapping: ${listOf(without.map(({ value }) => value))}. Coming from HubSpot they are refused.`,
      remedy: 'Add them to `values`.',
    });
  }
  return findings;
}

/** What is sent along must exist, be writable and be an option. */
function checkCompanions(mapping: PropertyMapping, facts: ObjectFacts): Finding[] {
  if (mapping.direction === 'inbound') return [];
  return Object.entries(mapping.sendWith).flatMap(([name, value]): Finding[] => {
    // A stage's pipeline has been looked at with the stage.
    if (name === pipelinePropertyOf(mapping)) return [];
    const definition = definitionOf(facts, name);
    if (definition === undefined || definition.readOnlyValue) {
      return [
        {
          severity: 'error',
          message: `\`sendWith\` names ${name}, which ${definition ? 'can’t be written' : 'doesn’t exist'}.`,
          remedy: 'Correct the name, or remove it.',
        },
      ];
    }
    const ids = definition.options.map((option) => option.value);
    if (ids.length === 0 || ids.includes(value)) return [];
    return [
      {
        severity: 'error',
        message: `\`sendWith\` gives ${name} a value that is none of its options.`,
        remedy: `The options are: ${listOf(ids)}.`,
      },
    ];
  });
}
