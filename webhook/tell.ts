/**
 * What people and listeners learn of a record's events: lines of sync_log, dead letters, and what is
 * told once it is committed. Names of properties, never values.
 */
import type { TableMapping } from '../shared/mapping/mapping.ts';
import { refusedLetter, unconvertibleLetter } from '../shared/postgres/inbound-letters.ts';
import type { SyncLogRow } from '../shared/postgres/journal.ts';
import type { ApplyContext, Findings, RecordEvent } from './context.ts';
import type { Outcome } from './inbox.ts';
import type { Written } from './write.ts';

export function noteDecision(
  { events: listeners }: ApplyContext,
  table: TableMapping,
  written: Written,
  findings: Findings,
): void {
  const { record, events, decision, refused, removed } = written;
  const { object, key } = record;
  for (const [id, outcome] of decision.outcomes) findings.outcomes.set(id, outcome);
  for (const one of decision.unconvertible) {
    const { property, reason } = one;
    const { event, hubspotId } = one.event;
    const value = event.kind === 'property' ? (event.value ?? null) : null;
    findings.letters.push(
      unconvertibleLetter(
        { object, key, hubspotId: hubspotId ?? null },
        { property: property ?? '', value, time: event.time, reason },
      ),
    );
  }
  for (const one of refused) findings.letters.push(refusedLetter(object, one));

  const hubspotId = events[0]?.hubspotId;
  const names = { object, key, hubspotId };
  const tell = (emit: () => void) => findings.told.push(emit);
  const of = (...outcomes: Outcome[]) =>
    events.filter(({ id }) => outcomes.includes(decision.outcomes.get(id) ?? 'ignored'));

  const applied = of('applied');
  const changed = removed ? [] : changedProperties(table, written);
  if (removed || changed.length > 0) {
    const operation = removed ? ('delete' as const) : ('update' as const);
    const last = applied.at(-1);
    const eventId = last?.event.eventId;
    const changedAt = last?.event.time;
    findings.log.push(
      logRow(written, 'success', describe(operation, changed), applied, { properties: changed }),
    );
    tell(() =>
      listeners.emit('inbound:change', {
        ...names,
        operation,
        properties: changed,
        ...(eventId === undefined ? {} : { eventId }),
        ...(changedAt === undefined ? {} : { tookMs: Math.max(0, Date.now() - changedAt) }),
      }),
    );
  } else {
    settled(applied, 'same');
  }
  for (const { property, reason } of decision.doubts) {
    tell(() => listeners.emit('doubt', { ...names, reason, ...(property ? { property } : {}) }));
  }
  const echoes = of('echo');
  if (echoes.length > 0) {
    const properties = propertiesOf(echoes);
    tell(() => listeners.emit('echo', { ...names, direction: 'inbound', properties }));
  }
  settled(of('same'), 'same');
  settled(of('ignored', 'remembered'), 'ignored');
  for (const status of ['stale', 'skipped'] as const) {
    const all = of(status);
    settled(all, status);
    // A newer value of the same batch stands in for an older one: nobody needs a line for that.
    const properties = propertiesOf(all).filter((name) => !written.applied.includes(name));
    if (properties.length > 0) {
      const message = `${properties.join(', ')}: ${status === 'stale' ? 'something newer is known' : 'not taken from HubSpot'}`;
      findings.log.push(logRow(written, status, message, all, { properties }));
    }
  }
  if (refused.length + decision.unconvertible.length > 0) {
    const details = [
      ...refused.map(({ write, code, detail }) => ({
        properties: Object.keys(write.values),
        sqlstate: code,
        detail,
      })),
      ...decision.unconvertible.map(({ property, reason }) => ({
        properties: [property],
        detail: reason,
      })),
    ];
    const message = details.map(({ detail }) => detail).join('; ');
    findings.log.push({
      ...logRow(written, 'error', message, of('dead'), {}),
      errorDetails: { refused: details },
    });
    for (const { code } of findings.letters.slice(-details.length)) {
      tell(() => listeners.emit('deadletter', { ...names, direction: 'inbound', code }));
    }
  }

  function settled(all: readonly RecordEvent[], outcome: 'stale' | 'same' | 'ignored' | 'skipped') {
    for (const { event } of all) {
      const { eventId } = event;
      tell(() =>
        listeners.emit('inbound:settled', {
          ...names,
          outcome,
          ...(eventId === undefined ? {} : { eventId }),
        }),
      );
    }
  }
}

/** Applied properties whose column really changed. */
function changedProperties(table: TableMapping, { applied, changed }: Written): string[] {
  return applied.filter((name) => changed.includes(table.property(name)?.column ?? ''));
}

function propertiesOf(events: readonly RecordEvent[]): string[] {
  const names = events.flatMap(({ event }) => {
    if (event.kind === 'property') return [event.property];
    return event.kind === 'association' ? [event.association.name] : [];
  });
  return [...new Set(names)];
}

function describe(operation: 'update' | 'delete', properties: readonly string[]): string {
  return operation === 'delete' ? 'delete' : `update: ${properties.join(', ')}`;
}

function logRow(
  { record, removed }: Written,
  status: SyncLogRow['status'],
  message: string,
  events: readonly RecordEvent[],
  metadata: Readonly<Record<string, unknown>>,
): SyncLogRow {
  const arrived = events.map(({ receivedAt }) => receivedAt);
  return {
    object: record.object,
    key: record.key,
    direction: 'inbound',
    status,
    message,
    metadata: {
      operation: removed ? 'delete' : 'update',
      hubspot_id: events[0]?.hubspotId,
      ...metadata,
      source: 'webhook',
    },
    startedAt: arrived.length > 0 ? Math.min(...arrived) : Date.now(),
  };
}
