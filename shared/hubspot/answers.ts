/**
 * Reads the bodies of HubSpot's good answers. A body of another shape is no answer: for a write that
 * means that its outcome is unknown.
 */
import { z } from 'zod';
import { readErrors } from './error-bodies.ts';
import { HubSpotError, type ItemError } from './errors.ts';
import type { BatchAnswer, DateBracket, HistoryItem, ReadAnswer, RecordAnswer } from './hubspot.ts';

/** HubSpot's ids are text in most answers, and numbers in some of the associations API. */
export const id = z.union([z.string(), z.number().transform(String)]);
const value = z
  .union([z.string(), z.number(), z.boolean(), z.null()])
  .transform((raw) => (raw === null ? null : String(raw)));
const time = z.string().transform((text) => {
  const millis = Date.parse(text);
  return Number.isNaN(millis) ? undefined : millis;
});

const historySchema = z.object({
  value: value.optional(),
  timestamp: time,
  sourceType: z.string().optional(),
  sourceId: id.nullish(),
});

const recordSchema = z.object({
  id,
  properties: z.record(z.string(), value).default({}),
  propertiesWithHistory: z.record(z.string(), z.array(historySchema)).nullish(),
  createdAt: time.nullish(),
  updatedAt: time.nullish(),
  archived: z.boolean().nullish(),
  archivedAt: time.nullish(),
  new: z.boolean().nullish(),
  objectWriteTraceId: z.string().nullish(),
});

const batchSchema = z.object({
  results: z.array(recordSchema),
  startedAt: time.nullish(),
  completedAt: time.nullish(),
});

const pageSchema = z.object({
  results: z.array(recordSchema),
  total: z.number().optional(),
  paging: z.object({ next: z.object({ after: id }).nullish() }).nullish(),
});

type Record_ = z.infer<typeof recordSchema>;

/** @throws ZodError for a body of another shape, as all of these do. */
export function readBatch(
  answer: { readonly status: number; readonly body: unknown },
  date: DateBracket,
  idProperty?: string,
): Omit<BatchAnswer, 'unanswered'> {
  const body = batchSchema.parse(answer.body);
  return {
    status: answer.status,
    results: body.results.map(toRecord),
    errors: readItemErrors(answer.body, idProperty),
    startedAt: body.startedAt ?? date.low,
    completedAt: body.completedAt ?? date.high,
    date,
  };
}

/** The errors beside the results; found under any status, since `errors` may sit in a 200. */
export function readItemErrors(body: unknown, idProperty?: string): readonly ItemError[] {
  const list =
    typeof body === 'object' && body !== null ? (body as { errors?: unknown }).errors : undefined;
  return Array.isArray(list) ? list.flatMap((entry) => readErrors(entry, { idProperty })) : [];
}

export function readPage(body: unknown): {
  readonly results: readonly RecordAnswer[];
  readonly total: number;
  readonly after?: string;
} {
  const page = pageSchema.parse(body);
  const after = page.paging?.next?.after;
  return {
    results: page.results.map(toRecord),
    total: page.total ?? page.results.length,
    ...(after === undefined ? {} : { after }),
  };
}

/**
 * Gives each result of an upsert the input it answers: by trace id, by the unique property, or because
 * there was one of each. HubSpot lower-cases emails, and may trim; a key that still fits nothing stays
 * unmatched, and its input unanswered.
 */
export function matchUpserts(
  results: readonly RecordAnswer[],
  idProperty: string,
  inputs: readonly { readonly key: string; readonly traceId: string }[],
): readonly RecordAnswer[] {
  const byTrace = new Map(inputs.map((input) => [input.traceId, input]));
  const byKey = new Map(inputs.map((input) => [foldKey(input.key), input]));
  return results.map((result) => {
    const held = result.properties[idProperty];
    const input =
      (result.traceId === undefined ? undefined : byTrace.get(result.traceId)) ??
      (held === undefined || held === null ? undefined : byKey.get(foldKey(held))) ??
      (inputs.length === 1 && results.length === 1 ? inputs[0] : undefined);
    return input === undefined ? result : { ...result, key: input.key, traceId: input.traceId };
  });
}

function foldKey(key: string): string {
  return key.trim().toLowerCase();
}

/** Gives each result of an update its input's trace id; they are matched by HubSpot id. */
export function matchUpdates(
  results: readonly RecordAnswer[],
  inputs: readonly { readonly id: string; readonly traceId: string }[],
): readonly RecordAnswer[] {
  const byId = new Map(inputs.map((input) => [input.id, input.traceId]));
  return results.map((result) => {
    const traceId = byId.get(result.id) ?? result.traceId;
    return traceId === undefined ? result : { ...result, traceId };
  });
}

