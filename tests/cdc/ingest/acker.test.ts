import fc from 'fast-check';
import { createAcker } from '../../../cdc/ingest/acker.ts';
import { type Lsn, parseLsn } from '../../../shared/postgres/lsn.ts';

/** The server's side: the library adds one to what it is given. */
function createServer(start: Lsn) {
  const reported: Lsn[] = [];
  const acker = createAcker((lsn) => void reported.push(parseLsn(lsn) + 1n), start);
  return { acker, reported };
}

test('what the server is told is exactly the position, since the library adds one', () => {
  const { acker, reported } = createServer(0x100n);
  acker.stored(0x1_0000_0000n);
  acker.keepAlive();
  expect(reported).toEqual([0x1_0000_0000n, 0x1_0000_0000n]);
});

test('before anything was confirmed there is nothing to report', () => {
  const { acker, reported } = createServer(0n);
  acker.keepAlive();
  expect(reported).toEqual([]);
});

test('a keepalive is passed only while everything received is handled and stored', () => {
  const { acker } = createServer(1n);
  expect(acker.isPassed()).toBe(true);
  acker.received();
  expect(acker.isPassed()).toBe(false);
  acker.setUnstored(true);
  acker.handled();
  expect(acker.isPassed()).toBe(false);
  acker.setUnstored(false);
  expect(acker.isPassed()).toBe(true);
});

/** What may happen on a connection, in any order that the stream allows. */
const moves = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('transaction' as const), size: fc.integer({ min: 1, max: 5 }) }),
    fc.record({ kind: fc.constant('handle' as const), count: fc.integer({ min: 1, max: 9 }) }),
    fc.record({ kind: fc.constant('store' as const) }),
    fc.record({ kind: fc.constant('keepalive' as const), gap: fc.bigInt(0n, 3n) }),
    fc.record({ kind: fc.constant('tick' as const) }),
  ),
  { maxLength: 60 },
);

test('whatever comes in whatever order, no position is confirmed that isn’t durable, nor one backwards', () => {
  fc.assert(
    fc.property(moves, (list) => {
      const { acker, reported } = createServer(1000n);
      let wal = 1000n;
      /** Messages sent and not handled; a commit's carries its end. */
      const queue: (Lsn | null)[] = [];
      let open = false;
      let gathered: Lsn | null = null;
      /** Ends of transactions that are not stored yet. */
      const unstored = new Set<Lsn>();
      for (const move of list) {
        if (move.kind === 'transaction') {
          // Adjacent ones: each begins at the very byte where the one before it ended.
          wal += BigInt(move.size);
          unstored.add(wal);
          for (let i = 1; i < move.size; i++) queue.push(null);
          queue.push(wal);
          for (let i = 0; i < move.size; i++) acker.received();
        } else if (move.kind === 'handle') {
          for (let i = 0; i < move.count && queue.length > 0; i++) {
            const end = queue.shift() as Lsn | null;
            open = end === null;
            if (end !== null) gathered = end;
            acker.setUnstored(open || gathered !== null);
            acker.handled();
          }
        } else if (move.kind === 'store' && gathered !== null) {
          for (const end of unstored) if (end <= gathered) unstored.delete(end);
          const end = gathered;
          gathered = null;
          acker.setUnstored(open);
          acker.stored(end);
        } else if (move.kind === 'keepalive') {
          wal += move.gap;
          if (acker.isPassed()) acker.stored(wal);
        } else if (move.kind === 'tick') {
          acker.keepAlive();
        }
        // The server skips every transaction that ended at or before what it was told.
        for (const end of unstored) expect(end > acker.confirmed).toBe(true);
      }
      expect(reported).toEqual([...reported].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)));
    }),
    { numRuns: 500 },
  );
});
