/** When two worlds are the same: a string that leaves out what no decision looks at. */
import {
  type Bracket,
  newProperty,
  type PropertyState,
  type Sent,
} from '../../../shared/protocol/state.ts';
import { editOf, OTHER, PROPERTY, type Told, type World } from './world.ts';

const OUTCOMES: Readonly<Record<Sent['outcome'], number>> = {
  'under-way': 1,
  settled: 2,
  unknown: 3,
};
const KINDS = { change: 1, mark: 2, compare: 3 } as const;

/**
 * A string of small characters. Left out is what no decision looks at: requests' and tokens' own
 * numbers (only whether they are equal), causes (only whether it is a change), reasons of doubts.
 */
export function keyOf(world: World): string {
  const codes: number[] = [];
  const put = (...numbers: number[]) => codes.push(...numbers);
  const state: PropertyState = world.record.properties[PROPERTY] ?? newProperty;
  const pending = world.pendings[PROPERTY];
  const carried = world.record.call?.values[PROPERTY];
  codes.push(
    world.history.length,
    world.hubPast,
    world.row,
    world.rowPast,
    world.open === null ? 0 : world.open + 1,
    world.wal.length,
    world.network.length,
    world.events.length,
    world.seen.length,
    world.values.length,
    state.ledger.length,
  );
  for (const { edit, own } of world.history) codes.push(edit * 2 + (own ? 1 : 0));
  if (world.unlocked) put(1, world.unlocked.edit, time(world.unlocked.time));
  else put(0);
  for (const item of world.wal) {
    codes.push(KINDS[item.kind] * 16 + item.edit, item.kind === 'mark' ? time(item.time) : 0);
  }
  for (const { edit, live } of world.network) {
    codes.push((edit === null ? 0 : edit + 1) * 2 + (live ? 1 : 0));
  }
  for (const event of world.events) putEvent(codes, event);
  for (const event of world.seen.toSorted((a, b) => a.time - b.time)) putEvent(codes, event);
  for (const [edit, value] of world.values.entries()) {
    codes.push(value.charCodeAt(0), world.pasts[edit] as number);
  }
  const { answer, reading, left } = world;
  if (answer)
    put(
      answer.edit === null ? 1 : answer.edit + 2,
      time(answer.low),
      answer.high === null ? 0 : time(answer.high),
    );
  else put(0);
  if (reading) {
    put(reading.revision === world.record.revision ? 2 : 1, reading.entries ?? 0);
  } else put(0);
  codes.push(left.local * 16 + left.hub, left.drop * 16 + left.timeout, left.dup * 16 + left.lose);
  codes.push(
    bits(
      world.lost,
      world.reconcile,
      world.edited.local,
      world.edited.hub,
      world.written.row,
      world.written.hub,
      world.record.compareWanted,
      world.record.call?.compareAfter === true,
    ),
    world.record.doubt.length > 0 ? 1 : 0,
  );
  if (pending) {
    put(
      pending.value.charCodeAt(0),
      editOf(pending.seq) * 2 + (pending.cause === 'change' ? 1 : 0),
    );
    put(pending.seq === carried?.seq ? 1 : 0);
  } else put(0);
  if (carried) {
    put(carried.value.charCodeAt(0), editOf(carried.seq), time(carried.epoch));
    put(carried.again ? 1 : 0);
    put(time(carried.after), time(carried.inbound), carried.echo === null ? 0 : time(carried.echo));
  } else put(0);
  if (state.known) {
    put(state.known.value.charCodeAt(0));
    putBracket(codes, state.known.time);
  } else put(0);
  if (state.inbound) put(state.inbound.value.charCodeAt(0), time(state.inbound.time));
  else put(0);
  codes.push(time(state.epoch), time(state.own), time(state.forgotten ?? 0));
  putBracket(codes, state.standing);
  for (const line of state.ledger) {
    codes.push(line.value.charCodeAt(0) * 4 + OUTCOMES[line.outcome]);
    putBracket(codes, line.time);
  }
  putOther(codes, world);
  codes.push(state.refused === null ? 0 : state.refused.charCodeAt(0));
  return String.fromCharCode.apply(null, codes);
}

/** Of the other property only what waits and what is sent: nobody edits it in HubSpot. */
function putOther(codes: number[], world: World) {
  const waiting = world.pendings[OTHER];
  const carried = world.record.call?.values[OTHER];
  codes.push(
    waiting ? waiting.value.charCodeAt(0) * 2 + (waiting.cause === 'change' ? 1 : 0) : 0,
    carried
      ? carried.value.charCodeAt(0) * 4 + bits(carried.again, carried.seq === waiting?.seq)
      : 0,
    (world.record.properties[OTHER]?.known?.value ?? '\0').charCodeAt(0),
    world.left.other,
  );
  for (const line of world.record.properties[OTHER]?.ledger ?? []) {
    codes.push(line.value.charCodeAt(0) * 4 + OUTCOMES[line.outcome]);
  }
  codes.push(0);
}

const time = (ticks: number) => (ticks === 0 ? 1 : ticks * 2 + 2);

function bits(...flags: boolean[]): number {
  let number = 0;
  for (const flag of flags) number = number * 2 + (flag ? 1 : 0);
  return number;
}

function putBracket(codes: number[], bracket: Bracket | null) {
  if (bracket) codes.push(time(bracket.low), time(bracket.high));
  else codes.push(0);
}

function putEvent(codes: number[], { edit, time: at, own }: Told) {
  codes.push(edit * 2 + (own ? 1 : 0), time(at));
}
