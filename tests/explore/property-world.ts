/**
 * The world around one property of one linked record: HubSpot with its history and late requests,
 * the row with its lock, the WAL, webhooks. Every decision in it is made by shared/protocol/.
 */
import { claimRecord } from '../../shared/protocol/claim.ts';
import { consumeChange, consumeCompare, consumeMark } from '../../shared/protocol/consume.ts';
import { beginRead, judgeRecord } from '../../shared/protocol/judge.ts';
import { appliedInbound, receiveEvent } from '../../shared/protocol/receive.ts';
import { comparisonEmitted, doubt } from '../../shared/protocol/record.ts';
import type { Terms } from '../../shared/protocol/rules.ts';
import { giveUp, settleRecord } from '../../shared/protocol/settle.ts';
import {
  type HistoryEntry,
  newProperty,
  newRecord,
  type Pendings,
  type RecordState,
} from '../../shared/protocol/state.ts';
import type { Step } from './explorer.ts';
import type { Options } from './part.ts';

/** An edit is what somebody did once; several may have the same value. Edit 0 is the beginning. */
type Edit = number;

export const PROPERTY = 'p';
/** Another property of the record, edited in Postgres alone: its calls are the record's too. */
export const OTHER = 'q';
/** The history time of the beginning, in ticks; each write takes one tick. */
export const START = 10;
/** Clocks differ by up to this many ticks; also the tolerance. */
export const SKEW = 1.5;

export interface Told {
  readonly edit: Edit;
  readonly time: number;
  readonly own: boolean;
}

export type WalItem =
  | { readonly kind: 'change'; readonly edit: Edit }
  | { readonly kind: 'mark'; readonly edit: Edit; readonly time: number }
  | { readonly kind: 'compare'; readonly edit: Edit };

export interface World {
  /** HubSpot's history; its index plus START is the history time. */
  readonly history: readonly { readonly edit: Edit; readonly own: boolean }[];
  /** Edits that are in the causal past of what HubSpot shows, and of the row, as bits. */
  readonly hubPast: number;
  readonly row: Edit;
  readonly rowPast: number;
  /** A local transaction that is open and holds the row's lock. */
  readonly open: Edit | null;
  /** An apply that found nothing to write without waiting for the lock (rule `lock` off). */
  readonly unlocked: { readonly edit: Edit; readonly time: number } | null;
  readonly wal: readonly WalItem[];
  readonly record: RecordState;
  readonly pendings: Pendings;
  /** Requests on their way; `live` while the call is under way. */
  readonly network: readonly { readonly edit: Edit | null; readonly live: boolean }[];
  /**
   * The answer of the call under way: made at `low`, of `edit` at `high` once it is given. No edit:
   * the call carries only the other property.
   */
  readonly answer: {
    readonly edit: Edit | null;
    readonly low: number;
    readonly high: number | null;
  } | null;
  /** The call under way will never be answered. */
  readonly lost: boolean;
  readonly reading: { readonly revision: number; readonly entries: number | null } | null;
  readonly events: readonly Told[];
  readonly seen: readonly Told[];
  readonly left: {
    readonly local: number;
    readonly hub: number;
    readonly other: number;
    readonly drop: number;
    readonly timeout: number;
    readonly dup: number;
    readonly lose: number;
  };
  /** A webhook was lost: a reconcile run will find the record different. */
  readonly reconcile: boolean;
  /** By edit: its value, and the edits its author had seen. */
  readonly values: readonly string[];
  readonly pasts: readonly number[];
  readonly edited: { readonly local: boolean; readonly hub: boolean };
  readonly written: { readonly row: boolean; readonly hub: boolean };
  /** Numbers requests and pending values. */
  readonly serial: number;
}

export function startOf(options: Options): World {
  const exact = { low: START, high: START };
  const known = { value: '0', time: exact };
  const ours = options.born === 'postgres';
  const property = ours
    ? {
        ...newProperty,
        known,
        standing: exact,
        own: START,
        ledger: [
          {
            value: '0',
            request: 'born',
            epoch: 0,
            cause: 'change' as const,
            sentAt: 0,
            time: exact,
            outcome: 'settled' as const,
          },
        ],
      }
    : { ...newProperty, known, inbound: { value: '0', time: START }, epoch: START };
  const { local, hub, other, drop, timeout, dup, lose } = options;
  return {
    history: [{ edit: 0, own: ours }],
    hubPast: 1,
    row: 0,
    rowPast: 1,
    open: null,
    unlocked: null,
    wal: [],
    record: { ...newRecord, properties: { [PROPERTY]: property } },
    pendings: {},
    network: [],
    answer: null,
    lost: false,
    reading: null,
    events: [],
    seen: [],
    left: { local, hub, other, drop, timeout, dup, lose },
    reconcile: false,
    values: ['0'],
    pasts: [0],
    edited: { local: false, hub: false },
    written: { row: false, hub: false },
    serial: 0,
  };
}

