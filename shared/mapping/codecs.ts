/**
 * Codecs: a column's text to a property's canonical value and back. Stateless; no value ever stands
 * in an error's message, since messages are logged.
 */
import {
  canonicalBoolean,
  canonicalDatetime,
  canonicalDay,
  canonicalDomain,
  canonicalEmail,
  canonicalNumber,
  canonicalPhone,
  canonicalSet,
  canonicalText,
  instantOf,
  startOfDay,
} from '../protocol/canonical.ts';
import { SyncError } from '../service/errors.ts';
import type { Codec } from './mapping.ts';

/** A text that a codec can't convert. The text itself is not in the message. */
export class CodecError extends SyncError {
  override name = 'CodecError';

  constructor(message: string, advice: string) {
    super('VALUE_UNCONVERTIBLE', message, { disposition: 'bury', advice });
  }
}

/** How a codec is asked for in the mapping. */
export type CodecSpec =
  | { readonly type: 'text' | 'number' | 'boolean' | 'datetime' | 'email' | 'domain' | 'phone' }
  | {
      readonly type: 'date';
      /** Of the HubSpot property: a `date`, or a `datetime` that stands for a calendar day. */
      readonly as: 'date' | 'datetime';
      readonly zone: string;
    }
  | { readonly type: 'enumeration'; readonly values?: Readonly<Record<string, string>> | undefined }
  | {
      readonly type: 'multi-enumeration';
      readonly values?: Readonly<Record<string, string>> | undefined;
      /** Of the column: an array, or one text with the members between separators. */
      readonly column: 'array' | 'text';
      readonly separator: string;
    };

export function createCodec(spec: CodecSpec): Codec {
  switch (spec.type) {
    case 'text':
      return textCodec('text', canonicalText);
    case 'email':
      return textCodec('email', canonicalEmail);
    case 'domain':
      return textCodec('domain', canonicalDomain);
    case 'phone':
      return textCodec('phone', canonicalPhone);
    case 'number':
      return checkedCodec('number', canonicalNumber, 'a plain number');
    case 'boolean':
      return checkedCodec('boolean', canonicalBoolean, 'true or false');
    case 'datetime':
      return checkedCodec('datetime', canonicalDatetime, 'a point in time');
    case 'date':
      return dateCodec(spec);
    case 'enumeration':
      return enumerationCodec(spec.values);
    case 'multi-enumeration':
      return multiCodec(spec);
  }
}

/** The longest text a property holds. A longer one would be refused, and its whole batch with it. */
const LONGEST_TEXT = 65_536;

function textCodec(kind: string, canonical: (value: string | null | undefined) => string): Codec {
  return {
    kind,
    toHubspot(text) {
      const value = canonical(text);
      if (value.length > LONGEST_TEXT) {
        throw new CodecError(
          `the column holds a text of ${value.length} characters`,
          `HubSpot takes ${LONGEST_TEXT} at most: shorten it, or map another column.`,
        );
      }
      return value;
    },
    toPostgres: (value) => (value === '' ? null : storable(value)),
    canonical,
    toWire: (value) => value,
  };
}

/** Postgres has no place for NUL, and half a surrogate pair would be stored as another character. */
function storable(text: string): string {
  if (!text.includes('\0') && !/\p{Surrogate}/u.test(text)) return text;
  throw new CodecError(
    'HubSpot holds a text with characters that Postgres can’t store (NUL or half a surrogate pair)',
    'Correct the text in HubSpot.',
  );
}

/** `NaN`, `Infinity`, `infinity` and `$1,234.50` are such texts: HubSpot has nothing like them. */
function checkedCodec(
  kind: string,
  read: (value: string | null | undefined) => string | undefined,
  what: string,
): Codec {
  const convert = (side: string) => (text: string | null | undefined) => {
    const value = read(text);
    if (value === undefined) {
      throw new CodecError(
        `${side} holds a text that is not ${what}`,
        `Make it ${what}, or map the property with another type.`,
      );
    }
    return value;
  };
  return {
    kind,
    toHubspot: convert('the column'),
    toPostgres: (value) => (value === '' ? null : value),
    canonical: convert('HubSpot'),
    toWire: (value) => value,
  };
}

