import fc from 'fast-check';
import { type CodecSpec, createCodec } from '../../shared/mapping/codecs.ts';
import { canonicalDay, canonicalNumber, startOfDay } from '../../shared/protocol/canonical.ts';

const number = createCodec({ type: 'number' });
const datetime = createCodec({ type: 'datetime' });
const day = createCodec({ type: 'date', as: 'date', zone: 'UTC' });
const berlin = createCodec({ type: 'date', as: 'datetime', zone: 'Europe/Berlin' });
const stage = createCodec({
  type: 'enumeration',
  values: { Won: 'closedwon', Lost: 'closedlost' },
});
const tags: CodecSpec = { type: 'multi-enumeration', column: 'array', separator: ';' };

test.each([
  ['50000.00', '50000'],
  ['095.0', '95'],
  ['9.5e1', '95'],
  ['1.6777216e+07', '16777216'],
  ['-0.00', '0'],
  ['.5', '0.5'],
  ['1.2000000000000002', '1.2000000000000002'],
  ['9007199254740993', '9007199254740993'],
  ['1e-3', '0.001'],
  ['', ''],
])('number %s is %s', (given, canonical) => {
  expect(canonicalNumber(given)).toBe(canonical);
});

test.each(['NaN', 'Infinity', '$1,234.50', '1,5', 'x', '.'])('number refuses %s', (given) => {
  expect(() => number.toHubspot(given)).toThrow('not a plain number');
});

test('a refused value does not stand in the error', () => {
  expect(() => number.toHubspot('secret')).toThrow(expect.not.stringContaining('secret') as never);
  try {
    stage.toHubspot('Mystery');
  } catch (error) {
    expect((error as Error).message).not.toContain('Mystery');
  }
});

test('a number keeps its value through every form', () => {
  fc.assert(
    fc.property(fc.integer(), fc.nat({ max: 12 }), (whole, places) => {
      const text = (BigInt(whole) * 1n).toString();
      const canonical = number.toHubspot(`${text}.${'0'.repeat(places + 1)}`);
      expect(canonical).toBe(whole === 0 ? '0' : text);
      expect(number.canonical(number.toWire(canonical))).toBe(canonical);
    }),
  );
});

test('a point in time is one value in Postgres text, ISO and epoch milliseconds', () => {
  const value = '2026-01-05T10:00:00.123Z';
  expect(datetime.toHubspot('2026-01-05 10:00:00.123999+00')).toBe(value);
  expect(datetime.canonical('1767607200123')).toBe(value);
  expect(datetime.canonical('2026-01-05T11:00:00.123+01:00')).toBe(value);
  expect(() => datetime.toHubspot('infinity')).toThrow();
  expect(() => datetime.toHubspot('0044-03-15 10:00:00+00 BC')).toThrow();
});

test('a date is midnight UTC wherever HubSpot tells it as an instant', () => {
  expect(day.canonical('1767571200000')).toBe('2026-01-05');
  expect(day.toHubspot('2026-01-05')).toBe('2026-01-05');
  expect(day.toWire('2026-01-05')).toBe('2026-01-05');
});

test('a datetime that stands for a day compares as the day in its zone', () => {
  expect(berlin.canonical('2026-01-04T23:30:00Z')).toBe('2026-01-05');
  expect(berlin.toWire('2026-01-05')).toBe('2026-01-04T23:00:00.000Z');
  expect(berlin.toWire('2026-01-05', '2026-01-05T15:45:00Z')).toBe('2026-01-05T15:45:00.000Z');
  expect(berlin.toWire('2026-01-06', '2026-01-05T15:45:00Z')).toBe('2026-01-05T23:00:00.000Z');
});

test('the start of a day lies in that day, in every zone and over clock changes', () => {
  const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Pacific/Auckland', 'Asia/Kathmandu'];
  fc.assert(
    fc.property(fc.nat({ max: 20_000 }), fc.constantFrom(...zones), (days, zone) => {
      const text = new Date(days * 86_400_000).toISOString().slice(0, 10);
      expect(canonicalDay(new Date(startOfDay(text, zone)).toISOString(), zone)).toBe(text);
    }),
  );
});

test('an enumeration maps both ways and names what it does not know', () => {
  expect(stage.toHubspot('Won')).toBe('closedwon');
  expect(stage.toHubspot('closedwon')).toBe('closedwon');
  expect(stage.toPostgres('closedlost')).toBe('Lost');
  expect(stage.toHubspot(null)).toBe('');
  expect(stage.toPostgres('')).toBeNull();
  expect(() => stage.toPostgres('other')).toThrow('option that the value map does not name');
});

