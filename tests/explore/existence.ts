/**
 * The existence part of the exploration: its world made a model, its bounds, its rules. A state in
 * which a deed was undone breaks nothing that is promised: it is counted, and fails only where a
 * rule is left out in bounds that have none otherwise.
 */
import { type ExistencePolicy, equalExistence } from '../../shared/protocol/existence.ts';
import type { Bracket, CallOperation } from '../../shared/protocol/state.ts';
import { createSteps } from './existence-steps.ts';
import {
  type Clocks,
  checkWorld,
  EXISTENCE_RULES,
  isUndone,
  startOf,
  type World,
} from './existence-world.ts';
import type { Model } from './explorer.ts';
import type { Options, Part } from './part.ts';

const CLOCKS: Readonly<Record<Options['skew'], Clocks>> = {
  none: { off: 0, slack: 0 },
  two: { off: 1, slack: 1 },
  four: { off: -2, slack: 2 },
};

export interface ExistenceModel extends Model<World> {
  /** States at rest in which a deed was undone, so far. */
  undone(): number;
}

const POLICIES: Readonly<Record<Options['deletes'], ExistencePolicy>> = {
  both: equalExistence,
  keep: { ...equalExistence, inward: 'keep' },
  mark: { ...equalExistence, inward: 'mark' },
  ignore: { ...equalExistence, outward: 'ignore' },
};

export function buildExistence(options: Options): ExistenceModel {
  const policy = POLICIES[options.deletes];
  let undone = 0;
  return {
    starts: [startOf(options)],
    key: keyOf,
    steps: createSteps(options, policy, CLOCKS[options.skew]),
    check(world, atRest) {
      const wrong = checkWorld(world, atRest, policy);
      if (wrong !== null || !atRest || !isUndone(world)) return wrong;
      undone++;
      return options.without.length > 0 ? 'undone: a deed that had seen the other' : null;
    },
    undone: () => undone,
    notes: () => (undone > 0 ? [`${undone} states at rest in which a deed was undone`] : []),
  };
}

const postgres = { born: 'postgres' } as const;

export const existence: Part = {
  name: 'existence',
  rules: EXISTENCE_RULES,
  build: buildExistence,
  configurations: [
    { ...postgres, local: 3, hub: 0, timeout: 1 },
    { ...postgres, local: 2, hub: 2 },
    { ...postgres, local: 2, hub: 2, skew: 'none' },
    { ...postgres, local: 2, hub: 2, skew: 'four' },
    { ...postgres, local: 3, hub: 2 },
    { ...postgres, local: 3, hub: 2, open: true },
    { local: 2, hub: 2 },
    { local: 1, hub: 3 },
    { ...postgres, local: 2, hub: 2, drop: 1 },
    { ...postgres, local: 2, hub: 1, drop: 2 },
    { ...postgres, local: 2, hub: 2, timeout: 1 },
    { ...postgres, local: 2, hub: 2, timeout: 1, skew: 'none' },
    { ...postgres, local: 1, hub: 1, timeout: 2 },
    { ...postgres, local: 2, hub: 1, drop: 1, timeout: 1 },
    { local: 1, hub: 2, timeout: 1 },
    { ...postgres, local: 2, hub: 2, lose: 1 },
    { ...postgres, local: 2, hub: 1, timeout: 1, lose: 1 },
    { ...postgres, local: 2, hub: 2, dup: 1 },
    { local: 2, hub: 2, deletes: 'keep' },
    { local: 2, hub: 2, deletes: 'mark' },
    { local: 2, hub: 2, deletes: 'ignore' },
    { ...postgres, local: 2, hub: 1, timeout: 1, deletes: 'keep' },
    { ...postgres, local: 2, hub: 1, timeout: 1, deletes: 'ignore' },
  ],
  bites: [
    { ...postgres, local: 1, hub: 0, timeout: 1, without: ['key'] },
    { ...postgres, local: 2, hub: 1, without: ['byid'] },
    { ...postgres, local: 1, hub: 1, without: ['tomb'] },
    { ...postgres, local: 2, hub: 0, drop: 1, without: ['readretry'] },
    { ...postgres, local: 2, hub: 0, timeout: 1, without: ['echo'] },
    { ...postgres, local: 2, hub: 1, without: ['ledger'] },
    { ...postgres, local: 3, hub: 1, open: true, without: ['defer'] },
    { local: 0, hub: 2, without: ['hold'] },
  ],
};

