/**
 * Second step outwards: what of the outbox is sent now. Called under the record's lock; what it
 * answers is stored before the call is made, so that every value ever sent is in the ledger.
 */
import { inboundTime, wasSent, withSent } from './property.ts';
import { mapProperty, withCall } from './record.ts';
import { product, type Terms } from './rules.ts';
import {
  type Call,
  type Carried,
  type Conflict,
  type Pendings,
  type PropertyState,
  propertyOf,
  type RecordState,
  type Value,
} from './state.ts';

export interface Claimed {
  /** In doubt, or a call is under way: nothing is sent and nothing is dropped. */
  readonly blocked: boolean;
  /** With the call and its lines in the ledger, if anything is to be sent. */
  readonly record: RecordState;
  readonly send: Readonly<Record<string, Value>>;
  /** Properties whose pending value is dropped: HubSpot holds it, or a mark on its way is newer. */
  readonly drop: readonly string[];
  readonly conflicts: readonly Conflict[];
}

/**
 * An inbound value was applied and its mark isn't consumed yet. All that waits for the property
 * comes before that mark in WAL order.
 */
export function isHeld(property: PropertyState): boolean {
  return inboundTime(property) > property.epoch;
}

/**
 * Decides what is sent. With nothing to send `record.call` stays null, unless `always` is set: an
 * upsert or an archive is made whatever its properties are.
 */
export function claimRecord(
  record: RecordState,
  pendings: Pendings,
  call: Omit<Call, 'values' | 'compareAfter' | 'sawCreated'>,
  {
    hold = (name) => isHeld(propertyOf(record, name)),
    always = false,
  }: { hold?: (property: string) => boolean; always?: boolean } = {},
  terms: Terms = product,
): Claimed {
  if (record.call || record.doubt.length > 0) {
    return { blocked: true, record, send: {}, drop: [], conflicts: [] };
  }
  const send: Record<string, Value> = {};
  const values: Record<string, Carried> = {};
  const drop: string[] = [];
  const conflicts: Conflict[] = [];
  let next = record;
  for (const [name, pending] of Object.entries(pendings)) {
    const property = propertyOf(record, name);
    if (property.known?.value === pending.value) {
      drop.push(name);
      continue;
    }
    if (terms.rules.hold && hold(name)) {
      drop.push(name);
      const hubspot = property.inbound?.value ?? '';
      if (pending.cause !== 'restore' && pending.value !== hubspot) {
        conflicts.push({ property: name, local: pending.value, hubspot });
      }
      continue;
    }
    send[name] = pending.value;
    values[name] = {
      ...pending,
      epoch: property.epoch,
      again: pending.cause !== 'change' && wasSent(property, pending.value),
      after: Math.max(inboundTime(property), property.known?.time.low ?? 0),
      inbound: inboundTime(property),
      echo: null,
    };
    next = mapProperty(next, name, (state) =>
      withSent(
        state,
        {
          value: pending.value,
          request: call.request,
          epoch: property.epoch,
          cause: pending.cause,
          sentAt: call.startedAt,
          time: null,
          outcome: 'under-way',
        },
        terms.ledger,
      ),
    );
  }
  if (always || Object.keys(send).length > 0) {
    next = withCall(next, { ...call, values, compareAfter: false, sawCreated: [] });
  }
  return { blocked: false, record: next, send, drop, conflicts };
}
