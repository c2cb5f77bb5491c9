/** The shape of sync.yaml, as zod sees it: what may be written, and what each part means. */
import { z } from 'zod';

const name = z.string().min(1, 'must not be empty');

const deletes = z
  .strictObject({
    outbound: z
      .enum(['archive', 'ignore'])
      .default('archive')
      .describe('What deleting a row does in HubSpot.'),
    inbound: z
      .enum(['keep', 'mark', 'delete'])
      .default('keep')
      .describe('What a deletion in HubSpot does to the row.'),
    markColumn: name
      .optional()
      .describe('For `mark`: a boolean column (set to true) or a timestamp column (set to now).'),
  })
  .describe('What becomes of the one side when a record of the other is deleted.');

const values = z
  .record(name, name)
  .describe('The column’s values to HubSpot’s option ids; each option once.');

const property = z
  .strictObject({
    column: name.describe('The column of the table.'),
    type: z
      .enum([
        'text',
        'number',
        'boolean',
        'date',
        'datetime',
        'enumeration',
        'multi-enumeration',
        'email',
        'domain',
        'phone',
      ])
      .default('text')
      .describe('How values are converted and when two are equal.'),
    as: z
      .enum(['date', 'datetime', 'array', 'text'])
      .optional()
      .describe(
        'For `date`: whether the HubSpot property is a date (default) or a datetime that stands for a day. For `multi-enumeration`: whether the column is an array or a text (default).',
      ),
    separator: z.string().min(1).optional().describe('For `multi-enumeration` in a text: `;`.'),
    zone: name.optional().describe('Time zone of the calendar day of a datetime; default: UTC.'),
    values: values.optional(),
    direction: z
      .enum(['both', 'outbound', 'inbound'])
      .default('both')
      .describe('Which way changes travel.'),
    policy: z
      .enum(['hubspot', 'postgres', 'latest', 'fill_if_empty'])
      .default('hubspot')
      .describe('Who wins when both sides changed it.'),
    required: z
      .boolean()
      .default(false)
      .describe('A row is made only from a HubSpot record that has it.'),
    personal: z.boolean().default(false).describe('Personal data: never shown in a log.'),
    sendWith: z
      .record(name, z.string())
      .default({})
      .describe('Constant properties that are sent along, such as `pipeline: default`.'),
  })
  .describe('One HubSpot property and its column.');

const association = z
  .strictObject({
    column: name.describe('The foreign key.'),
    to: name.describe('HubSpot’s name of the other object type, mapped in this file too.'),
    type: z
      .number()
      .int()
      .positive()
      .optional()
      .describe('Association type id; default: the primary one, where HubSpot defines it.'),
  })
  .describe('A foreign key that is an association in HubSpot.');

const table = z
  .strictObject({
    table: name.describe('Table, with its schema where that isn’t `public`.'),
    object: name.describe('HubSpot’s name of the object type: `deals`, `2-12345`.'),
    key: z
      .union([name, z.array(name).min(1)])
      .default('id')
      .describe('Column or columns of the row’s key.'),
    idProperty: name.describe(
      'A HubSpot property with unique values that holds the key; `doctor --fix` creates it.',
    ),
    id: z
      .string()
      .regex(/\{id\}/, 'must contain {id}, such as hs_{id}')
      .optional()
      .describe('Key of a row that is made from a HubSpot record.'),
    hubspotIdColumn: name.optional().describe('A column that receives the HubSpot id.'),
    properties: z
      .record(name, z.union([name, property]))
      .describe('By HubSpot property: the column’s name, or an object that says more.'),
    associations: z.array(association).default([]),
    deletes: deletes.default({ outbound: 'archive', inbound: 'keep' }),
    defaults: z
      .record(name, z.string())
      .default({})
      .describe('Texts for unmapped NOT NULL columns of rows that are made from HubSpot records.'),
    automation: z
      .enum(['rows', 'ignore'])
      .default('ignore')
      .describe('Whether records that HubSpot makes by itself become rows.'),
  })
  .describe('One table and one object type.');

export const mappingFile = z
  .strictObject({
    zone: name.default('UTC').describe('Time zone of calendar days.'),
    tables: z.array(table).min(1, 'must name at least one table'),
  })
  .describe('Which tables and columns are kept equal with which HubSpot objects and properties.');

export type MappingFile = z.infer<typeof mappingFile>;
export type TableEntry = MappingFile['tables'][number];
export type PropertyEntry = z.infer<typeof property>;
export type AssociationEntry = TableEntry['associations'][number];

/** The settings that a part of the file knows, by where it stands. */
export function settingsAt(path: readonly PropertyKey[]): readonly string[] {
  if (path.length === 0) return Object.keys(mappingFile.shape);
  if (path.at(-1) === 'deletes') return Object.keys(deletes.shape);
  if (path.at(-2) === 'properties') return Object.keys(property.shape);
  if (path.at(-2) === 'associations') return Object.keys(association.shape);
  return Object.keys(table.shape);
}

/** A property entry in its long form. */
export function propertyEntry(entry: string | PropertyEntry): PropertyEntry {
  return typeof entry === 'string' ? property.parse({ column: entry }) : entry;
}

/**
 * For editors: `# yaml-language-server: $schema=…`. In maps of texts a number is taken as it is written,
 * which zod doesn't get to see: the editor is told so here.
 */
export function mappingJsonSchema(): unknown {
  return z.toJSONSchema(mappingFile, {
    io: 'input',
    target: 'draft-7',
    override({ jsonSchema }) {
      const texts = jsonSchema.additionalProperties;
      if (typeof texts === 'object' && texts.type === 'string') {
        jsonSchema.additionalProperties = {
          ...texts,
          type: ['string', 'number', 'boolean'],
        } as never;
      }
    },
  });
}
