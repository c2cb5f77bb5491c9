/**
 * The world around the existence of one record with a unique key: HubSpot with its live and archived
 * records and late requests, the row, the WAL, webhooks, ids that belong to no record yet. What may
 * happen in it: existence-steps.ts.
 */
import type { ExistencePolicy, PendingExistence } from '../../shared/protocol/existence.ts';
import type { ExistenceEvent, UnlinkedId } from '../../shared/protocol/existence-inward.ts';
import type { FoundRecord } from '../../shared/protocol/existence-judge.ts';
import {
  type Bracket,
  type CallOperation,
  newRecord,
  type RecordState,
} from '../../shared/protocol/state.ts';
import type { Options } from './part.ts';

export const EXISTENCE_RULES = [
  'key',
  'byid',
  'tomb',
  'readretry',
  'echo',
  'ledger',
  'defer',
  'hold',
] as const;
export type ExistenceRule = (typeof EXISTENCE_RULES)[number];

/** A deed is what somebody did once, on either side: it makes the record alive or dead. */
export interface Deed {
  readonly alive: boolean;
  /** Deeds that its author had seen, as bits. */
  readonly past: number;
}

interface HubRecord {
  readonly id: string;
  readonly alive: boolean;
  readonly createdByUs: boolean;
  /** Tick of its last deletion. */
  readonly died: number;
}

export interface Request {
  readonly operation: CallOperation;
  readonly id: string | null;
  readonly deed: number;
  /** The call under way; else one that was given up. */
  readonly live: boolean;
  /** Tick of the claim. */
  readonly begun: number;
}

export interface Told extends ExistenceEvent {
  readonly deed: number;
}

export type WalItem =
  | { readonly kind: 'insert' | 'update' | 'delete'; readonly deed: number }
  | { readonly kind: 'mark' }
  | { readonly kind: 'compare'; readonly row: boolean; readonly deed: number };

export interface World {
  /** HubSpot's clock in ticks. */
  readonly now: number;
  readonly hub: readonly HubRecord[];
  /** The last deed that HubSpot shows and all deeds in its past; the same of the row. */
  readonly hubDeed: number;
  readonly hubPast: number;
  readonly row: boolean;
  readonly rowDeed: number;
  readonly rowPast: number;
  /** A local transaction that is open: it has inserted the row, which nobody sees yet. */
  readonly open: boolean;
  /** An apply that is open: it found no row to delete, its mark is yet to commit. */
  readonly applying: boolean;
  readonly deeds: readonly Deed[];
  readonly wal: readonly WalItem[];
  readonly record: RecordState;
  readonly op: PendingExistence | null;
  readonly network: readonly Request[];
  readonly answer: {
    readonly id: string;
    readonly found: boolean;
    readonly isNew: boolean;
    readonly time: Bracket;
  } | null;
  /** The call under way will never be answered. */
  readonly lost: boolean;
  readonly unlinked: Readonly<Record<string, UnlinkedId>>;
  readonly reading: {
    readonly revision: number;
    readonly time: Bracket;
    readonly found: readonly FoundRecord[];
    readonly deed: number;
  } | null;
  readonly events: readonly Told[];
  readonly left: {
    readonly local: number;
    readonly hub: number;
    readonly drop: number;
    readonly timeout: number;
    readonly dup: number;
    readonly lose: number;
  };
  /** A webhook was lost: a reconcile run will look at everything. */
  readonly reconcile: boolean;
  /** Something was written to HubSpot though nobody did anything in Postgres. */
  readonly echoed: boolean;
  readonly serial: number;
}

export function startOf({ local, hub, drop, timeout, dup, lose }: Options): World {
  return {
    now: 10,
    hub: [],
    hubDeed: 0,
    hubPast: 1,
    row: false,
    rowDeed: 0,
    rowPast: 1,
    open: false,
    applying: false,
    deeds: [{ alive: false, past: 0 }],
    wal: [],
    record: newRecord,
    op: null,
    network: [],
    answer: null,
    lost: false,
    unlinked: {},
    reading: null,
    events: [],
    left: { local, hub, drop, timeout, dup, lose },
    reconcile: false,
    echoed: false,
    serial: 0,
  };
}

