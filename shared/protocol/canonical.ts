/**
 * Canonical forms: two values of a property are equal if and only if these texts are. '' is empty,
 * absent and null alike. Each takes every form HubSpot uses (REST, history, webhook) and answers
 * undefined for a text that isn't of its kind.
 */

export function canonicalText(value: string | null | undefined): string {
  return value ?? '';
}

/** Exact decimal, no float on the way: `095.0` and `9.5e1` are `95`. */
export function canonicalNumber(value: string | null | undefined): string | undefined {
  const text = (value ?? '').trim();
  if (text === '') return '';
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?$/.exec(text);
  if (!match) return undefined;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  if (whole === '' && fraction === '') return undefined;
  const digits = whole + fraction;
  const point = whole.length + Number(exponent);
  const padded =
    point < 0 ? '0'.repeat(-point) + digits : digits.padEnd(Math.max(point, digits.length), '0');
  const place = Math.max(point, 0);
  const integer = padded.slice(0, place).replace(/^0+/, '') || '0';
  const decimals = padded.slice(place).replace(/0+$/, '');
  const absolute = decimals === '' ? integer : `${integer}.${decimals}`;
  return sign === '-' && absolute !== '0' ? `-${absolute}` : absolute;
}

export function canonicalBoolean(value: string | null | undefined): string | undefined {
  const text = (value ?? '').trim().toLowerCase();
  if (text === '') return '';
  if (['true', 't', 'yes', '1'].includes(text)) return 'true';
  if (['false', 'f', 'no', '0'].includes(text)) return 'false';
  return undefined;
}

/** The years that have four digits: an ISO text can't say others without a sign. */
const EARLIEST = Date.parse('0000-01-01T00:00:00.000Z');
const LATEST = Date.parse('9999-12-31T23:59:59.999Z');

/** Milliseconds since the epoch of an ISO text, of Postgres' own form, or of an epoch-milliseconds text. */
export function instantOf(text: string): number | undefined {
  const instant = /^-?\d{1,16}$/.test(text) ? Number(text) : instantOfIso(text);
  if (instant === undefined || !(instant >= EARLIEST && instant <= LATEST)) return undefined;
  return instant;
}

const ISO =
  /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.(\d+))?\s*(Z|[+-]\d{2}(?::?\d{2})?)?)?$/i;

function instantOfIso(text: string): number | undefined {
  const [, day, time = '00:00', fraction = '', zone = 'Z'] = ISO.exec(text) ?? [];
  if (day === undefined) return undefined;
  const midnight = Date.parse(`${day}T00:00:00.000Z`);
  // The 30th of February would roll over into March.
  if (Number.isNaN(midnight) || isoOf(midnight).slice(0, 10) !== day) return undefined;
  const clock = time.length === 5 ? `${time}:00` : time;
  // Cut, not rounded: HubSpot keeps milliseconds, and a rounded one could name the next second.
  const millis = fraction.padEnd(3, '0').slice(0, 3);
  const [, sign, hours = '00', minutes = '00'] = /^([+-])(\d{2}):?(\d{2})?$/.exec(zone) ?? [];
  const offset = sign === undefined ? 'Z' : `${sign}${hours}:${minutes}`;
  const instant = Date.parse(`${day}T${clock}.${millis}${offset}`);
  return Number.isNaN(instant) ? undefined : instant;
}

function isoOf(instant: number): string {
  return new Date(instant).toISOString();
}

/** ISO with milliseconds in UTC. */
export function canonicalDatetime(value: string | null | undefined): string | undefined {
  const text = (value ?? '').trim();
  if (text === '') return '';
  const instant = instantOf(text);
  return instant === undefined ? undefined : isoOf(instant);
}

/** A calendar day `YYYY-MM-DD`: of a date as it is, of an instant in the zone. */
export function canonicalDay(value: string | null | undefined, zone: string): string | undefined {
  const text = (value ?? '').trim();
  if (text === '') return '';
  if (/^\d{4}-\d{2}-\d{2}$/.test(text)) {
    return instantOf(text) === undefined ? undefined : text;
  }
  const instant = instantOf(text);
  return instant === undefined ? undefined : dayIn(instant, zone);
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-CA', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    });
    formats.set(zone, format);
  }
  return format;
}

function partsIn(instant: number, zone: string): Record<string, string> {
  return Object.fromEntries(
    formatOf(zone)
      .formatToParts(instant)
      .map(({ type, value }) => [type, value]),
  );
}

/** Local wall clock minus UTC, in milliseconds. */
function offsetAt(instant: number, zone: string): number {
  const { year = '', month, day, hour, minute, second } = partsIn(instant, zone);
  const date = `${year.padStart(4, '0')}-${month}-${day}`;
  const whole = Math.floor(instant / 1000) * 1000;
  return Date.parse(`${date}T${hour}:${minute}:${second}.000Z`) - whole;
}

/** The calendar day `YYYY-MM-DD` of an instant in a zone. */
export function dayIn(instant: number, zone: string): string {
  if (zone === 'UTC') return isoOf(instant).slice(0, 10);
  const { year = '', month, day } = partsIn(instant, zone);
  return `${year.padStart(4, '0')}-${month}-${day}`;
}

/**
 * The first instant of a calendar day in a zone, milliseconds since the epoch. That isn't always
 * midnight: where clocks go forward at midnight the day begins at one.
 */
export function startOfDay(day: string, zone: string): number {
  const utc = Date.parse(`${day}T00:00:00.000Z`);
  if (zone === 'UTC') return utc;
  // Whatever the clocks do that night, the offset is the one before it or the one after it.
  const [first, second] = [utc - 86_400_000, utc + 86_400_000]
    .map((around) => utc - offsetAt(around, zone))
    .sort((a, b) => a - b) as [number, number];
  return dayIn(first, zone) === day ? first : second;
}

/** A set: order and repetition don't count. */
export function canonicalSet(value: string | null | undefined): string {
  const members = (value ?? '')
    .split(';')
    .map((member) => member.trim())
    .filter((member) => member !== '');
  return [...new Set(members)].sort().join(';');
}

export function canonicalEmail(value: string | null | undefined): string {
  return (value ?? '').trim().toLowerCase();
}

export function canonicalDomain(value: string | null | undefined): string {
  return (value ?? '').trim().toLowerCase().replace(/\.$/, '');
}

/** Digits, and a leading `+`. */
export function canonicalPhone(value: string | null | undefined): string {
  const text = (value ?? '').trim();
  const digits = text.replace(/\D/g, '');
  return text.startsWith('+') && digits !== '' ? `+${digits}` : digits;
}
