import fc from 'fast-check';
import { makeBatches, splitBatch } from '../../../cdc/deliver/batch.ts';
import type { Claimed } from '../../../cdc/deliver/claimed.ts';
import { backoff } from '../../../cdc/records/backoff.ts';

function claimed(object: string, operation: Claimed['operation'], keyValue: string): Claimed {
  return {
    table: {} as Claimed['table'],
    object,
    key: keyValue,
    request: `${object}/${operation}/${keyValue}`,
    operation,
    hubspotId: operation === 'upsert' ? null : keyValue,
    send: {},
    wire: {},
    keyValue,
    firstAt: 0,
    firstLsn: '0/1',
    lastLsn: '0/1',
    attempts: 0,
    suspicion: 0,
  };
}

const anyClaimed = fc
  .tuple(
    fc.constantFrom('deals', 'contacts'),
    fc.constantFrom('update' as const, 'upsert' as const, 'archive' as const),
    fc.nat({ max: 500 }),
  )
  .map(([object, operation, key]) => claimed(object, operation, String(key)));

test('a batch holds one object type and one operation, each record once, and no more than fit', () => {
  fc.assert(
    fc.property(
      fc.array(anyClaimed, { maxLength: 400 }),
      fc.integer({ min: 1, max: 100 }),
      (all, size) => {
        const batches = makeBatches(all, size);
        expect(batches.flat().length).toBe(all.length);
        expect(new Set(batches.flat())).toEqual(new Set(all));
        for (const batch of batches) {
          expect(batch.length).toBeLessThanOrEqual(size);
          expect(new Set(batch.map((item) => `${item.object}/${item.operation}`)).size).toBe(1);
          expect(new Set(batch.map((item) => item.keyValue?.toLowerCase())).size).toBe(
            batch.length,
          );
        }
      },
    ),
  );
});

test('what fits into one call takes one call', () => {
  const all = Array.from({ length: 250 }, (_, i) => claimed('deals', 'update', String(i)));
  expect(makeBatches(all, 100).map((batch) => batch.length)).toEqual([100, 100, 50]);
});

test('a batch that HubSpot failed with again and again gets smaller until a record stands alone', () => {
  const sizes = [0, 1, 2, 3, 4, 9].map((suspicion) => {
    const all = Array.from({ length: 100 }, (_, i) => ({
      ...claimed('deals', 'update', String(i)),
      suspicion,
    }));
    return makeBatches(all)[0]?.length;
  });
  expect(sizes).toEqual([100, 100, 25, 6, 1, 1]);
});

test('keys that differ by case alone never share a batch, since HubSpot refuses it whole', () => {
  const twins = [claimed('deals', 'upsert', 'abc'), claimed('deals', 'upsert', 'ABC')];
  expect(makeBatches(twins).map((batch) => batch.length)).toEqual([1, 1]);
});

test('halving ends at single records, in logarithmically many steps', () => {
  const all = Array.from({ length: 100 }, (_, i) => claimed('deals', 'update', String(i)));
  let batch = makeBatches(all)[0] ?? [];
  let steps = 0;
  while (batch.length > 1) {
    const [first, second] = splitBatch(batch);
    expect([...first, ...second]).toEqual([...batch]);
    batch = first;
    steps += 1;
  }
  expect(steps).toBe(7);
});

test('pauses grow from half a second to fifteen, with jitter below the whole', () => {
  expect([0, 1, 2, 5, 20].map((attempt) => backoff(attempt, 1))).toEqual([
    500, 1000, 2000, 15_000, 15_000,
  ]);
  expect(backoff(0, 0)).toBe(250);
});