/** How brackets are drawn: an answer's clock is `off` ticks ahead, `slack` is allowed each side. */
export interface Clocks {
  readonly off: number;
  readonly slack: number;
}

export const without = <T>(list: readonly T[], index: number) => list.toSpliced(index, 1);
export const liveOf = (world: World) => world.hub.find(({ alive }) => alive);
export const bit = (deed: number) => 1 << deed;
/** The deed that a pending operation stands for is written into its token. */
export const deedOf = (seq: string) => Number(seq.slice(seq.indexOf('.') + 1));

export function newDeed(
  world: World,
  alive: boolean,
  past: number,
): { world: World; deed: number } {
  return {
    world: { ...world, deeds: [...world.deeds, { alive, past }] },
    deed: world.deeds.length,
  };
}

export function tokenOf(world: World, deed: number): { world: World; seq: string } {
  return { world: { ...world, serial: world.serial + 1 }, seq: `${world.serial}.${deed}` };
}

export function pastOf(world: World, deed: number): number {
  return (world.deeds[deed]?.past ?? 0) | bit(deed);
}

/** HubSpot shows the deed. */
export function shown(world: World, deed: number, time: number): World {
  return { ...world, now: time, hubDeed: deed, hubPast: world.hubPast | pastOf(world, deed) };
}

export function told(world: World, event: Told): World {
  return { ...world, events: [...world.events, event] };
}

export function hubDelete(
  world: World,
  id: string,
  ours: boolean,
  deed: number,
  time: number,
): World {
  const hub = world.hub.map((it) => (it.id === id ? { ...it, alive: false, died: time } : it));
  const next = shown({ ...world, hub }, deed, time);
  return told(next, { kind: 'deletion', id, ours, deed, time });
}

export function hubCreate(world: World, ours: boolean, deed: number, time: number): World {
  const id = String(world.hub.length + 1);
  const created: HubRecord = { id, alive: true, createdByUs: ours, died: 0 };
  const next = shown({ ...world, hub: [...world.hub, created] }, deed, time);
  return told(next, { kind: 'creation', id, ours, deed, time });
}

/** The row follows HubSpot, with a mark. One that isn't there can't be locked. */
export function rowFollows(world: World, row: boolean, deed: number, open: boolean): World {
  if (row || world.row || !open) return committed(world, row, deed);
  return { ...world, applying: true, rowPast: world.rowPast | pastOf(world, deed) };
}

function committed(world: World, row: boolean, deed: number): World {
  return {
    ...world,
    row,
    rowDeed: deed,
    rowPast: world.rowPast | pastOf(world, deed),
    wal: [...world.wal, { kind: 'mark' }],
  };
}

/** What is wrong, `undone` apart. */
export function checkWorld(world: World, atRest: boolean, policy: ExistencePolicy): string | null {
  if (world.hub.filter(({ alive }) => alive).length > 1) return 'two live HubSpot records';
  if (world.echoed) return 'echo: a call though nobody did anything in Postgres';
  if (!atRest) return null;
  const { link, detached } = world.record.existence;
  const live = liveOf(world)?.id ?? null;
  const kept = detached === true && policy.inward !== 'delete';
  if (world.row && live === null && !kept) return 'apart at rest: a row without a HubSpot record';
  if (!world.row && live !== null && policy.outward === 'archive') {
    return 'apart at rest: a HubSpot record without a row';
  }
  if (live !== null && link !== live) return `wrong link at rest: ${link}, alive is ${live}`;
  if (live === null && link !== null) return `wrong link at rest: ${link}, none is alive`;
  if (world.op !== null) return 'at rest with something in the outbox';
  return null;
}

/** At rest, the row stands though every last deed was a deletion, or the other way round. */
export function isUndone(world: World): boolean {
  if (world.row && world.record.existence.detached) return false;
  const last = world.deeds.filter(
    (_, deed) => !world.deeds.some(({ past }, other) => other !== deed && (past & bit(deed)) !== 0),
  );
  return !last.some(({ alive }) => alive === world.row);
}
