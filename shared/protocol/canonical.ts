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

/** Milliseconds since the epoch of an ISO text or an epoch-milliseconds text. */
export function instantOf(text: string): number | undefined {
  if (/^-?\d{9,16}$/.test(text) || text === '0') return Number(text);
  const iso =
    /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.(\d+))?\s*(Z|[+-]\d{2}(?::?\d{2})?)?)?$/i.exec(
      text,
    );
  if (!iso) return undefined;
  const [, day, time = '00:00:00', fraction = '0', zone = 'Z'] = iso;
  const clock = time.length === 5 ? `${time}:00` : time;
  // Cut, not rounded: HubSpot keeps milliseconds, and a rounded one could name the next second.
  const millis = fraction.padEnd(3, '0').slice(0, 3);
  const offset = /^z$/i.test(zone)
    ? 'Z'
    : zone.length === 3
      ? `${zone}:00`
      : zone.replace(/^([+-]\d{2})(\d{2})$/, '$1:$2');
  const instant = Date.parse(`${day}T${clock}.${millis}${offset}`);
  return Number.isNaN(instant) ? undefined : instant;
}

/** ISO with milliseconds in UTC. */
export function canonicalDatetime(value: string | null | undefined): string | undefined {
  const text = (value ?? '').trim();
  if (text === '') return '';
  const instant = instantOf(text);
  return instant === undefined ? undefined : new Date(instant).toISOString();
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

export function dayIn(instant: number, zone: string): string {
  const { year = '', month, day } = partsIn(instant, zone);
  return `${year.padStart(4, '0')}-${month}-${day}`;
}

/** The first instant of a calendar day in a zone, milliseconds since the epoch. */
export function startOfDay(day: string, zone: string): number {
  const utc = Date.parse(`${day}T00:00:00.000Z`);
  let instant = utc;
  // The zone's offset depends on the instant that is looked for: two rounds settle it.
  for (let round = 0; round < 2; round += 1) {
    const p = partsIn(instant, zone);
    const local = Date.parse(
      `${(p.year ?? '').padStart(4, '0')}-${p.month}-${p.day}T${p.hour}:${p.minute}:${p.second}.000Z`,
    );
    instant += utc - local;
  }
  return instant;
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
