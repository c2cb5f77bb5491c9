/**
 * One batch to HubSpot, and what became of each of its records. A batch that is refused as a whole
 * is halved until the bad record stands alone; a property that is refused is never bisected, since
 * every record of the batch holds it.
 */
import type { HubSpotError, ItemError } from '../../shared/hubspot/errors.ts';
import type {
  BatchAnswer,
  CallOptions,
  DateBracket,
  HubSpot,
  RecordAnswer,
} from '../../shared/hubspot/hubspot.ts';
import type { Events } from '../../shared/service/events.ts';
import { type Batch, splitBatch } from './batch.ts';
import type { Claimed, Outcome } from './claimed.ts';

export interface SendContext {
  readonly hubspot: HubSpot;
  readonly events: Events;
  /** What was thrown, when it is no failed call of HubSpot's. */
  readonly asHubSpotError: (thrown: unknown) => HubSpotError;
}

/** An outcome for every record of the batch, by its request. Throws nothing. */
export async function sendBatch(
  context: SendContext,
  batch: Batch,
  options: CallOptions,
): Promise<Map<string, Outcome>> {
  const started = performance.now();
  const [first] = batch;
  if (!first) return new Map();
  const tell = (status: number | 'unknown', refused: number) =>
    context.events.emit('batch:sent', {
      object: first.object,
      operation: first.operation,
      size: batch.length,
      refused,
      tookMs: Math.round(performance.now() - started),
      status,
    });
  try {
    const { outcomes, status } = await call(context.hubspot, batch, options);
    const refused = [...outcomes.values()].filter((o) => /refused|missing/.test(o.kind)).length;
    tell(status, refused);
    return outcomes;
  } catch (thrown) {
    const error = context.asHubSpotError(thrown);
    tell(error.status ?? 'unknown', batch.length);
    return outcomesOf(context, batch, error, options);
  }
}

async function call(
  hubspot: HubSpot,
  batch: Batch,
  options: CallOptions,
): Promise<{ outcomes: Map<string, Outcome>; status: number }> {
  const [{ object, operation, table }] = batch as [Claimed];
  switch (operation) {
    case 'update': {
      const answer = await hubspot.updateBatch(
        object,
        batch.map(({ hubspotId, wire, request }) => ({
          id: hubspotId as string,
          properties: wire,
          traceId: request,
        })),
        options,
      );
      return { outcomes: match(batch, answer), status: answer.status };
    }
    case 'upsert': {
      const answer = await hubspot.upsertBatch(
        object,
        table.idProperty,
        batch.map(({ keyValue, wire, request }) => ({
          key: keyValue as string,
          properties: wire,
          traceId: request,
        })),
        options,
      );
      return { outcomes: match(batch, answer), status: answer.status };
    }
    case 'archive': {
      const { date } = await hubspot.archiveBatch(
        object,
        batch.map(({ hubspotId }) => hubspotId as string),
        options,
      );
      return { outcomes: all(batch, { kind: 'archived', date }), status: 204 };
    }
    case 'associate':
      return associate(hubspot, batch, options);
  }
}

/**
 * The new primary is written before the old one is taken away (or stays as a plain association),
 * and an old one is only taken away where the new one was written.
 */
async function associate(hubspot: HubSpot, batch: Batch, options: CallOptions) {
  const [{ object, association, table }] = batch as [Claimed];
  const toObject = association?.toObject ?? '';
  const typeId = table.associations.find((a) => a.name === association?.name)?.typeId ?? 0;
  const failed = new Map<string, Outcome>();
  let date: DateBracket = { low: 0, high: 0 };
  let status = 200;
  const made = batch.filter((item) => item.association?.to);
  if (made.length > 0) {
    const answer = await hubspot.createAssociations(
      object,
      toObject,
      made.map(({ hubspotId, association: a }) => ({
        from: hubspotId as string,
        to: a?.to as string,
        types: [{ category: 'HUBSPOT_DEFINED', typeId }],
      })),
      options,
    );
    ({ date, status } = answer);
    noteFailed(failed, made, answer.errors);
  }
  const ended = batch.filter(
    ({ request, association: a }) => a?.replaces && a.replaces !== a.to && !failed.has(request),
  );
  if (ended.length > 0) {
    const answer = await hubspot.archiveAssociations(
      object,
      toObject,
      ended.map(({ hubspotId, association: a }) => ({
        from: hubspotId as string,
        to: [a?.replaces as string],
      })),
      options,
    );
    date = date.high === 0 ? answer.date : { low: date.low, high: answer.date.high };
    noteFailed(failed, ended, answer.errors);
  }
  return { outcomes: new Map([...all(batch, { kind: 'associated', date }), ...failed]), status };
}

