/**
 * HubSpot over HTTP: each call of the interface becomes one request of the version's table, takes its
 * turn in the limiter (ask.ts), and its answer is read by shape (answers.ts, definitions.ts).
 */
import type { Config } from '../service/config.ts';
import type { Events } from '../service/events.ts';
import * as answers from './answers.ts';
import { type Answer, createAsk } from './ask.ts';
import * as pairs from './association-answers.ts';
import { createDefinitionCalls } from './definitions.ts';
import { type AssociationRow, batchSizes, type HubSpot } from './hubspot.ts';
import { createLimiter } from './limiter.ts';
import { createTransport } from './transport.ts';
import { callsOf } from './versions.ts';

export interface HubSpotOptions {
  readonly settings: Pick<
    Config['hubspot'],
    | 'accessToken'
    | 'baseUrl'
    | 'apiVersion'
    | 'rateLimit'
    | 'searchLimit'
    | 'dailyLimit'
    | 'reservePercent'
    | 'callTimeoutMs'
  >;
  readonly events: Events;
  /** Requests to the associations API per 10 s: 100 (Free and Starter, the default) or 150. */
  readonly associationsLimit?: number;
}

export function createHubSpot(options: HubSpotOptions): HubSpot {
  const { settings, events, associationsLimit } = options;
  const limiter = createLimiter({
    rateLimit: settings.rateLimit,
    searchLimit: settings.searchLimit,
    dailyLimit: settings.dailyLimit,
    reservePercent: settings.reservePercent,
    ...(associationsLimit === undefined ? {} : { associationsLimit }),
  });
  const send = createTransport({
    accessToken: settings.accessToken,
    baseUrl: settings.baseUrl,
    timeoutMs: settings.callTimeoutMs,
    events,
  });

  const ask = createAsk({ calls: callsOf(settings.apiVersion), limiter, send, events });

  const hubspot: HubSpot = {
    ...createDefinitionCalls(ask, (zone) => limiter.setTimeZone(zone)),

    updateBatch(object, inputs, callOptions) {
      checkSize(inputs, batchSizes.write);
      const body = {
        inputs: inputs.map(({ id, properties, traceId }) => ({
          id,
          properties,
          objectWriteTraceId: traceId,
        })),
      };
      return ask('update', { from: object, body, options: callOptions }, (answer) => {
        const batch = answers.readBatch(answer, answer.date);
        return answers.accountForInputs(
          {
            ...batch,
            ...correlation(answer),
            results: answers.matchUpdates(batch.results, inputs),
          },
          inputs.map(({ id, traceId }) => ({ name: id, traceId })),
        );
      });
    },

    upsertBatch(object, idProperty, inputs, callOptions) {
      checkSize(inputs, batchSizes.write);
      const body = {
        inputs: inputs.map(({ key, properties, traceId }) => ({
          id: key,
          idProperty,
          properties,
          objectWriteTraceId: traceId,
        })),
      };
      return ask('upsert', { from: object, body, idProperty, options: callOptions }, (answer) => {
        const batch = answers.readBatch(answer, answer.date, idProperty);
        const results = answers.matchUpserts(batch.results, idProperty, inputs);
        return answers.accountForInputs(
          { ...batch, ...correlation(answer), results },
          inputs.map(({ key, traceId }) => ({ name: key, traceId })),
        );
      });
    },

    archiveBatch(object, ids, callOptions) {
      checkSize(ids, batchSizes.write);
      const body = { inputs: ids.map((id) => ({ id })) };
      return ask('archive', { from: object, body, options: callOptions }, ({ date }) => ({ date }));
    },

    readBatch(object, request, callOptions) {
      const { ids, idProperty, properties, withHistory = false, archived = false } = request;
      checkSize(ids, withHistory ? batchSizes.history : batchSizes.read);
      const asked =
        idProperty === undefined ? properties : [...new Set([...properties, idProperty])];
      const body = {
        inputs: ids.map((id) => ({ id })),
        properties: asked,
        propertiesWithHistory: withHistory ? properties : [],
        ...(idProperty === undefined ? {} : { idProperty }),
      };
      const query = archived ? { query: { archived: 'true' } } : {};
      return ask('read', { from: object, body, ...query, options: callOptions }, (answer) => {
        const batch = answers.readBatch(answer, answer.date);
        answers.refuseFailedReads(batch.errors, batch.status);
        return answers.accountForReads({ ...batch, ...correlation(answer) }, ids, idProperty);
      });
    },

    search(object, request, callOptions) {
      const { filters, sort, properties = [], limit = batchSizes.search, after } = request;
      const body = {
        filterGroups: filters.length > 0 ? [{ filters }] : [],
        ...(sort === undefined ? {} : { sorts: [sort] }),
        properties,
        limit,
        ...(after === undefined ? {} : { after }),
      };
      return ask('search', { from: object, body, options: callOptions }, (answer) =>
        answers.readPage(answer.body),
      );
    },

    list(object, request = {}, callOptions) {
      const { limit = batchSizes.list, after, properties = [], archived = false } = request;
      const query = {
        limit: String(limit),
        ...(after === undefined ? {} : { after }),
        ...(properties.length === 0 ? {} : { properties: properties.join(',') }),
        ...(archived ? { archived: 'true' } : {}),
      };
      return ask('list', { from: object, query, options: callOptions }, (answer) => {
        const { results, after: next } = answers.readPage(answer.body);
        return next === undefined ? { results } : { results, after: next };
      });
    },

    async readAssociations(from, to, ids, callOptions) {
      checkSize(ids, batchSizes.associations);
      const rows: AssociationRow[] = ids.map((id) => ({ from: id, to: [] }));
      let inputs: readonly { id: string; after?: string }[] = ids.map((id) => ({ id }));
      while (inputs.length > 0) {
        const asked = { from, to, body: { inputs }, options: callOptions };
        const page = await ask('readAssociations', asked, (answer) => {
          answers.refuseFailedReads(answers.readItemErrors(answer.body), answer.status);
          return pairs.readAssociationRows(answer.body);
        });
        rows.push(...page);
        inputs = page.flatMap(({ from: id, after }) =>
          after === undefined ? [] : [{ id, after }],
        );
      }
      return pairs.mergeAssociationRows(rows);
    },

    createAssociations(from, to, inputs, callOptions) {
      checkSize(inputs, batchSizes.associations);
      const body = {
        inputs: inputs.map((input) => ({
          from: { id: input.from },
          to: { id: input.to },
          types: input.types.map(({ category, typeId }) => ({
            associationCategory: category,
            associationTypeId: typeId,
          })),
        })),
      };
      const asked = { from, to, body, options: callOptions };
      return ask('createAssociations', asked, ({ status, date, body: answered }) => ({
        ...{ status, date },
        errors: pairs.readRefusedPairs(answered, inputs),
      }));
    },

    archiveAssociations(from, to, inputs, callOptions) {
      checkSize(inputs, batchSizes.associations);
      const body = {
        inputs: inputs.map((input) => ({
          from: { id: input.from },
          to: input.to.map((id) => ({ id })),
        })),
      };
      const asked = { from, to, body, options: callOptions };
      return ask('archiveAssociations', asked, ({ status, date, body: answered }) => ({
        ...{ status, date },
        // A pair that isn't there is what was asked for.
        errors: answers
          .readItemErrors(answered)
          .filter((error) => error.code !== 'HUBSPOT_NOT_FOUND'),
      }));
    },

    budget: () => limiter.budget(),
    close: () => limiter.close(),
  };
  return hubspot;
}

function correlation({ correlationId }: Answer): { correlationId?: string } {
  return correlationId === undefined ? {} : { correlationId };
}

/** A caller's mistake, not HubSpot's. */
function checkSize(inputs: readonly unknown[], most: number): void {
  if (inputs.length === 0 || inputs.length > most) {
    throw new RangeError(`a call takes 1 to ${most} inputs, not ${inputs.length}`);
  }
}