function dateCodec({ as, zone }: Extract<CodecSpec, { type: 'date' }>): Codec {
  // A `date` of HubSpot's is midnight UTC wherever it appears as an instant.
  const hubspotZone = as === 'date' ? 'UTC' : zone;
  const kind = as === 'date' ? 'date' : 'day';
  const checked = checkedCodec(kind, (text) => canonicalDay(text, hubspotZone), 'a calendar day');
  return {
    ...checked,
    toWire(day, stored) {
      if (day === '' || as === 'date') return day;
      // While the day is unchanged its stored time of day stays.
      if (stored && canonicalDay(stored, zone) === day) {
        const instant = instantOf(stored.trim());
        if (instant !== undefined) return new Date(instant).toISOString();
      }
      return new Date(startOfDay(day, zone)).toISOString();
    },
  };
}

interface Names {
  toOption(label: string): string;
  toLabel(option: string): string;
}

/** The value map, both ways; without one a value is its own name. */
function namesOf(values: Readonly<Record<string, string>> | undefined): Names {
  if (!values) return { toOption: (label) => label, toLabel: (option) => option };
  const options = new Map(Object.entries(values));
  const labels = new Map(Object.entries(values).map(([label, option]) => [option, label]));
  return {
    toOption(label) {
      // An application may also hold HubSpot's own option id.
      const option = options.get(label) ?? (labels.has(label) ? label : undefined);
      if (option === undefined) {
        throw new CodecError(
          'the column holds a value that the value map does not name',
          `Use one of: ${[...options.keys()].join(', ')}; or add the value to \`values\` in the mapping.`,
        );
      }
      return option;
    },
    toLabel(option) {
      const label = labels.get(option);
      if (label === undefined) {
        throw new CodecError(
          'HubSpot holds an option that the value map does not name',
          `Add the option to \`values\` in the mapping; it names: ${[...labels.keys()].join(', ')}.`,
        );
      }
      return label;
    },
  };
}

function enumerationCodec(values: Readonly<Record<string, string>> | undefined): Codec {
  const names = namesOf(values);
  return {
    kind: 'enumeration',
    ...(values ? { values } : {}),
    toHubspot: (text) => (text === null || text === '' ? '' : names.toOption(text)),
    toPostgres: (value) => (value === '' ? null : names.toLabel(value)),
    canonical: (value) => (value ?? '').trim(),
    toWire: (value) => value,
  };
}

function multiCodec(spec: Extract<CodecSpec, { type: 'multi-enumeration' }>): Codec {
  const names = namesOf(spec.values);
  const read = (text: string) =>
    spec.column === 'array' ? readArray(text) : text.split(spec.separator);
  const write = (members: string[]) =>
    spec.column === 'array'
      ? `{${members.map((m) => `"${m.replace(/["\\]/g, '\\$&')}"`).join(',')}}`
      : members.join(spec.separator);
  return {
    kind: 'multi-enumeration',
    ...(spec.values ? { values: spec.values } : {}),
    array: spec.column === 'array',
    toHubspot(text) {
      const members = (text === null ? [] : read(text))
        .map((member) => member.trim())
        .filter((member) => member !== '')
        .map(names.toOption);
      if (members.some((member) => member.includes(';'))) {
        throw new CodecError(
          'the column holds a member with a semicolon, by which HubSpot separates options',
          'Name the member in `values` with its option id.',
        );
      }
      return canonicalSet(members.join(';'));
    },
    toPostgres: (value) => (value === '' ? null : write(value.split(';').map(names.toLabel))),
    canonical: canonicalSet,
    toWire: (value) => value,
  };
}

/** A one-dimensional array as Postgres prints it; NULL members are left out. */
function readArray(text: string): string[] {
  const body = /^\{([\s\S]*)\}$/.exec(text)?.[1];
  const member = /"((?:[^"\\]|\\.)*)"|([^,{}"]+)/gs;
  const whole = /^(?:(?:"(?:[^"\\]|\\.)*"|[^,{}"]+)(?:,(?!$)|$))*$/s;
  if (body === undefined || !whole.test(body)) {
    throw new CodecError(
      'the column holds no array of one dimension',
      'Map an array column (text[]), or a text column with `as: text`.',
    );
  }
  const members: string[] = [];
  for (const [, quoted, plain] of body.matchAll(member)) {
    if (quoted !== undefined) members.push(quoted.replace(/\\(.)/gs, '$1'));
    else if (plain !== undefined && plain !== 'NULL') members.push(plain);
  }
  return members;
}
