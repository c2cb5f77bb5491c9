import fc from 'fast-check';
import { formatLsn, parseLsn } from '../../shared/postgres/lsn.ts';

const lsn = fc.bigInt(0n, 0xffff_ffff_ffff_ffffn);

test('every position comes back from its text', () => {
  fc.assert(fc.property(lsn, (value) => parseLsn(formatLsn(value)) === value));
});

test('padded and lower-case forms are the same position, and order is that of numbers, not of text', () => {
  expect(parseLsn('00000000/461E5290')).toBe(parseLsn('0/461e5290'));
  expect(parseLsn('0/9FFFFFF') < parseLsn('0/10000000')).toBe(true);
  expect(parseLsn('1/0') > parseLsn('0/FFFFFFFF')).toBe(true);
});

test.each(['', '0', '0/', '/0', '0/123456789', 'x/1', '0/1 '])('%j is no position', (text) => {
  expect(() => parseLsn(text)).toThrow(RangeError);
});
