// From what was sent to what is stored: each type's rules, and the codes and sentences of a refusal.
import { OWNERS } from '../defaults/owners.ts';
import type { PropertyDefinition, PropertyOption } from './definition.ts';

/** The longest text a property holds, in characters. */
const LONGEST_TEXT = 65_536;

export type ValueProblem = { code: string; message: string };

/** A value as stored, or why it cannot be. `''` clears. */
export type ReadValue = { value: string } | { problem: ValueProblem };

export type ValueRules = {
  /** Options of an enumeration whose options are kept elsewhere. */
  externalOptions?: PropertyOption[] | undefined;
  /** The present value, for a leading `;`. */
  present: string | undefined;
  numberForm: 'as-sent' | 'canonical' | 'decimal';
};

/** `sent` is a value of the request's JSON. */
export function readValue(
  property: PropertyDefinition,
  sent: unknown,
  rules: ValueRules,
): ReadValue {
  if (sent === null || sent === undefined) return { value: '' };
  if (typeof sent !== 'string' && typeof sent !== 'number' && typeof sent !== 'boolean') {
    return problem('INVALID_VALUE', `${JSON.stringify(sent)} was not a text, number or boolean.`);
  }
  const text = String(sent);
  if (text === '') return { value: '' };
  if (property.name === 'hubspot_owner_id') return readOwner(text);
  switch (property.type) {
    case 'number':
      return readNumber(text, rules.numberForm);
    case 'bool':
      return text === 'true' || text === 'false'
        ? { value: text }
        : problem('INVALID_OPTION', `${text} was not one of the allowed options: [true, false]`);
    case 'enumeration':
      return readEnumeration(property, text, rules);
    case 'date':
      return readDate(text);
    case 'datetime':
      return readDatetime(text);
    default:
      return readText(property, text);
  }
}

/** Whether two stored values are the same to HubSpot, so that a write of one over the other changes nothing. */
export function isSameValue(property: PropertyDefinition, one: string, other: string): boolean {
  if (one === other) return true;
  if (one === '' || other === '') return false;
  if (property.type === 'number') return shortenNumber(one) === shortenNumber(other);
  if (property.fieldType === 'checkbox') {
    return one.split(';').sort().join(';') === other.split(';').sort().join(';');
  }
  return false;
}

/** As webhooks announce it: dates and datetimes as epoch milliseconds. */
export function announceValue(property: PropertyDefinition | undefined, value: string): string {
  if (value === '' || (property?.type !== 'date' && property?.type !== 'datetime')) return value;
  return String(Date.parse(value));
}

function problem(code: string, message: string): ReadValue {
  return { problem: { code, message } };
}

function readText(property: PropertyDefinition, text: string): ReadValue {
  if (text.length > LONGEST_TEXT) {
    return problem(
      'VALUE_TOO_LONG',
      `Value of length ${text.length} was too long for property ${property.name}; the limit is ${LONGEST_TEXT} characters`,
    );
  }
  if (property.name === 'email') {
    const email = text.trim().toLowerCase();
    return isEmail(email)
      ? { value: email }
      : problem('INVALID_EMAIL', `Email address ${text} is invalid`);
  }
  if (property.name === 'hs_additional_emails') {
    const emails = text.split(';').map((email) => email.trim().toLowerCase());
    const wrong = emails.find((email) => !isEmail(email));
    return wrong === undefined
      ? { value: [...new Set(emails)].join(';') }
      : problem('INVALID_EMAIL', `Email address ${wrong} is invalid`);
  }
  if (property.name === 'domain') return { value: readDomain(text) };
  return { value: text };
}

function isEmail(text: string): boolean {
  return /^[^\s@;,]+@[^\s@;,]+\.[^\s@;,.]{2,}$/.test(text);
}

/** HubSpot keeps the host alone, in lower case. */
function readDomain(text: string): string {
  return text
    .trim()
    .toLowerCase()
    .replace(/^https?:\/\//, '')
    .replace(/^www\./, '')
    .replace(/[/?#].*$/, '');
}

function readNumber(text: string, form: ValueRules['numberForm']): ReadValue {
  const trimmed = text.trim();
  if (!/^[+-]?(\d+(\.\d*)?|\.\d+)$/.test(trimmed)) {
    return problem('INVALID_DOUBLE', `${text} was not a valid number.`);
  }
  if (form === 'as-sent') return { value: trimmed };
  const short = shortenNumber(trimmed);
  return { value: form === 'decimal' && !short.includes('.') ? `${short}.0` : short };
}

/** The same decimal without sign of plus, outer zeros or an empty fraction; no float is involved. */
export function shortenNumber(text: string): string {
  const match = /^([+-]?)0*(\d*)(?:\.(\d*))?$/.exec(text);
  if (match === null) return text;
  const whole = match[2] || '0';
  const fraction = (match[3] ?? '').replace(/0+$/, '');
  const digits = fraction === '' ? whole : `${whole}.${fraction}`;
  return match[1] === '-' && digits !== '0' ? `-${digits}` : digits;
}

function readEnumeration(property: PropertyDefinition, text: string, rules: ValueRules): ReadValue {
  const options = rules.externalOptions ?? property.options;
  const several = property.fieldType === 'checkbox';
  const appends = several && text.startsWith(';');
  const wanted = several ? text.split(';').filter((part) => part !== '') : [text];
  const unknown = wanted.find((part) => !options.some(({ value }) => value === part));
  if (unknown !== undefined) {
    const allowed = options.map(({ label }) => label).join(', ');
    return problem('INVALID_OPTION', `${unknown} was not one of the allowed options: [${allowed}]`);
  }
  const before = appends && rules.present ? rules.present.split(';') : [];
  return { value: [...new Set([...before, ...wanted])].join(';') };
}

function readOwner(text: string): ReadValue {
  if (!/^\d+$/.test(text)) {
    return problem('INVALID_INTEGER', `${text} was not a valid integer (for owner ID).`);
  }
  return OWNERS.some(({ id }) => id === text)
    ? { value: text }
    : problem('INVALID_OWNER_ID', `Owner ${text} does not exist`);
}

const DAY_MS = 86_400_000;

function readDate(text: string): ReadValue {
  if (isEpoch(text)) {
    const ms = Number(text);
    if (ms % DAY_MS !== 0) {
      const time = new Date(ms).toISOString().slice(11, 23);
      return problem('INVALID_DATE', `${text} is at ${time} UTC, not midnight!`);
    }
    return { value: new Date(ms).toISOString().slice(0, 10) };
  }
  if (/^\d{4}-\d{2}-\d{2}$/.test(text) && isCalendarDay(text)) return { value: text };
  return problem('INVALID_DATE', `${text} was not a valid date.`);
}

function readDatetime(text: string): ReadValue {
  if (isEpoch(text)) return { value: new Date(Number(text)).toISOString() };
  const zoned = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2}))?$/;
  const ms = zoned.test(text) && isCalendarDay(text.slice(0, 10)) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms)) return problem('INVALID_LONG', `${text} was not a valid long.`);
  return { value: new Date(ms).toISOString() };
}

/** Epoch milliseconds that a date can hold. */
function isEpoch(text: string): boolean {
  return /^-?\d{5,16}$/.test(text) && Math.abs(Number(text)) <= 8.64e15;
}

/** `Date.parse` rolls the 30th of February over; HubSpot has no such day. */
function isCalendarDay(day: string): boolean {
  const ms = Date.parse(`${day}T00:00:00Z`);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(day);
}
