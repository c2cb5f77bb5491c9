/** The room behind the emulator's own webhooks: real requests, real signatures, as they come. */
import { createDeal, runEmulator } from '../emulator/running.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { appId, openRoom, portalId, secret, tables } from './room.ts';

test.each(['legacy', 'generic'] as const)(
  'edits told in the %s shape, late, doubled and in any order, end in equal rows',
  async (webhookShape) => {
    const port = await freePort();
    await using room = await openRoom({ port });
    await using emulator = await runEmulator({
      clientSecret: secret,
      appId,
      portalId,
      webhookUrl: room.options.config.webhook.publicUrl,
      behaviour: {
        webhookShape,
        webhookMixPortals: true,
        webhookEventIdCollisionEvery: 2,
        webhookLagMs: 300,
      },
    });
    const ids: string[] = [];
    for (let i = 0; i < 8; i++) {
      const id = await createDeal(emulator, `deal ${i}`);
      await room.link('deals', `hs_${id}`, id);
      ids.push(id);
    }
    await emulator.control('POST', '/webhooks', { duplicate: 0.3, reorder: 0.5, delayMs: 5 });
    const start = Date.now();
    for (let edit = 0; edit < 48; edit++) {
      const properties = [
        { dealname: `name ${edit}` },
        { amount: String(edit) },
        { dealname: `both ${edit}`, hs_next_step: edit % 4 ? `step ${edit}` : '' },
      ][Math.floor(edit / 8) % 3];
      const { status } = await emulator.control('PATCH', `/objects/deals/${ids[edit % 8]}`, {
        properties,
        occurredAt: start + edit * 5000,
      });
      expect(status).toBe(200);
    }
    await eventually(async () => {
      const { body } = await emulator.control('GET', '/stats');
      return body.webhooks.pending === 0 && body.webhooks.delivered > 0;
    });
    await room.settled();
    for (const id of ids) {
      const { body } = await emulator.control('GET', `/objects/deals/${id}`);
      const { dealname, amount, hs_next_step } = body.properties;
      const [row] = await room.db.query(
        'select name, amount::float8, note from deals where id = $1',
        [`hs_${id}`],
      );
      expect(row).toEqual({ name: dealname, amount: Number(amount), note: hs_next_step || null });
    }
    expect(await room.db.query(`select * from ${tables.deadLetter}`)).toEqual([]);
    expect(room.told('inbound:settled').some(({ outcome }) => outcome === 'foreign')).toBe(true);

    await emulator.control('DELETE', `/objects/deals/${ids[0]}`);
    await eventually(async () => {
      expect(await room.db.query('select from deals where id = $1', [`hs_${ids[0]}`])).toEqual([]);
    });
  },
);
