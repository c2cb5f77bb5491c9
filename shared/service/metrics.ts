/**
 * Prometheus metrics, their names declared once. They are listeners of the events: no room counts by
 * itself. Each process has one registry; under `start` both rooms share it.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Events } from './events.ts';

export interface Metrics {
  readonly registry: Registry;
  /** Takes the listeners away. */
  close(): void;
}

/** Buckets in seconds from the debounce to a long outage. */
const seconds = [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 15, 60, 300, 1800];

export function createMetrics(
  events: Events,
  { processMetrics = true }: { readonly processMetrics?: boolean } = {},
): Metrics {
  const registry = new Registry();
  if (processMetrics) collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Counter<L>({ name: `pg_hubspot_sync_${name}`, help, labelNames, registers });
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Gauge<L>({ name: `pg_hubspot_sync_${name}`, help, labelNames, registers });
  const histogram = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Histogram<L>({
      name: `pg_hubspot_sync_${name}`,
      help,
      labelNames,
      buckets: seconds,
      registers,
    });

  const outboundChanges = counter(
    'outbound_changes_total',
    'Committed changes of mapped rows that became durable in the outbox.',
    ['object', 'operation'],
  );
  const outboundWrites = counter(
    'outbound_writes_total',
    'Record writes that HubSpot answered and that are settled.',
    ['object', 'operation'],
  );
  const outboundSeconds = histogram(
    'outbound_seconds',
    'Seconds from the commit in Postgres to the settled answer of HubSpot.',
    ['object'],
  );
  const batches = counter('batches_total', 'Batch calls by outcome.', [
    'object',
    'operation',
    'status',
  ]);
  const batchRecords = counter('batch_records_total', 'Records carried by batch calls.', [
    'object',
    'operation',
  ]);
  const calls = counter('hubspot_calls_total', 'HTTP calls to HubSpot.', ['call', 'status']);
  const callSeconds = histogram('hubspot_call_seconds', 'Seconds a call to HubSpot took.', [
    'call',
  ]);
  const limited = counter('hubspot_limited_total', 'Answers 429 from HubSpot.', ['policy']);
  const inboundChanges = counter(
    'inbound_changes_total',
    'Inbound changes committed in Postgres.',
    ['object', 'operation'],
  );
  const inboundSettled = counter(
    'inbound_settled_total',
    'Webhook events that left the inbox without changing a row, by reason.',
    ['outcome'],
  );
  const inboundSeconds = histogram(
    'inbound_seconds',
    'Seconds from the change in HubSpot to the commit in Postgres.',
    ['object'],
  );
  const webhookRequests = counter('webhook_requests_total', 'Webhook requests by answer.', [
    'status',
  ]);
  const webhookEvents = counter(
    'webhook_events_total',
    'Webhook events that were received, and that were new.',
    ['kind'],
  );
  const conflicts = counter('conflicts_total', 'Properties changed on both sides.', [
    'object',
    'winner',
  ]);
  const doubts = counter('doubts_total', 'Records read back before they were judged.', ['object']);
  const echoes = counter('echoes_total', 'Own changes recognised when they came back.', [
    'object',
    'direction',
  ]);
  const deadLetters = counter('dead_letters_total', 'Writes refused for good.', [
    'object',
    'direction',
    'code',
  ]);
  const dropped = counter(
    'properties_dropped_total',
    'Properties that HubSpot refuses and that left the mapping at run time.',
    ['object', 'property'],
  );
  const slotLag = gauge(
    'slot_lag_bytes',
    'Bytes of WAL between the insert position of the server and what we confirmed.',
    ['slot'],
  );
  const slotStreaming = gauge('slot_streaming', '1 while this process streams from the slot.', [
    'slot',
  ]);

  const off = [
    events.on('outbound:change', (e) => outboundChanges.inc(pick(e, 'object', 'operation'))),
    events.on('outbound:sent', (e) => {
      outboundWrites.inc(pick(e, 'object', 'operation'));
      if (e.tookMs !== undefined) outboundSeconds.observe({ object: e.object }, e.tookMs / 1000);
    }),
    events.on('batch:sent', (e) => {
      batches.inc({ ...pick(e, 'object', 'operation'), status: String(e.status) });
      batchRecords.inc(pick(e, 'object', 'operation'), e.size);
    }),
    events.on('hubspot:call', (e) => {
      calls.inc({ call: e.call, status: String(e.status) });
      callSeconds.observe({ call: e.call }, e.tookMs / 1000);
    }),
    events.on('hubspot:limited', (e) => limited.inc({ policy: e.policy ?? 'unknown' })),
    events.on('inbound:change', (e) => {
      inboundChanges.inc(pick(e, 'object', 'operation'));
      if (e.tookMs !== undefined) inboundSeconds.observe({ object: e.object }, e.tookMs / 1000);
    }),
    events.on('inbound:settled', (e) => inboundSettled.inc({ outcome: e.outcome })),
    events.on('webhook:received', (e) => {
      webhookRequests.inc({ status: String(e.status) });
      webhookEvents.inc({ kind: 'received' }, e.events);
      webhookEvents.inc({ kind: 'stored' }, e.stored);
    }),
    events.on('conflict', (e) => conflicts.inc(pick(e, 'object', 'winner'))),
    events.on('doubt', (e) => doubts.inc({ object: e.object })),
    events.on('echo', (e) => echoes.inc(pick(e, 'object', 'direction'))),
    events.on('deadletter', (e) => deadLetters.inc(pick(e, 'object', 'direction', 'code'))),
    events.on('property:dropped', (e) => dropped.inc(pick(e, 'object', 'property'))),
    events.on('slot:progress', (e) => {
      if (e.lagBytes !== undefined) slotLag.set({ slot: e.slot }, e.lagBytes);
    }),
    events.on('slot:state', (e) =>
      slotStreaming.set({ slot: e.slot }, e.state === 'streaming' ? 1 : 0),
    ),
  ];
  return {
    registry,
    close() {
      for (const remove of off) remove();
      registry.clear();
    },
  };
}

function pick<T extends object, K extends keyof T>(event: T, ...names: K[]): Pick<T, K> {
  return Object.fromEntries(names.map((name) => [name, event[name]])) as Pick<T, K>;
}
