import { emitMark } from '../../../shared/postgres/mark.ts';
import { inTransaction } from '../../../shared/postgres/pool.ts';
import { createLogger } from '../../../shared/service/logger.ts';
import { createRoom } from './room.ts';

test('large marks that wait in memory keep their content, and so their signature', async () => {
  await using room = await createRoom();
  for (let n = 0; n < 200; n += 1) {
    const columns = { amount: null, due: null, probability: null, client_id: null };
    const row = { id: `d${n}`, name: 'n'.repeat(500 + n * 137), next_step: null, ...columns };
    await inTransaction(room.pool, (client) =>
      emitMark(client, room.secret, {
        kind: 'link',
        rows: [{ object: 'deals', key: row.id, row }],
      }),
    );
  }
  const lines: string[] = [];
  const log = createLogger(
    { log: { level: 'warn', format: 'json' } },
    { destination: { write: (line) => void lines.push(line) } },
  );
  // They are all there already: they arrive in a few pieces that hold many of them.
  await using _ = await room.start({ log });
  await room.drained();
  expect(lines).toEqual([]);
  const [known] = await room.db.query(
    `select count(*)::int as n from hubspot_sync.record where object_type = 'deals' and image is not null`,
  );
  expect(known).toEqual({ n: 200 });
});
