import { createEvents } from '../../shared/service/events.ts';
import { createMetrics } from '../../shared/service/metrics.ts';

const deal = { object: 'deals', key: '1' };

test('a listener that throws breaks neither the work nor the other listeners', () => {
  const failures: unknown[] = [];
  const events = createEvents((error, name) => failures.push([name, (error as Error).message]));
  const heard: string[] = [];
  events.on('doubt', () => {
    throw new Error('mine');
  });
  events.on('doubt', ({ reason }) => heard.push(reason));
  events.emit('doubt', { ...deal, reason: 'late' });
  expect(heard).toEqual(['late']);
  expect(failures).toEqual([['doubt', 'mine']]);
});

test('a listener that was taken away hears nothing more', () => {
  const events = createEvents();
  let heard = 0;
  const off = events.on('doubt', () => {
    heard += 1;
  });
  events.emit('doubt', { ...deal, reason: 'x' });
  off();
  events.emit('doubt', { ...deal, reason: 'x' });
  expect(heard).toBe(1);
});

test('the next event that fits can be awaited, and given up', async () => {
  const events = createEvents();
  const next = events.next('doubt', ({ key }) => key === '2');
  events.emit('doubt', { ...deal, reason: 'other' });
  events.emit('doubt', { ...deal, key: '2', reason: 'this' });
  expect(await next).toMatchObject({ reason: 'this' });
  const abort = new AbortController();
  const never = events.next('doubt', undefined, abort.signal);
  abort.abort(new Error('enough'));
  await expect(never).rejects.toThrow('enough');
});

test('metrics count what the events tell', async () => {
  const events = createEvents();
  const metrics = createMetrics(events, { processMetrics: false });
  const change = { ...deal, operation: 'update' as const, properties: ['amount'], lsn: '0/1' };
  events.emit('outbound:change', change);
  events.emit('outbound:change', change);
  events.emit('outbound:sent', {
    ...deal,
    operation: 'update',
    properties: ['amount'],
    tookMs: 300,
  });
  events.emit('batch:sent', {
    object: 'deals',
    operation: 'update',
    size: 7,
    refused: 0,
    tookMs: 20,
    status: 200,
  });
  events.emit('slot:progress', { slot: 's', confirmedLsn: '0/2', lagBytes: 42 });
  const text = await metrics.registry.metrics();
  expect(text).toContain(
    'pg_hubspot_sync_outbound_changes_total{object="deals",operation="update"} 2',
  );
  expect(text).toContain(
    'pg_hubspot_sync_batch_records_total{object="deals",operation="update"} 7',
  );
  expect(text).toContain('pg_hubspot_sync_slot_lag_bytes{slot="s"} 42');
  expect(text).toContain('pg_hubspot_sync_outbound_seconds_bucket{le="0.5",object="deals"} 1');
  metrics.close();
  events.emit('outbound:change', change);
  expect(await metrics.registry.metrics()).toBe('\n');
});