/**
 * Names the inputs of each error by both of their names, so that a caller may look for either, and
 * lists the inputs of which the answer says nothing.
 */
export function accountForInputs(
  answer: Omit<BatchAnswer, 'unanswered'>,
  inputs: readonly { readonly name: string; readonly traceId: string }[],
): BatchAnswer {
  const nameOf = new Map(inputs.map((input) => [input.traceId, input.name]));
  const traceOf = new Map(inputs.map((input) => [input.name, input.traceId]));
  const errors = answer.errors.map((error) => ({
    ...error,
    ids: union(error.ids, error.traceIds, nameOf),
    traceIds: union(error.traceIds, error.ids, traceOf),
  }));
  const spoken = new Set([
    ...answer.results.map((result) => result.traceId),
    ...errors.flatMap((error) => error.traceIds),
  ]);
  const silent = inputs.filter((input) => !spoken.has(input.traceId));
  // One input and one error: that it names neither leaves nothing open.
  if (inputs.length === 1 && silent.length === 1 && errors.length > 0) {
    const [{ name, traceId }] = silent as [(typeof silent)[number]];
    const named = errors.map((error) => ({ ...error, ids: [name], traceIds: [traceId] }));
    return { ...answer, errors: named, unanswered: [] };
  }
  return { ...answer, errors, unanswered: silent.map((input) => input.traceId) };
}

function union(
  names: readonly string[],
  others: readonly string[],
  translate: ReadonlyMap<string, string>,
): readonly string[] {
  const translated = others.map((other) => translate.get(other)).filter((x) => x !== undefined);
  return [...new Set([...names, ...translated])];
}

/**
 * Says of each record that was asked for and isn't there why.
 * @param idProperty undefined: asked by HubSpot id.
 */
export function accountForReads(
  answer: Omit<BatchAnswer, 'unanswered'>,
  ids: readonly string[],
  idProperty: string | undefined,
): ReadAnswer {
  const name = (text: string) => (idProperty === undefined ? text : foldKey(text));
  const found = new Set(
    answer.results.map((result) =>
      idProperty === undefined ? result.id : name(result.properties[idProperty] ?? ''),
    ),
  );
  const absent = ids.filter((each) => !found.has(name(each)));
  const denied = new Set(answer.errors.flatMap((error) => error.ids).map(name));
  // An error that names nobody is about whoever isn't there.
  const deniesAll = answer.errors.some((error) => error.ids.length === 0);
  return {
    ...answer,
    missing: absent.filter((each) => deniesAll || denied.has(name(each))),
    unanswered: absent.filter((each) => !deniesAll && !denied.has(name(each))),
  };
}

/**
 * A reading that failed for some of its records must not pass for one that found nothing there.
 * @throws HubSpotError for an entry of `errors` that says anything else than "there is none".
 */
export function refuseFailedReads(errors: readonly ItemError[], status: number): void {
  const failed = errors.find((error) => error.code !== 'HUBSPOT_NOT_FOUND');
  if (failed === undefined) return;
  throw new HubSpotError(failed.code, `a reading was answered in part only: ${failed.code}`, {
    status,
    write: false,
    items: errors,
  });
}

function toRecord(raw: Record_): RecordAnswer {
  const histories = raw.propertiesWithHistory;
  return {
    id: raw.id,
    properties: raw.properties,
    ...(typeof raw.new === 'boolean' ? { isNew: raw.new } : {}),
    ...(raw.objectWriteTraceId ? { traceId: raw.objectWriteTraceId } : {}),
    ...(typeof raw.archived === 'boolean' ? { archived: raw.archived } : {}),
    ...(raw.archivedAt ? { archivedAt: raw.archivedAt } : {}),
    ...(raw.createdAt ? { createdAt: raw.createdAt } : {}),
    ...(raw.updatedAt ? { updatedAt: raw.updatedAt } : {}),
    ...(histories ? { histories: toHistories(histories) } : {}),
  };
}

function toHistories(
  raw: NonNullable<Record_['propertiesWithHistory']>,
): Readonly<Record<string, readonly HistoryItem[]>> {
  return Object.fromEntries(
    Object.entries(raw).map(([property, items]) => [
      property,
      items
        .map((item): HistoryItem => {
          // A time that can't be read would make an entry older than all others: refuse the answer.
          if (item.timestamp === undefined) throw new TypeError('a history time can’t be read');
          return {
            value: item.value ?? '',
            timestamp: item.timestamp,
            sourceType: item.sourceType ?? '',
            ...(item.sourceId ? { sourceId: item.sourceId } : {}),
          };
        })
        .sort((a, b) => b.timestamp - a.timestamp),
    ]),
  );
}
