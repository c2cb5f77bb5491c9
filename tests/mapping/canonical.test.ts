import fc from 'fast-check';
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
  dayIn,
  instantOf,
  startOfDay,
} from '../../shared/protocol/canonical.ts';

const forms = {
  text: canonicalText,
  number: canonicalNumber,
  boolean: canonicalBoolean,
  datetime: canonicalDatetime,
  set: canonicalSet,
  email: canonicalEmail,
  domain: canonicalDomain,
  phone: canonicalPhone,
  'day in UTC': (value: string | null | undefined) => canonicalDay(value, 'UTC'),
  'day in Auckland': (value: string | null | undefined) => canonicalDay(value, 'Pacific/Auckland'),
};

test.each(Object.entries(forms))('empty, null and absent are one %s', (_, canonical) => {
  expect([canonical(''), canonical(null), canonical(undefined)]).toEqual(['', '', '']);
});

test.each(Object.entries(forms))('a canonical %s is its own canonical form', (_, canonical) => {
  const anything = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.stringMatching(/^[+-]?\d{0,20}\.?\d{0,10}(e[+-]?\d{1,2})?$/),
    fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
    fc.maxSafeInteger().map(String),
  );
  fc.assert(
    fc.property(anything, (value) => {
      const once = canonical(value);
      fc.pre(once !== undefined);
      expect(canonical(once)).toBe(once);
    }),
  );
});

test('a text is kept to the letter: outer blanks, case and line ends are values', () => {
  expect(canonicalText(' A\r\nb ')).toBe(' A\r\nb ');
});

test('numbers are equal exactly, beyond what a float can tell apart', () => {
  const digits = fc.stringMatching(/^[1-9]\d{0,40}$/);
  const decimals = fc.stringMatching(/^\d{0,20}[1-9]$/);
  fc.assert(
    fc.property(digits, decimals, fc.nat({ max: 5 }), (whole, fraction, zeros) => {
      const exact = `${whole}.${fraction}`;
      const pad = '0'.repeat(zeros);
      expect(canonicalNumber(`+${pad}${exact}${pad}`)).toBe(exact);
      expect(canonicalNumber(`-${pad}${exact}${pad}`)).toBe(`-${exact}`);
      expect(canonicalNumber(`${whole}${fraction}e-${fraction.length}`)).toBe(exact);
    }),
  );
  expect(canonicalNumber('9007199254740993')).not.toBe(canonicalNumber('9007199254740992'));
});

test.each(['t', 'true', 'TRUE', ' true '])('%s is true', (value) => {
  expect(canonicalBoolean(value)).toBe('true');
});

test.each(['f', 'false', 'False'])('%s is false, which is not empty', (value) => {
  expect(canonicalBoolean(value)).toBe('false');
});

test.each([
  ['2026-01-05 10:00:00.123999+00', '2026-01-05T10:00:00.123Z'],
  ['2026-01-05 10:00:00', '2026-01-05T10:00:00.000Z'],
  ['2026-01-05T10:00:00Z', '2026-01-05T10:00:00.000Z'],
  ['2026-01-05T10:00:00.1Z', '2026-01-05T10:00:00.100Z'],
  ['2026-01-05T15:30+05:30', '2026-01-05T10:00:00.000Z'],
  ['2026-01-05T06:30:00-0330', '2026-01-05T10:00:00.000Z'],
  ['2026-01-05 12:00:00+02', '2026-01-05T10:00:00.000Z'],
  ['2026-01-05', '2026-01-05T00:00:00.000Z'],
  ['1767607200123', '2026-01-05T10:00:00.123Z'],
  ['0', '1970-01-01T00:00:00.000Z'],
  ['86400000', '1970-01-02T00:00:00.000Z'],
  ['-1', '1969-12-31T23:59:59.999Z'],
  ['0044-03-15 10:00:00+00', '0044-03-15T10:00:00.000Z'],
])('%s is the instant %s', (value, canonical) => {
  expect(canonicalDatetime(value)).toBe(canonical);
});

