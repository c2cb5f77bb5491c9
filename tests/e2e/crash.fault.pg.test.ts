/** Lost answers, late writes and killed processes: once in HubSpot, equal on both sides. */
import { eventually } from '../support/eventually.ts';
import { bothSides, createStack, type Stack, seedDeals } from './stack.ts';

const upsert = 'POST /crm/v3/objects/deals/batch/upsert';

async function dealsNamed(stack: Stack, name: string): Promise<number> {
  const records = await stack.records('deals');
  return records.filter((r) => !r.archived && r.properties.dealname === name).length;
}

test('a row whose creation is answered by a cut connection is made once', async () => {
  await using stack = await createStack();
  await stack.start('cdc', 'webhook');
  await stack.control('POST', '/faults', { match: upsert, drop: 'after' });
  await stack.db.query("insert into opportunities (id, name) values ('lost', 'Lost answer')");
  await eventually(async () => (await dealsNamed(stack, 'Lost answer')) === 1, {
    what: 'the deal',
  });
  await stack.quiet();
  expect(await dealsNamed(stack, 'Lost answer')).toBe(1);
  const { hubspot, postgres } = await bothSides(stack);
  expect(postgres).toEqual(hubspot);
});

test('a row whose creation lands late is made once', async () => {
  await using stack = await createStack();
  await stack.start('cdc', 'webhook');
  await stack.control('POST', '/faults', { match: upsert, lateMs: 2500 });
  await stack.db.query("insert into opportunities (id, name) values ('late', 'Late write')");
  await eventually(async () => (await dealsNamed(stack, 'Late write')) === 1, { what: 'the deal' });
  // The late write is carried out when the repeat has been answered: that is what is waited for.
  await eventually(
    async () => {
      const { calls } = await stack.stats();
      const { webhooks } = await stack.stats();
      return (calls[upsert]?.count ?? 0) >= 2 && webhooks.pending === 0;
    },
    { what: 'both requests' },
  );
  await stack.quiet();
  expect(await dealsNamed(stack, 'Late write')).toBe(1);
  const { hubspot, postgres } = await bothSides(stack);
  expect(postgres).toEqual(hubspot);
});

test('a row whose creation is under way when cdc is killed is made once', async () => {
  await using stack = await createStack();
  await stack.start('cdc', 'webhook');
  await stack.control('POST', '/faults', { match: upsert, delayMs: 1500 });
  await stack.db.query("insert into opportunities (id, name) values ('killed', 'Killed')");
  await eventually(
    async () => {
      const [row] = await stack.db.query(
        "select call_since from hubspot_sync.record where key = 'killed'",
      );
      return row?.call_since;
    },
    { what: 'the call under way' },
  );
  await stack.kill('cdc');
  await stack.start('cdc');
  await eventually(async () => (await dealsNamed(stack, 'Killed')) === 1, { what: 'the deal' });
  await stack.quiet();
  expect(await dealsNamed(stack, 'Killed')).toBe(1);
  const { hubspot, postgres } = await bothSides(stack);
  expect(postgres).toEqual(hubspot);
});

test('ten kills of both processes under load on both sides end in equality', async () => {
  let ids: string[] = [];
  await using stack = await createStack({
    seed: async (given) => {
      ids = await seedDeals(given, 12);
    },
  });
  await stack.start('cdc', 'webhook');
  let running = true;
  let turn = 0;
  const load = (async () => {
    while (running) {
      turn += 1;
      const mine = ids[turn % ids.length] as string;
      const theirs = ids[(turn * 5) % ids.length] as string;
      await stack.db.query('update opportunities set amount = $2, next_step = $3 where id = $1', [
        `hs_${mine}`,
        turn,
        `step ${turn}`,
      ]);
      await stack.control('PATCH', `/objects/deals/${theirs}`, {
        properties: { amount: String(10_000 + turn), dealname: `Deal ${turn}` },
      });
      if (turn % 20 === 0) {
        await stack.db.query('insert into opportunities (id, name) values ($1, $2)', [
          `new-${turn}`,
          `New ${turn}`,
        ]);
      }
    }
  })();
  for (let round = 0; round < 10; round += 1) {
    const before = turn;
    await eventually(() => turn > before + 15, { what: 'load between two kills' });
    await Promise.all([stack.kill('cdc'), stack.kill('webhook')]);
    await stack.start('cdc', 'webhook');
  }
  running = false;
  await load;
  await stack.quiet(30_000);
  const { hubspot, postgres } = await bothSides(stack);
  expect(postgres).toEqual(hubspot);
  const keys = (await stack.records('deals'))
    .filter(({ archived, properties }) => !archived && properties.trs_id)
    .map(({ properties }) => properties.trs_id);
  expect(new Set(keys).size).toBe(keys.length);
}, 180_000);