const OPERATIONS: Readonly<Record<CallOperation, number>> = {
  update: 1,
  upsert: 2,
  archive: 3,
  associate: 4,
};
const KINDS = { insert: 1, delete: 2, mark: 3, compare: 4, update: 5 } as const;
const EVENTS = { creation: 1, deletion: 2, restore: 3 } as const;

/**
 * A string of small characters. Times are told from now, tokens and requests only by what they are
 * equal to, doubts by whether there is one that keeps the properties waiting.
 */
function keyOf(world: World): string {
  const { record, op, left } = world;
  const { existence: state, call } = record;
  const codes: number[] = [];
  const put = (...numbers: number[]) => codes.push(...numbers);
  const at = (time: number) => (world.now - time) * 2 + 40;
  const span = (bracket: Bracket | null) =>
    bracket ? put(at(Math.max(bracket.low, 0)), at(bracket.high)) : put(0);
  const deed = (seq: string | undefined) =>
    seq === undefined ? 0 : Number(seq.slice(seq.indexOf('.') + 1)) + 1;
  put(world.hub.length, world.network.length, world.events.length, state.ids.length);
  put(world.wal.length, world.deeds.length);
  for (const { alive, createdByUs, died } of world.hub) {
    put(bits(alive, createdByUs), alive ? 0 : at(died));
  }
  put(world.hubDeed, world.hubPast, world.rowDeed, world.rowPast);
  for (const { alive, past } of world.deeds) put(alive ? 1 : 0, past);
  put(
    bits(world.row, world.open, world.lost, world.reconcile, world.echoed, record.compareWanted),
    bits(
      record.doubt.length > 0,
      onlyExistence(record.doubt),
      state.detached === true,
      world.applying,
    ),
    state.marks ?? 0,
  );
  for (const item of world.wal) {
    put(KINDS[item.kind], item.kind === 'mark' ? 0 : item.deed + 1);
    if (item.kind === 'compare') put(item.row ? 1 : 0);
  }
  put(Number(state.link ?? 0));
  span(state.alive);
  for (const known of state.ids) {
    const { archivedByUs, archiveOpen = false, createdByUs } = known;
    put(Number(known.id), bits(archivedByUs, archiveOpen, createdByUs), known.unjudged ? 1 : 0);
    put(known.archiveSeq === undefined ? 0 : known.archiveSeq === op?.seq ? 2 : 1);
    span(known.dead);
  }
  put(op ? bits(op.operation === 'write') + 1 : 0, deed(op?.seq));
  if (call) {
    put(OPERATIONS[call.operation], Number(call.hubspotId ?? 0), deed(call.seq));
    put(bits(call.compareAfter, call.seq === op?.seq), call.sawCreated.length);
    put(...call.sawCreated.map(Number));
  } else put(0);
  const requests = world.network.map((it) =>
    [OPERATIONS[it.operation], Number(it.id ?? 0), it.deed, it.live ? at(it.begun) : 0].map(char),
  );
  const events = world.events.map((it) =>
    [EVENTS[it.kind], Number(it.id), it.ours ? 1 : 0, it.deed, at(it.time)].map(char),
  );
  if (world.answer) {
    put(1, Number(world.answer.id), bits(world.answer.found, world.answer.isNew));
    span(world.answer.time);
  } else put(0);
  for (const [id, { dead, wanted }] of Object.entries(world.unlinked)) {
    put(Number(id), wanted ? 2 : 1);
    span(dead);
  }
  put(0);
  if (world.reading) {
    put(world.reading.revision === record.revision ? 2 : 1, world.reading.deed);
    span(world.reading.time);
    for (const found of world.reading.found) put(Number(found.id), found.archived ? 2 : 1);
    put(0);
  } else put(0);
  put(left.local * 16 + left.hub, left.drop * 16 + left.timeout, left.dup * 16 + left.lose);
  const lists = [...requests.map(joined).sort(), ...events.map(joined).sort()];
  return String.fromCharCode.apply(null, codes) + lists.join('');
}

const char = (code: number) => String.fromCharCode(code);
const joined = (chars: readonly string[]) => chars.join('');

function onlyExistence(doubt: readonly string[]): boolean {
  return doubt.every((reason) => ['existence', 'missing', 'created'].includes(reason));
}

function bits(...flags: boolean[]): number {
  let number = 0;
  for (const flag of flags) number = number * 2 + (flag ? 1 : 0);
  return number;
}
