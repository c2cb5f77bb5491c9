/**
 * What the events of one record mean together: each is judged in turn by the protocol, on the record
 * as the events before it left it. Pure, so that it can be asked again without what Postgres refuses.
 */
import type { TableMapping } from '../shared/mapping/mapping.ts';
import type { OutboxRow, StoredRecord } from '../shared/postgres/records.ts';
import { operationOf } from '../shared/postgres/values.ts';
import { takesPropertyEvent } from '../shared/protocol/existence-inward.ts';
import { appliedInbound, receiveEvent } from '../shared/protocol/receive.ts';
import { doubt, learned } from '../shared/protocol/record.ts';
import type { RecordState } from '../shared/protocol/state.ts';
import type { RecordEvent } from './context.ts';
import { decideAssociation } from './events/association.ts';
import { decideExistence, decideRefusedRow } from './events/existence.ts';
import type { Outcome } from './inbox.ts';
import type { WebhookEvent } from './parse.ts';

/** A value for the row. */
export interface Applied {
  readonly value: string;
  readonly time: number;
  readonly text: string | null;
  /** Inbox rows that asked for it, the newest last. */
  readonly from: readonly string[];
}

export interface Noted {
  readonly id: string;
  readonly property?: string;
  readonly reason: string;
}

export interface Decision {
  /** With every value in `apply` taken in already. */
  readonly state: RecordState;
  readonly outbox: OutboxRow | null;
  /** By property. */
  readonly apply: Readonly<Record<string, Applied>>;
  /** The row goes (or is marked, by policy): the event that says so. */
  readonly removal: RecordEvent | null;
  readonly outcomes: ReadonlyMap<string, Outcome>;
  readonly doubts: readonly Noted[];
  /** Values that can't be converted: the message repeats none. */
  readonly unconvertible: readonly (Noted & { readonly event: RecordEvent })[];
}

/** The decision while it is made. */
export interface Draft {
  readonly table: TableMapping;
  state: RecordState;
  outbox: OutboxRow | null;
  rowExists: boolean;
  readonly apply: Record<string, Applied>;
  removal: RecordEvent | null;
  readonly outcomes: Map<string, Outcome>;
  readonly doubts: Noted[];
  readonly unconvertible: (Noted & { event: RecordEvent })[];
}

export interface DecideOptions {
  readonly rowExists: boolean;
  /** Properties whose new value Postgres refused: judged, but not taken in. */
  readonly refused?: ReadonlySet<string>;
  /** Inbox rows that wait for another time: as if they hadn't come yet. */
  readonly held?: ReadonlySet<string>;
}

/** @param events of one record, in the order of their history times */
export function decideEvents(
  table: TableMapping,
  record: Pick<StoredRecord, 'state' | 'outbox'>,
  events: readonly RecordEvent[],
  { rowExists, refused = new Set(), held = new Set() }: DecideOptions,
): Decision {
  const draft: Draft = {
    table,
    state: record.state,
    outbox: record.outbox,
    rowExists,
    apply: {},
    removal: null,
    outcomes: new Map(),
    doubts: [],
    unconvertible: [],
  };
  for (const one of events) {
    if (held.has(one.id)) continue;
    const outcome = decideOne(draft, one, refused);
    draft.outcomes.set(one.id, outcome);
  }
  return draft;
}

function decideOne(draft: Draft, one: RecordEvent, refused: ReadonlySet<string>): Outcome {
  const { event } = one;
  switch (event.kind) {
    case 'property':
    case 'association': {
      const op = operationOf(draft.outbox);
      if (!takesPropertyEvent(draft.state, op, one.hubspotId, draft.rowExists)) {
        return decideRefusedRow(draft, one);
      }
      return event.kind === 'association'
        ? decideAssociation(draft, one, event)
        : decideProperty(draft, one, event, refused);
    }
    case 'creation':
    case 'deletion':
    case 'restore':
      return decideExistence(draft, one, event.kind);
    case 'merge':
    case 'privacy':
      // Which record lives on, and with what, only a reading tells.
      draft.state = doubt(learned(draft.state), 'existence');
      draft.doubts.push({ id: one.id, reason: 'existence' });
      return 'doubt';
  }
}

function decideProperty(
  draft: Draft,
  one: RecordEvent,
  event: Extract<WebhookEvent, { kind: 'property' }>,
  refused: ReadonlySet<string>,
): Outcome {
  const { property, time, ours } = event;
  const mapping = draft.table.property(property);
  if (!mapping) return 'ignored';
  // What only travels outwards is ours: a foreign value there is none for the row.
  if (mapping.direction === 'outbound' && !ours) return 'skipped';
  if (event.withheld) {
    draft.state = doubt(learned(draft.state), 'reconcile');
    draft.doubts.push({ id: one.id, property, reason: 'reconcile' });
    return 'doubt';
  }
  const bad = (reason: string): Outcome => {
    draft.unconvertible.push({ id: one.id, property, reason, event: one });
    return 'dead';
  };
  if (!isText(event.value)) return bad('HubSpot holds a text that Postgres has no place for');
  let value: string;
  try {
    value = mapping.codec.canonical(event.value);
  } catch (error) {
    return bad((error as Error).message);
  }
  const received = receiveEvent(draft.state, { property, value, time, ours });
  if (received.outcome !== 'apply') {
    draft.state = received.record;
    if (received.outcome === 'doubt') {
      draft.doubts.push({ id: one.id, property, reason: received.reason ?? 'doubt' });
    }
    return received.outcome;
  }
  if (refused.has(property)) return 'dead';
  let text: string | null;
  try {
    text = mapping.codec.toPostgres(value);
  } catch (error) {
    return bad((error as Error).message);
  }
  const before = draft.apply[property]?.from ?? [];
  for (const id of before) draft.outcomes.set(id, 'stale');
  draft.apply[property] = { value, time, text, from: [...before, one.id] };
  draft.state = appliedInbound(received.record, property, { value, time });
  return 'applied';
}

/** No NUL, which no text column takes, and no half of a character. */
function isText(value: string): boolean {
  return !value.includes('\u0000') && !/\p{Surrogate}/u.test(value);
}
