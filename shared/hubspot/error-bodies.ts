/**
 * Reads HubSpot's errors out of an answer's body: the error of a whole call as well as each entry of a
 * partly successful batch. Every field is optional there, details come as `errors`, as `context`, or as
 * JSON inside the message, and a list inside the message may be cut off.
 */
import { type HubSpotErrorCode, hubspotErrorKinds, type ItemError } from './errors.ts';

type Body = Readonly<Record<string, unknown>>;

/** One detail: a property, and HubSpot's code for what is wrong with it. */
interface Detail {
  readonly property?: string;
  readonly reason?: string;
  readonly message?: string;
}

export interface ErrorReading {
  /** Of an upsert: troubles with this property are troubles with the key. */
  readonly idProperty?: string | undefined;
}

/**
 * The errors a body speaks of. Details that lead to different things become entries of their own, each
 * with the same ids and trace ids; a body that says nothing gives one entry.
 */
export function readErrors(body: unknown, reading: ErrorReading = {}): readonly ItemError[] {
  const source: Body = isBody(body) ? body : {};
  const message = typeof source.message === 'string' ? source.message : textOf(body);
  const category = wordOf(source.category);
  const subCategory = wordOf(subCategoryOf(source.subCategory));
  const correlationId = wordOf(source.correlationId);
  const contexts = [source.context, ...listOf(source.errors).map((error) => error.context)];
  const common = {
    message,
    ...(category === undefined ? {} : { category }),
    ...(subCategory === undefined ? {} : { subCategory }),
    ...(correlationId === undefined ? {} : { correlationId }),
    traceIds: contextTexts(contexts, ['objectWriteTraceId']),
    ids: unique([
      ...contextTexts(contexts, ['ids', 'id', 'objectId', 'objectIds', 'fromObjectId']),
      // Associations: `DEAL=123 is not valid`.
      ...contextTexts(contexts, ['INVALID_OBJECT_IDS']).map((text) => /=(\d+)\b/.exec(text)?.[1]),
    ]),
    existingIds: existingIdsOf(source, contexts, message),
  };

  const whole = codeOfMessage(category, subCategory, message);
  const byCode = new Map<HubSpotErrorCode, Detail[]>();
  for (const detail of saysEnough.has(whole) ? [] : detailsOf(source, message)) {
    const code = codeOfDetail(
      detail,
      common.existingIds.length > 0 ? 'CONFLICT' : category,
      reading,
    );
    byCode.set(code, [...(byCode.get(code) ?? []), detail]);
  }
  if (byCode.size === 0) byCode.set(whole, []);

  return [...byCode].map(([found, details]) => {
    const properties = unique(details.map((detail) => detail.property));
    // A refused property that isn't named can't leave the mapping: then the record is looked for.
    const code =
      found === 'HUBSPOT_PROPERTY_REFUSED' && properties.length === 0
        ? 'HUBSPOT_REQUEST_REFUSED'
        : found;
    return {
      ...common,
      code,
      disposition: hubspotErrorKinds[code].disposition,
      reasons: unique(details.map((detail) => detail.reason)),
      properties,
    };
  });
}

/** What details can't make any clearer. */
const saysEnough: ReadonlySet<HubSpotErrorCode> = new Set([
  'HUBSPOT_DUPLICATE_IDS',
  'HUBSPOT_KEY_NOT_UNIQUE',
  'HUBSPOT_SCOPE_MISSING',
  'HUBSPOT_RATE_LIMITED',
  'HUBSPOT_LOCKED',
  'HUBSPOT_SERVER_ERROR',
]);

/**
 * What has no property in it: categories first, then the texts of the few refusals that come without
 * one (a malformed body, duplicate ids, a key that isn't unique).
 */