const nowOf = (world: World) => START + world.history.length - 1;
const currentOf = (world: World) => (world.history.at(-1) as { edit: Edit }).edit;
const same = (world: World, a: Edit, b: Edit) => world.values[a] === world.values[b];
const textOf = (world: World, edit: Edit) => world.values[edit] as string;
/** The edit that a pending or sent value stands for is written into its token. */
const editOf = (seq: string) => Number(seq.slice(seq.indexOf('.') + 1));
const without = <T>(list: readonly T[], index: number) => list.toSpliced(index, 1);

function spend(world: World, what: keyof World['left'], change: Partial<World>): World {
  return { ...world, left: { ...world.left, [what]: world.left[what] - 1 }, ...change };
}

export function createSteps(options: Options, terms: Terms) {
  const skews: readonly (readonly [number, number])[] = {
    none: [[0, 0] as const],
    two: [
      [-SKEW, -SKEW],
      [SKEW, SKEW],
    ] as const,
    four: [
      [-SKEW, -SKEW],
      [SKEW, SKEW],
      [SKEW, -SKEW],
      [-SKEW, SKEW],
    ] as const,
  }[options.skew];
  const told = (time: number) => (options.coarse ? Math.floor(time / 2) * 2 : time);

  return function stepsOf(world: World): Step<World>[] {
    const steps: Step<World>[] = [];
    const happens = (name: string, next: World) => steps.push({ name, moves: false, next });
    const moves = (name: string, next: World, tally?: string) =>
      steps.push(tally ? { name, moves: true, next, tally } : { name, moves: true, next });
    editRow(world, happens, moves);
    editHub(world, happens);
    consume(world, moves);
    read(world, moves);
    send(world, happens, moves);
    carryOut(world, happens, moves);
    answer(world, happens, moves);
    receive(world, happens, moves);
    if (world.reconcile && !steps.some((step) => step.moves)) {
      moves('reconcile finds the record', {
        ...world,
        reconcile: false,
        record: doubt(world.record, 'reconcile'),
      });
    }
    return steps;
  };

  type Happens = (name: string, next: World) => void;
  type Moves = (name: string, next: World, tally?: string) => void;

  function newEdit(world: World, value: string | null, past: number): [Edit, Partial<World>] {
    const edit = world.values.length;
    const values = [...world.values, value ?? String(edit)];
    return [edit, { values, pasts: [...world.pasts, past] }];
  }

  function editRow(world: World, happens: Happens, moves: Moves) {
    if (world.left.local > 0 && world.open === null) {
      const older = options.toggle
        ? [...new Set(world.values)].filter((value) => value !== textOf(world, world.row))
        : [];
      const fresh = options.refuse && world.left.local === options.local ? KEPT_OUT : null;
      for (const value of [fresh, ...older]) {
        const [edit, change] = newEdit(world, value, world.rowPast);
        happens(
          `local edit ${edit} begins${value === null ? '' : `, to ${value}`}`,
          spend(world, 'local', {
            ...change,
            open: edit,
            edited: { ...world.edited, local: true },
          }),
        );
      }
    }
    if (world.left.other > 0) {
      const value = String(world.left.other);
      const seq = `${world.serial}.${value}`;
      const next = consumeChange(world.record, world.pendings, { [OTHER]: value }, seq);
      happens(
        'another property is edited, and that consumed',
        spend(world, 'other', {
          ...next,
          serial: world.serial + 1,
          edited: { ...world.edited, local: true },
        }),
      );
    }
    if (world.open !== null) {
      moves(`local edit ${world.open} commits`, {
        ...world,
        row: world.open,
        rowPast: world.rowPast | (1 << world.open),
        open: null,
        wal: [...world.wal, { kind: 'change', edit: world.open }],
      });
    }
    if (world.unlocked) {
      const { edit, time } = world.unlocked;
      moves(`the apply of ${edit}@${time} commits`, {
        ...world,
        unlocked: null,
        record: applied(world, edit, time),
        wal: [...world.wal, { kind: 'mark', edit, time }],
      });
    }
    if (world.record.compareWanted && world.open === null && world.unlocked === null) {
      moves('a comparison is written to the WAL', {
        ...world,
        record: comparisonEmitted(world.record),
        wal: [...world.wal, { kind: 'compare', edit: world.row }],
      });
    }
  }

  function editHub(world: World, happens: Happens) {
    if (world.left.hub === 0) return;
    const own = textOf(world, world.row);
    const typed = options.noop && own !== textOf(world, currentOf(world)) ? [null, own] : [null];
    for (const value of typed) {
      const [edit, change] = newEdit(world, value, world.hubPast);
      const edited = { ...world.edited, hub: true };
      happens(
        `HubSpot edit ${edit}${value === null ? '' : `, to the row's own value ${value}`}`,
        writeHub(spend(world, 'hub', { ...change, edited }), edit, false),
      );
    }
  }

  /** An identical write makes no history and no webhook. */
  function writeHub(world: World, edit: Edit, own: boolean): World {
    if (same(world, currentOf(world), edit)) return world;
    const history = [...world.history, { edit, own }];
    return {
      ...world,
      history,
      hubPast: world.hubPast | (world.pasts[edit] as number) | (1 << edit),
      events: [...world.events, { edit, time: START + history.length - 1, own }],
    };
  }

  function consume(world: World, moves: Moves) {
    const item = world.wal[0];
    if (!item) return;
    const value = textOf(world, item.edit);
    const seq = `${world.serial}.${item.edit}`;
    const rest = { ...world, wal: world.wal.slice(1), serial: world.serial + 1 };
    const { record, pendings } = world;
    if (item.kind === 'change') {
      const next = consumeChange(record, pendings, { [PROPERTY]: value }, seq);
      moves(`consume change ${item.edit}`, { ...rest, ...next });
    } else if (item.kind === 'mark') {
      const values = { [PROPERTY]: { value, time: item.time } };
      const { conflicts: _, ...next } = consumeMark(record, pendings, values, seq, terms);
      moves(`consume mark ${item.edit}@${item.time}`, { ...rest, ...next });
    } else {
      const next = consumeCompare(record, pendings, { [PROPERTY]: value }, seq, terms);
      moves(`consume comparison with row ${item.edit}`, { ...rest, ...next });
    }
  }

  function read(world: World, moves: Moves) {
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
      );
    }
    const what = judged.apply.map(({ value, time }) => `, apply ${value}@${time}`).join('');
    moves(`judge what was read${what}`, next);
  }

  function applied(world: World, edit: Edit, time: number): RecordState {
    return appliedInbound(world.record, PROPERTY, { value: textOf(world, edit), time }, terms);
  }

  /** One transaction under the row's lock: the value, the mark, and what is remembered. */
  function apply(world: World, edit: Edit, time: number): World {
    if (!terms.rules.lock && same(world, world.row, edit)) {
      return { ...world, unlocked: { edit, time } };
    }
    return {
      ...world,
      record: applied(world, edit, time),
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
  function hasToWait(world: World, edit: Edit): boolean {
    if (world.unlocked !== null) return true;
    return world.open !== null && (terms.rules.lock || !same(world, world.row, edit));
  }

  function send(world: World, happens: Happens, moves: Moves) {
    const { record, pendings } = world;
    if (record.call !== null) {
      const { request } = record.call;
      const given = giveUp(record, pendings, request, terms);
      const next = {
        ...world,
        record: given.record,
        pendings: given.pendings,
        network: world.network.map((sent) => (sent.live ? { ...sent, live: false } : sent)),
        answer: null,
        lost: false,
      };
      if (world.lost) moves('the call is given up', next);
      else if (world.left.timeout > 0) {
        happens('time-out or crash: the call is given up', spend(next, 'timeout', {}));
      }
      return;
    }
    if (Object.keys(pendings).length === 0) return;
    const claimed = claimRecord(
      record,
      pendings,
      {
        request: String(world.serial),
        term: 1,
        operation: 'update',
        hubspotId: '1',
        startedAt: world.serial,
      },
      {},
      terms,
    );
    if (claimed.blocked) return;
    const left = Object.entries(pendings).filter(([name]) => !claimed.drop.includes(name));
    const rest = {
      ...world,
      serial: world.serial + 1,
      record: claimed.record,
      pendings: Object.fromEntries(left),
    };
    if (Object.keys(claimed.send).length === 0) {
      moves('nothing of what waits is to be sent', rest);
      return;
    }
    const pending = PROPERTY in claimed.send ? pendings[PROPERTY] : undefined;
    const edit = pending ? editOf(pending.seq) : null;
    const sent = [
      ...(pending ? [`${edit} (${pending.cause})`] : []),
      ...(OTHER in claimed.send ? ['the other property'] : []),
    ];
    moves(
      `send ${sent.join(' and ')}`,
      {
        ...rest,
        network: [...world.network, { edit, live: true }],
        written: { ...world.written, hub: true },
      },
      'writes',
    );
  }

  function carryOut(world: World, happens: Happens, moves: Moves) {
    world.network.forEach(({ edit, live }, index) => {
      const rest = { ...world, network: without(world.network, index) };
      const what = edit ?? 'the other property';
      const refused = edit !== null && isKeptOut(options, textOf(world, edit));
      const next = refused || edit === null ? rest : writeHub(rest, edit, true);
      const name = `HubSpot ${refused ? 'silently refuses' : 'writes'} ${what}${live ? '' : ', late'}`;
      const low = nowOf(world);
      if (!live) {
        moves(name, next);
      } else if (edit === null) {
        moves(name, { ...next, answer: { edit, low, high: low } });
      } else if (options.answer === 'atomic') {
        moves(name, { ...next, answer: { edit: currentOf(next), low, high: nowOf(next) } });
      } else {
        moves(name, { ...next, answer: { edit, low, high: null } });
      }
      if (world.left.drop > 0) {
        happens(
          `the request with ${what} is lost`,
          spend(rest, 'drop', live ? { lost: true } : {}),
        );
      }
    });
  }

  function answer(world: World, happens: Happens, moves: Moves) {
    const given = world.answer;
    const { call } = world.record;
    if (given === null || call === null) return;
    const other = call.values[OTHER];
    if (given.high === null) {
      const edit = options.answer === 'late' ? currentOf(world) : given.edit;
      moves('HubSpot answers', { ...world, answer: { ...given, edit, high: nowOf(world) } });
    } else {
      for (const [early, late] of skews) {
        const startedAt = given.low + early;
        const completedAt = given.high + late;
        if (startedAt > completedAt) continue;
        const { record, pendings } = settleRecord(
          world.record,
          world.pendings,
          {
            request: call.request,
            startedAt,
            completedAt,
            values: {
              ...(given.edit === null ? {} : { [PROPERTY]: textOf(world, given.edit) }),
              ...(other ? { [OTHER]: other.value } : {}),
            },
          },
          terms,
        );
        const what = given.edit ?? 'the other property';
        moves(`answer: ${what}, made between ${startedAt} and ${completedAt}`, {
          ...world,
          record,
          pendings,
          answer: null,
        });
      }
    }
    if (world.left.drop > 0) {
      happens('the answer is lost', spend(world, 'drop', { answer: null, lost: true }));
    }
  }

  function receive(world: World, happens: Happens, moves: Moves) {
    world.events.forEach((event, index) => {
      const { edit, own } = event;
      const time = told(event.time);
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
      else if (!hasToWait(world, edit)) moves(`${name}: apply`, apply(rest, edit, time));
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
}

const KEPT_OUT = 'x';

/** HubSpot silently keeps this value out, whoever of us sends it. */
function isKeptOut(options: Options, value: string | undefined): boolean {
  return options.refuse && value === KEPT_OUT;
}

/** What is wrong with a world, or null. Told by edits, not by values. */
export function checkWorld(options: Options, world: World, atRest: boolean): string | null {
  if (!atRest) return null;
  const { record, pendings } = world;
  if (
    record.doubt.length > 0 ||
    record.call ||
    record.compareWanted ||
    Object.keys(pendings).length > 0
  ) {
    return 'stuck: something waits that will never be done';
  }
  const standing = currentOf(world);
  if (!same(world, standing, world.row)) {
    return `apart at rest: HubSpot has ${standing}, Postgres ${world.row}`;
  }
  // Lost: whoever made another value had seen every edit that made the one which stands.
  const lost = world.values.every(
    (value, edit) =>
      value !== world.values[standing] ||
      world.pasts.some(
        (past, by) =>
          !same(world, by, standing) && !isKeptOut(options, world.values[by]) && (past >> edit) & 1,
      ),
  );
  if (lost) return `lost update: ${standing} stands, though somebody who had seen it replaced it`;
  if (!world.edited.hub && world.written.row && !options.refuse) {
    return 'echo: Postgres was written though nobody edited in HubSpot';
  }
  if (!world.edited.local && world.written.hub) {
    return 'echo: HubSpot was written though nobody edited in Postgres';
  }
  return null;
}