test('several options are a set, in arrays as in texts', () => {
  const array = createCodec(tags);
  expect(array.toHubspot('{b,a,"c d",b}')).toBe('a;b;c d');
  expect(array.toPostgres('a;c d')).toBe('{"a","c d"}');
  expect(array.toHubspot('{}')).toBe('');
  expect(array.canonical('b;a')).toBe(array.canonical('a; b'));
  const text = createCodec({ type: 'multi-enumeration', column: 'text', separator: ',' });
  expect(text.toHubspot('b, a')).toBe('a;b');
});

test('whatever a codec answers is canonical already', () => {
  const specs: CodecSpec[] = [
    { type: 'text' },
    { type: 'email' },
    { type: 'phone' },
    { type: 'domain' },
    tags,
  ];
  fc.assert(
    fc.property(fc.constantFrom(...specs), fc.string(), (spec, raw) => {
      const codec = createCodec(spec);
      const canonical = codec.canonical(raw);
      expect(codec.canonical(canonical)).toBe(canonical);
      expect(codec.canonical(codec.toWire(canonical))).toBe(canonical);
    }),
  );
});

test('an array is read as Postgres prints it, whatever its members hold', () => {
  const array = createCodec(tags);
  const member = fc.string({ unit: 'binary-ascii', minLength: 1 }).filter((text) => {
    return text.trim() === text && text !== '' && !text.includes(';') && !text.includes('\0');
  });
  fc.assert(
    fc.property(fc.uniqueArray(member), (members) => {
      const canonical = array.canonical(members.join(';'));
      expect(array.toHubspot(array.toPostgres(canonical))).toBe(canonical);
    }),
  );
  expect(array.toHubspot('{NULL,"NULL",a}')).toBe('NULL;a');
  for (const text of ['{{a},{b}}', 'a,b', '{a,}', '{a"b}', '[2:3]={a,b}']) {
    expect(() => array.toHubspot(text)).toThrow('no array of one dimension');
  }
});

test('a member with a semicolon can’t be an option', () => {
  expect(() => createCodec(tags).toHubspot('{"a;b"}')).toThrow('semicolon');
});

test('a text that one side can’t hold is refused, not cut or changed', () => {
  const text = createCodec({ type: 'text' });
  expect(text.toHubspot('x'.repeat(65_536))).toHaveLength(65_536);
  expect(() => text.toHubspot('x'.repeat(65_537))).toThrow('65537 characters');
  expect(() => text.toPostgres('a\0b')).toThrow('Postgres can’t store');
  expect(() => text.toPostgres('a\ud83d')).toThrow('Postgres can’t store');
  expect(text.toPostgres('a\ud83d\ude00')).toBe('a\ud83d\ude00');
});

test('what comes in and goes out again is the same value', () => {
  const number = fc.stringMatching(/^-?\d{1,30}(\.\d{1,20})?$/);
  const instant = fc
    .date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
    .map((date) => date.toISOString());
  const cases: [CodecSpec, fc.Arbitrary<string>][] = [
    [{ type: 'text' }, fc.string()],
    [{ type: 'number' }, number],
    [{ type: 'boolean' }, fc.constantFrom('true', 'false')],
    [{ type: 'datetime' }, instant],
    [{ type: 'date', as: 'date', zone: 'UTC' }, instant.map((text) => text.slice(0, 10))],
    [{ type: 'date', as: 'datetime', zone: 'America/New_York' }, instant],
    [{ type: 'enumeration', values: { A: 'a', B: 'b' } }, fc.constantFrom('a', 'b')],
    [tags, fc.array(fc.stringMatching(/^[a-z ]+$/)).map((all) => all.join(';'))],
  ];
  for (const [spec, arbitrary] of cases) {
    const codec = createCodec(spec);
    fc.assert(
      fc.property(fc.oneof(fc.constant(''), arbitrary), (raw) => {
        const canonical = codec.canonical(raw);
        expect(codec.toHubspot(codec.toPostgres(canonical))).toBe(canonical);
        expect(codec.canonical(codec.toWire(canonical))).toBe(canonical);
      }),
    );
  }
});

test('an unchanged day keeps its time of day, whatever it is', () => {
  const instant = fc.date({
    min: new Date('1980-01-01'),
    max: new Date('2100-01-01'),
    noInvalidDate: true,
  });
  fc.assert(
    fc.property(instant, instant, (stored, other) => {
      const [kept, changed] = [stored, other].map((date) => date.toISOString()) as [string, string];
      expect(berlin.toWire(berlin.canonical(kept), kept)).toBe(kept);
      expect(berlin.toWire(berlin.canonical(kept), String(stored.getTime()))).toBe(kept);
      const wire = berlin.toWire(berlin.canonical(changed), kept);
      expect(berlin.canonical(wire)).toBe(berlin.canonical(changed));
    }),
  );
});
