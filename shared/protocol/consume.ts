/**
 * First step outwards: what a local change, a mark or a comparison means when it is met in the WAL.
 * Called in WAL order; the order is what an epoch is.
 */
import { inboundTime } from './property.ts';
import { carries, doubt, mapProperty, wantComparison } from './record.ts';
import { product, type Terms } from './rules.ts';
import {
  type Conflict,
  type Millis,
  type Pending,
  type Pendings,
  propertyOf,
  type RecordState,
  type Value,
} from './state.ts';

export interface Consumed {
  readonly record: RecordState;
  readonly pendings: Pendings;
}

/** A local change: its values wait to be sent, in place of what waited before. */
export function consumeChange(
  record: RecordState,
  pendings: Pendings,
  values: Readonly<Record<string, Value>>,
  seq: string,
): Consumed {
  const waiting: Record<string, Pending> = { ...pendings };
  let next = record;
  for (const [name, value] of Object.entries(values)) {
    waiting[name] = { value, cause: 'change', seq };
    if (propertyOf(next, name).refused !== null) {
      next = mapProperty(next, name, (property) => ({ ...property, refused: null }));
    }
  }
  return { record: next, pendings: waiting };
}

/**
 * A mark: inbound values were applied at this place in the WAL. What waited is older and dropped;
 * a call of ours that may have overwritten an inbound value makes it pending again.
 */
export function consumeMark(
  record: RecordState,
  pendings: Pendings,
  values: Readonly<Record<string, { readonly value: Value; readonly time: Millis }>>,
  seq: string,
  terms: Terms = product,
): Consumed & { readonly conflicts: readonly Conflict[] } {
  const waiting: Record<string, Pending> = { ...pendings };
  const conflicts: Conflict[] = [];
  let next = record;
  for (const [name, { value, time }] of Object.entries(values)) {
    const dropped = waiting[name];
    if (dropped && isLocal(dropped) && dropped.value !== value) {
      conflicts.push({ property: name, local: dropped.value, hubspot: value });
    }
    delete waiting[name];
    next = mapProperty(next, name, (property) => ({ ...property, epoch: time }));
    if (terms.rules.cross && isCrossed(next, name, value, time)) {
      waiting[name] = { value, cause: 'restore', seq };
      if (terms.rules.hist) next = doubt(next, 'hist');
    }
  }
  return { record: next, pendings: waiting, conflicts };
}

/**
 * A comparison: the row's text as of this place in the WAL. While a call is under way it waits for
 * the call's end; else a value that differs from what HubSpot is known to hold is to be sent.
 */
export function consumeCompare(
  record: RecordState,
  pendings: Pendings,
  row: Readonly<Record<string, Value>>,
  seq: string,
  terms: Terms = product,
): Consumed {
  if (record.call) {
    if (!terms.rules.defer) return { record, pendings };
    return { record: { ...record, call: { ...record.call, compareAfter: true } }, pendings };
  }
  const waiting: Record<string, Pending> = { ...pendings };
  for (const [name, value] of Object.entries(row)) {
    const { known, refused } = propertyOf(record, name);
    if (waiting[name] || known === null || known.value === value || refused === value) continue;
    waiting[name] = { value, cause: 'compare', seq };
  }
  return { record, pendings: waiting };
}

/**
 * The WAL between the last consumed place and a new slot is lost: marks on their way will never
 * come, so each epoch moves up to its inbound value, and a comparison finds what else was missed.
 */
export function resumeAfterGap(record: RecordState): RecordState {
  let next = record;
  for (const name of Object.keys(record.properties)) {
    next = mapProperty(next, name, (property) =>
      inboundTime(property) > property.epoch
        ? { ...property, epoch: inboundTime(property) }
        : property,
    );
  }
  return wantComparison(next);
}

function isLocal(pending: Pending): boolean {
  return pending.cause !== 'restore';
}

function isCrossed(record: RecordState, name: string, value: Value, time: Millis): boolean {
  if (carries(record, name)) return true;
  const { own, known } = propertyOf(record, name);
  if (own > time) return true;
  // Two writes of one instant as far as their clocks tell: whose is the later one isn't known.
  return own === time && known?.value !== value;
}