function codeOfMessage(
  category: string | undefined,
  subCategory: string | undefined,
  message: string,
): HubSpotErrorCode {
  if (/duplicate ids/i.test(message)) return 'HUBSPOT_DUPLICATE_IDS';
  if (/non-unique \S+ property/i.test(message)) return 'HUBSPOT_KEY_NOT_UNIQUE';
  const words = `${category ?? ''} ${subCategory ?? ''}`;
  if (/NOT_FOUND/.test(words)) return 'HUBSPOT_NOT_FOUND';
  if (/CONFLICT|ALREADY_EXISTS/.test(words)) return 'HUBSPOT_CONFLICT';
  if (/MISSING_SCOPES/.test(words)) return 'HUBSPOT_SCOPE_MISSING';
  if (/RATE_LIMIT/.test(words)) return 'HUBSPOT_RATE_LIMITED';
  if (/LOCK/.test(words)) return 'HUBSPOT_LOCKED';
  if (/INTERNAL|UNAVAILABLE|TIMEOUT|SERVER_ERROR/.test(words)) return 'HUBSPOT_SERVER_ERROR';
  if (category === 'VALIDATION_ERROR') return 'HUBSPOT_VALUES_REFUSED';
  return 'HUBSPOT_REQUEST_REFUSED';
}

const propertyReasons =
  /DOESNT_EXIST|DOES_NOT_EXIST|PROPERTY_NOT_FOUND|UNKNOWN_PROPERTY|READ_?ONLY|NOT_WRITABLE|CALCULATED/;

function codeOfDetail(
  { property, reason, message }: Detail,
  category: string | undefined,
  { idProperty }: ErrorReading,
): HubSpotErrorCode {
  const refused =
    (reason !== undefined && propertyReasons.test(reason)) ||
    (message !== undefined && refusalText(message) !== undefined);
  if (refused) {
    // The key must not leave the mapping: creates wait until the property is there.
    return property === idProperty && property !== undefined
      ? 'HUBSPOT_KEY_NOT_UNIQUE'
      : 'HUBSPOT_PROPERTY_REFUSED';
  }
  if (/CONFLICT|UNIQUE|ALREADY_EXISTS/.test(`${reason} ${category}`)) return 'HUBSPOT_CONFLICT';
  if (/NOT_FOUND/.test(category ?? '')) return 'HUBSPOT_NOT_FOUND';
  return 'HUBSPOT_VALUES_REFUSED';
}

/** The property's name, where a text says that it doesn't exist or can't be written. */
function refusalText(message: string): string | undefined {
  return (
    /property ["“']?([a-z0-9_]+)["”']? (?:does not|doesn['’]t) exist/i.exec(message)?.[1] ??
    /["“']?([a-z0-9_]+)["”']? is (?:a )?read[- ]only/i.exec(message)?.[1]
  );
}

function detailsOf(source: Body, message: string): readonly Detail[] {
  const details = [...listOf(source.errors).flatMap(detailOfEntry), ...embeddedDetails(message)];
  if (details.length > 0) return merged(details);
  const named = refusalText(message);
  if (named !== undefined) {
    const missing = /exist/i.test(message);
    return [
      { property: named, reason: missing ? 'PROPERTY_DOESNT_EXIST' : 'READ_ONLY_VALUE', message },
    ];
  }
  return contextTexts([source.context], ['propertyName']).map((property) => ({ property }));
}

/** An entry of `errors`; one without property and code says nothing that `message` doesn't. */
function detailOfEntry(entry: Body): readonly Detail[] {
  const text = typeof entry.message === 'string' ? entry.message : '';
  const embedded = embeddedDetails(text);
  if (embedded.length > 0) return embedded;
  const reason = wordOf(entry.code) ?? wordOf(subCategoryOf(entry.subCategory));
  const properties = unique([
    ...contextTexts([entry.context], ['propertyName', 'propertyNames']).map(nameOf),
    nameOf(entry.in),
    nameOf(entry.name),
    refusalText(text),
  ]);
  const detail = { ...(reason === undefined ? {} : { reason }), message: text };
  if (properties.length > 0) return properties.map((property) => ({ property, ...detail }));
  return reason === undefined ? [] : [detail];
}

