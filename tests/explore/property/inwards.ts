/** The way inwards: webhooks, readings of the history, and what is applied to the row. */
import { beginRead, judgeRecord } from '../../../shared/protocol/judge.ts';
import { appliedInbound, receiveEvent } from '../../../shared/protocol/receive.ts';
import type { Terms } from '../../../shared/protocol/rules.ts';
import type { HistoryEntry, RecordState } from '../../../shared/protocol/state.ts';
import type { Options } from '../part.ts';
import type { Scene } from './scene.ts';
import {
  currentOf,
  type Edit,
  PROPERTY,
  START,
  same,
  spend,
  textOf,
  type World,
  without,
} from './world.ts';

export function receive(world: World, { options, terms, happens, moves }: Scene) {
  world.events.forEach((event, index) => {
    const { edit, own } = event;
    const time = toldTime(event.time, options);
    const { outcome, record } = receiveEvent(
      world.record,
      { property: PROPERTY, value: textOf(world, edit), time, ours: own },
      world.pendings,
      terms,
    );
    const rest = {
      ...world,
      record,
      events: without(world.events, index),
      seen: options.dup > 0 ? [...world.seen, event] : world.seen,
    };
    const name = `${own ? 'echo' : 'webhook'} ${edit}@${time}`;
    if (outcome !== 'apply') moves(`${name}: ${outcome}`, rest);
    else if (!hasToWait(world, edit, terms))
      moves(`${name}: apply`, apply(rest, edit, time, terms));
    if (world.left.lose > 0) {
      happens(
        `${name} is lost for ever`,
        spend(world, 'lose', { events: without(world.events, index), reconcile: true }),
      );
    }
  });
  if (world.left.dup > 0) {
    world.seen.forEach((event) => {
      const events = [...world.events, event].sort((a, b) => a.time - b.time);
      happens(`webhook ${event.edit}@${event.time} comes again`, spend(world, 'dup', { events }));
    });
  }
}
export function read(world: World, { terms, moves }: Scene) {
  const { record, reading } = world;
  if (record.doubt.length > 0 && reading === null) {
    const revision = beginRead(record, terms);
    if (revision !== undefined) {
      moves('a reading begins', { ...world, reading: { revision, entries: null } }, 'reads');
    }
  }
  if (reading && reading.entries === null) {
    moves('HubSpot is read', {
      ...world,
      reading: { ...reading, entries: world.history.length },
    });
  }
  if (reading === null || reading.entries === null || isLocked(world)) return;
  const entries: HistoryEntry[] = world.history
    .slice(0, reading.entries)
    .map(({ edit, own }, index) => ({
      value: textOf(world, edit),
      time: START + index,
      ours: own,
    }));
  const judged = judgeRecord(
    record,
    world.pendings,
    { revision: reading.revision, histories: { [PROPERTY]: entries.reverse() } },
    { [PROPERTY]: textOf(world, world.row) },
    terms,
  );
  if (judged.again) {
    moves('what was read is out of date', { ...world, reading: null });
    return;
  }
  let next: World = { ...world, reading: null, record: judged.record };
  for (const { time, value } of judged.apply) {
    const at = world.history.findIndex(
      ({ edit }, index) => START + index === time && textOf(world, edit) === value,
    );
    next = apply(
      next,
      at < 0 ? currentOf(world) : (world.history[at] as { edit: Edit }).edit,
      time,
      terms,
    );
  }
  const what = judged.apply.map(({ value, time }) => `, apply ${value}@${time}`).join('');
  moves(`judge what was read${what}`, next);
}

export function applied(world: World, edit: Edit, time: number, terms: Terms): RecordState {
  return appliedInbound(world.record, PROPERTY, { value: textOf(world, edit), time }, terms);
}

/** One transaction under the row's lock: the value, the mark, and what is remembered. */
function apply(world: World, edit: Edit, time: number, terms: Terms): World {
  if (!terms.rules.lock && same(world, world.row, edit)) {
    return { ...world, unlocked: { edit, time } };
  }
  return {
    ...world,
    record: applied(world, edit, time, terms),
    written: { ...world.written, row: world.written.row || !same(world, world.row, edit) },
    row: edit,
    rowPast: world.rowPast | (world.pasts[edit] as number) | (1 << edit),
    wal: [...world.wal, { kind: 'mark', edit, time }],
  };
}

function isLocked(world: World): boolean {
  return world.open !== null || world.unlocked !== null;
}

/** Whether an apply has to wait; without rule `lock` one that has nothing to write does not. */
function hasToWait(world: World, edit: Edit, terms: Terms): boolean {
  if (world.unlocked !== null) return true;
  return world.open !== null && (terms.rules.lock || !same(world, world.row, edit));
}

/** The time that a webhook tells for a history time. */
function toldTime(time: number, { coarse }: Options): number {
  return coarse ? Math.floor(time / 2) * 2 : time;
}