test.each([
  'infinity',
  '-infinity',
  '0044-03-15 10:00:00+00 BC',
  '10000-01-01 00:00:00+00',
  '9999999999999999',
  '2026-02-30',
  '2026-13-01T00:00:00Z',
  'tomorrow',
])('%s is no instant', (value) => {
  expect(canonicalDatetime(value)).toBeUndefined();
  expect(canonicalDay(value, 'UTC')).toBeUndefined();
});

test('what happens before midnight UTC may be the next day elsewhere', () => {
  expect(canonicalDay('2026-01-04T23:30:00Z', 'UTC')).toBe('2026-01-04');
  expect(canonicalDay('1767569400000', 'Europe/Berlin')).toBe('2026-01-05');
  expect(canonicalDay('2026-01-05T00:30:00Z', 'America/New_York')).toBe('2026-01-04');
});

test.each([
  // Clocks go from 24:00 to 01:00, from 24:00 to 23:00, and within the day.
  ['2018-11-04', 'America/Sao_Paulo', '2018-11-04T03:00:00.000Z'],
  ['2019-02-17', 'America/Sao_Paulo', '2019-02-17T03:00:00.000Z'],
  ['2026-10-25', 'Europe/Berlin', '2026-10-24T22:00:00.000Z'],
  ['2026-03-29', 'Europe/Berlin', '2026-03-28T23:00:00.000Z'],
  ['2026-06-01', 'Pacific/Kiritimati', '2026-05-31T10:00:00.000Z'],
])('%s in %s begins at %s', (day, zone, instant) => {
  expect(new Date(startOfDay(day, zone)).toISOString()).toBe(instant);
});

test('a day begins in itself and the millisecond before is another day, in every zone', () => {
  // Samoa went without the 30th of December 2011.
  const zones = Intl.supportedValuesOf('timeZone').filter((zone) => zone !== 'Pacific/Apia');
  const day = fc.date({
    min: new Date('1900-01-02'),
    max: new Date('2100-01-01'),
    noInvalidDate: true,
  });
  fc.assert(
    fc.property(day, fc.constantFrom('UTC', ...zones), (date, zone) => {
      const text = date.toISOString().slice(0, 10);
      const begin = startOfDay(text, zone);
      expect(dayIn(begin, zone)).toBe(text);
      expect(dayIn(begin - 1000, zone) < text).toBe(true);
    }),
    { numRuns: 1000 },
  );
});

test('every instant that can be written is read back', () => {
  const bounds = {
    min: new Date('0000-01-01T00:00:00Z'),
    max: new Date('9999-12-31T23:59:59.999Z'),
  };
  fc.assert(
    fc.property(fc.date({ ...bounds, noInvalidDate: true }), (date) => {
      expect(instantOf(date.toISOString())).toBe(date.getTime());
      expect(instantOf(String(date.getTime()))).toBe(date.getTime());
    }),
  );
});

test('a set has no order and no repetition', () => {
  const member = fc.stringMatching(/^[a-z_]{1,8}$/);
  fc.assert(
    fc.property(fc.uniqueArray(member), (members) => {
      const there = canonicalSet([...members, ...members].join(';'));
      expect(canonicalSet(`;${members.toReversed().join('; ')}`)).toBe(there);
      expect(there.split(';').filter(Boolean).length).toBe(members.length);
    }),
  );
});

test('addresses are equal without regard to case and outer blanks', () => {
  expect(canonicalEmail(' Bob@Example.COM ')).toBe('bob@example.com');
  expect(canonicalDomain(' Example.COM. ')).toBe('example.com');
});

test('phone numbers are equal by their digits and the leading +', () => {
  expect(canonicalPhone('+49 (30) 55-50')).toBe('+49305550');
  expect(canonicalPhone('030/5550')).toBe('0305550');
  expect(canonicalPhone('+49 30')).not.toBe(canonicalPhone('49 30'));
});