/** `Property values were not valid: [{"isValid":false,"name":…,"error":…}, …]`, perhaps cut off. */
function embeddedDetails(message: string): readonly Detail[] {
  const start = message.indexOf('[{');
  if (start === -1) return [];
  const text = message.slice(start);
  try {
    return listOf(JSON.parse(text.slice(0, text.lastIndexOf(']') + 1))).map(detailOfEmbedded);
  } catch {
    // Cut off: each whole pair of name and code still counts, in whichever order the two stand.
    const pairs = text.matchAll(
      /"error":"([A-Z0-9_]+)"[^{}]*?"name":"([a-z0-9_]+)"|"name":"([a-z0-9_]+)"[^{}]*?"error":"([A-Z0-9_]+)"/gi,
    );
    return [...pairs].map((pair) =>
      detailOfEmbedded({ name: pair[2] ?? pair[3], error: pair[1] ?? pair[4] }),
    );
  }
}

function detailOfEmbedded(entry: Body): Detail {
  const property = nameOf(entry.name);
  const reason = wordOf(entry.error);
  return {
    ...(property === undefined ? {} : { property }),
    ...(reason === undefined ? {} : { reason }),
    ...(typeof entry.message === 'string' ? { message: entry.message } : {}),
  };
}

/** The same property is often named in `errors` and in the message: once with its code is enough. */
function merged(details: readonly Detail[]): readonly Detail[] {
  const withReason = new Set(
    details.filter((detail) => detail.reason !== undefined).map((detail) => detail.property),
  );
  return details.filter(
    (detail) => detail.reason !== undefined || !withReason.has(detail.property),
  );
}

/** Three shapes: in the message, in `context`, in the profile that older contact answers carry. */
function existingIdsOf(
  source: Body,
  contexts: readonly unknown[],
  message: string,
): readonly string[] {
  const profile = isBody(source.identityProfile) ? source.identityProfile.vid : undefined;
  const texts = [message, ...listOf(source.errors).map((error) => String(error.message ?? ''))];
  return unique([
    ...contextTexts(contexts, ['existingId', 'existingIds', 'existingObjectId']),
    ...(profile === undefined ? [] : [String(profile)]),
    ...texts.flatMap((text) => [...text.matchAll(/existing id:?\s*(\d+)/gi)].map((hit) => hit[1])),
  ]);
}

function contextTexts(contexts: readonly unknown[], names: readonly string[]): readonly string[] {
  return unique(
    contexts.flatMap((context) => {
      if (!isBody(context)) return [];
      return names.flatMap((name) => {
        const value = context[name];
        if (value === undefined || value === null) return [];
        return (Array.isArray(value) ? value : [value]).map(String);
      });
    }),
  );
}

function unique(texts: readonly (string | undefined)[]): readonly string[] {
  return [...new Set(texts.filter((text) => text !== undefined))];
}

function isBody(value: unknown): value is Body {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function listOf(value: unknown): readonly Body[] {
  return Array.isArray(value) ? value.filter(isBody) : [];
}

/** Some answers wrap the sub-category in an object. */
function subCategoryOf(value: unknown): unknown {
  return isBody(value) ? (value.name ?? value.value) : value;
}

/** A code or an id. Anything with blanks or quotes in it is a sentence, and may quote a value. */
export function wordOf(value: unknown): string | undefined {
  return typeof value === 'string' && /^[\w.:-]{1,120}$/.test(value) ? value : undefined;
}

/** A property's name; HubSpot's are lower-case letters, digits and underscores. */
function nameOf(value: unknown): string | undefined {
  return typeof value === 'string' && /^[a-z0-9_]{1,100}$/i.test(value) ? value : undefined;
}

/** A body that isn't JSON, in so far as a dead letter's reader can use it. */
function textOf(body: unknown): string {
  return typeof body === 'string' ? body.slice(0, 2000) : '';
}
