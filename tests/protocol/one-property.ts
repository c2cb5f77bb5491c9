/** A linked record with one property, and what happens to it in one line each. */
import { claimRecord } from '../../shared/protocol/claim.ts';
import { consumeChange } from '../../shared/protocol/consume.ts';
import { beginRead, judgeRecord } from '../../shared/protocol/judge.ts';
import { settleRecord } from '../../shared/protocol/settle.ts';
import {
  type HistoryEntry,
  newProperty,
  newRecord,
  type Pendings,
  type PropertyState,
  propertyOf,
  type RecordState,
} from '../../shared/protocol/state.ts';

export const START = 1_700_000_000_000;

/** A record whose property `stage` was written inwards as 'open' at START. */
export const linked: RecordState = {
  ...newRecord,
  properties: {
    stage: {
      ...newProperty,
      known: { value: 'open', time: { low: START, high: START } },
      inbound: { value: 'open', time: START },
      epoch: START,
    },
  },
};

export const stage = (record: RecordState): PropertyState => propertyOf(record, 'stage');
export const at = (seconds: number) => START + seconds * 1000;

let serial = 0;
export function change(record: RecordState, pendings: Pendings, value: string) {
  return consumeChange(record, pendings, { stage: value }, `change ${serial++}`);
}

export function claim(record: RecordState, pendings: Pendings, request: string) {
  const call = { request, term: 1, operation: 'update', hubspotId: '7', startedAt: 0 } as const;
  return claimRecord(record, pendings, call);
}

export function answer(request: string, value: string | undefined, from: number, to: number) {
  return { request, startedAt: at(from), completedAt: at(to), values: { stage: value } };
}

/** Pushes a local value and has it answered within [from, to] seconds after START. */
export function pushed(record: RecordState, value: string, from: number, to: number) {
  const waiting = change(record, {}, value);
  const request = `push of ${value} at ${from}`;
  const claimed = claim(waiting.record, waiting.pendings, request);
  return settleRecord(claimed.record, waiting.pendings, answer(request, value, from, to));
}

export function event(value: string, seconds: number, ours = false) {
  return { property: 'stage', value, time: at(seconds), ours };
}

export function history(
  ...entries: [value: string, seconds: number, ours?: boolean][]
): HistoryEntry[] {
  return entries.map(([value, seconds, ours = false]) => ({ value, time: at(seconds), ours }));
}

export function judged(record: RecordState, entries: HistoryEntry[], row: string) {
  const snapshot = { revision: beginRead(record) as number, histories: { stage: entries } };
  const verdict = judgeRecord(record, {}, snapshot, { stage: row });
  if (verdict.again) throw new Error('the reading was out of date');
  return verdict;
}