function noteFailed(
  failed: Map<string, Outcome>,
  items: Batch,
  errors: readonly ItemError[],
): void {
  for (const error of errors) {
    // An error that names nobody may be about any of them: none is taken for done.
    const about = items.filter(
      ({ hubspotId }) => error.ids.length === 0 || error.ids.includes(hubspotId ?? ''),
    );
    for (const { request } of about) {
      const gone = /INVALID_OBJECT_IDS/.test(error.subCategory ?? '');
      failed.set(request, gone ? { kind: 'missing', error } : ofItemError(error));
    }
  }
}

/** Results come in no order: matched by trace id, else by HubSpot id, else by the key. */
function match(batch: Batch, answer: BatchAnswer): Map<string, Outcome> {
  const byRequest = new Map(batch.map((item) => [item.request, item]));
  const byId = new Map(batch.flatMap((item) => (item.hubspotId ? [[item.hubspotId, item]] : [])));
  const byKey = new Map(batch.map((item) => [item.keyValue ?? '', item]));
  const itemOf = (result: RecordAnswer, idProperty: string) =>
    byRequest.get(result.traceId ?? '') ??
    byId.get(result.id) ??
    byKey.get(result.key ?? result.properties[idProperty] ?? '');
  const outcomes = new Map<string, Outcome>();
  const { startedAt, completedAt, correlationId } = answer;
  for (const result of answer.results) {
    const item = itemOf(result, batch[0]?.table.idProperty ?? '');
    if (!item) continue;
    outcomes.set(item.request, {
      kind: 'answered',
      answer: result,
      startedAt,
      completedAt,
      ...(correlationId === undefined ? {} : { correlationId }),
    });
  }
  for (const error of answer.errors) {
    const about = [
      ...error.traceIds.map((id) => byRequest.get(id)),
      ...error.ids.map((id) => byId.get(id) ?? byKey.get(id)),
    ];
    for (const item of about) {
      if (item && !outcomes.has(item.request)) {
        outcomes.set(item.request, ofItemError(error, item));
      }
    }
  }
  for (const item of batch) {
    if (!outcomes.has(item.request)) {
      outcomes.set(item.request, { kind: 'unknown', code: 'HUBSPOT_UNANSWERED' });
    }
  }
  return outcomes;
}

function ofItemError(error: ItemError, item?: Claimed): Outcome {
  if (error.code === 'HUBSPOT_NOT_FOUND') return { kind: 'missing', error };
  switch (error.disposition) {
    case 'property':
      // A property that it doesn't carry can't leave it: then it is the record that is refused.
      return { kind: item && carries(item, error) ? 'property-refused' : 'refused', error };
    case 'split':
      return { kind: 'refused', error };
    case 'doubt':
      return { kind: 'unknown', code: error.code };
    default:
      return { kind: 'not-done', code: error.code };
  }
}

async function outcomesOf(
  context: SendContext,
  batch: Batch,
  error: HubSpotError,
  options: CallOptions,
): Promise<Map<string, Outcome>> {
  if (error.outcome === 'unknown') return all(batch, { kind: 'unknown', code: error.code });
  const item = error.items.find((one) => one.disposition === error.disposition) ?? error.items[0];
  if (error.disposition === 'property' && item) {
    const refused = { ...item, properties: error.properties };
    if (batch.some((one) => carries(one, refused))) return dropFrom(batch, refused);
  } else if (error.disposition !== 'split') {
    const { code, retryAfterMs } = error;
    return all(batch, {
      kind: 'not-done',
      code,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  }
  if (batch.length === 1) return all(batch, refusalOf(error));
  const [first, second] = splitBatch(batch);
  const halves = await Promise.all([
    sendBatch(context, first, options),
    sendBatch(context, second, options),
  ]);
  return new Map(halves.flatMap((half) => [...half]));
}

/** The properties leave those that carry them; the others were only in their company. */
function dropFrom(batch: Batch, error: ItemError): Map<string, Outcome> {
  return new Map(
    batch.map((one): [string, Outcome] => [
      one.request,
      carries(one, error)
        ? { kind: 'property-refused', error }
        : { kind: 'not-done', code: error.code, retryAfterMs: 0 },
    ]),
  );
}

function carries({ wire }: Claimed, { properties }: ItemError): boolean {
  return properties.some((name) => Object.hasOwn(wire, name));
}

function refusalOf(error: HubSpotError): Outcome {
  const item: ItemError = error.items[0] ?? {
    code: error.code,
    disposition: 'split',
    message: error.hubspotMessage || error.message,
    reasons: [],
    traceIds: [],
    ids: [],
    properties: error.properties,
    existingIds: [],
    ...(error.correlationId === undefined ? {} : { correlationId: error.correlationId }),
  };
  if (error.code === 'HUBSPOT_NOT_FOUND') return { kind: 'missing', error: item };
  return { kind: 'refused', error: { ...item, properties: error.properties } };
}

function all(batch: Batch, outcome: Outcome): Map<string, Outcome> {
  return new Map(batch.map((item) => [item.request, outcome]));
}
