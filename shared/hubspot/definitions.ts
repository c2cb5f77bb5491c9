/**
 * What the account is made of: properties, pipelines, owners, the account itself. Asked at start, by
 * doctor, and where a mapping is checked.
 */
import { z } from 'zod';
import type { AskHubSpot } from './ask.ts';
import type { HubSpot, Owner, Pipeline, PropertyDefinition } from './hubspot.ts';

type DefinitionCalls = Pick<
  HubSpot,
  'listProperties' | 'createProperty' | 'listPipelines' | 'listOwners' | 'accountDetails'
>;

const flag = z
  .boolean()
  .nullish()
  .transform((value) => value ?? false);
const text = z
  .string()
  .nullish()
  .transform((value) => value ?? '');

const propertySchema = z
  .object({
    name: z.string(),
    label: text,
    type: z.string(),
    fieldType: text,
    groupName: text,
    options: z.array(z.object({ label: text, value: z.string(), hidden: flag })).nullish(),
    calculated: flag,
    hasUniqueValue: flag,
    archived: flag,
    modificationMetadata: z.object({ readOnlyValue: flag }).nullish(),
  })
  .transform(
    ({ modificationMetadata, options, ...rest }): PropertyDefinition => ({
      ...rest,
      options: options ?? [],
      // `calculated` says less: the last-modified times are read-only and not calculated.
      readOnlyValue: modificationMetadata?.readOnlyValue ?? false,
    }),
  );

const metadata = z
  .record(z.string(), z.union([z.string(), z.number(), z.boolean()]).transform(String))
  .nullish()
  .transform((value) => value ?? {});

const pipelineSchema: z.ZodType<Pipeline> = z.object({
  id: z.string(),
  label: z.string(),
  archived: flag,
  stages: z.array(z.object({ id: z.string(), label: z.string(), archived: flag, metadata })),
});

const ownerSchema: z.ZodType<Owner> = z.object({
  id: z.union([z.string(), z.number().transform(String)]),
  email: text,
  archived: flag,
});

const pagingSchema = z.object({
  paging: z.object({ next: z.object({ after: z.string() }).nullish() }).nullish(),
});

export function createDefinitionCalls(
  ask: AskHubSpot,
  onTimeZone: (zone: string) => void,
): DefinitionCalls {
  return {
    listProperties(object, options) {
      const schema = z.object({ results: z.array(propertySchema) });
      return ask(
        'listProperties',
        { from: object, options },
        (answer) => schema.parse(answer.body).results,
      );
    },

    createProperty(object, definition, options) {
      return ask('createProperty', { from: object, body: definition, options }, (answer) =>
        propertySchema.parse(answer.body),
      );
    },

    listPipelines(object, options) {
      const schema = z.object({ results: z.array(pipelineSchema) });
      return ask(
        'listPipelines',
        { from: object, options },
        (answer) => schema.parse(answer.body).results,
      );
    },

    async listOwners(options) {
      const schema = z.object({ results: z.array(ownerSchema) });
      const owners: Owner[] = [];
      let after: string | undefined;
      do {
        const query = { limit: '100', ...(after === undefined ? {} : { after }) };
        const page = await ask('listOwners', { query, options }, ({ body }) => ({
          owners: schema.parse(body).results,
          after: pagingSchema.parse(body).paging?.next?.after,
        }));
        owners.push(...page.owners);
        after = page.after;
      } while (after !== undefined);
      return owners;
    },

    async accountDetails(options) {
      const schema = z.object({ portalId: z.number(), timeZone: z.string().default('UTC') });
      const details = await ask('accountDetails', { options }, (answer) =>
        schema.parse(answer.body),
      );
      // The day of the request budget ends at midnight there.
      onTimeZone(details.timeZone);
      return details;
    },
  };
}
