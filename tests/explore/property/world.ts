/**
 * The world around one property of one linked record: HubSpot with its history and late requests,
 * the row with its lock, the WAL, webhooks. Every decision in it is made by shared/protocol/.
 */
import {
  newProperty,
  newRecord,
  type Pendings,
  type RecordState,
} from '../../../shared/protocol/state.ts';
import type { Options } from '../part.ts';

/** An edit is what somebody did once; several may have the same value. Edit 0 is the beginning. */
export type Edit = number;

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

export const nowOf = (world: World) => START + world.history.length - 1;
export const currentOf = (world: World) => (world.history.at(-1) as { edit: Edit }).edit;
export const same = (world: World, a: Edit, b: Edit) => world.values[a] === world.values[b];
export const textOf = (world: World, edit: Edit) => world.values[edit] as string;
/** The edit that a pending or sent value stands for is written into its token. */
export const editOf = (seq: string) => Number(seq.slice(seq.indexOf('.') + 1));
export const without = <T>(list: readonly T[], index: number) => list.toSpliced(index, 1);

export function spend(world: World, what: keyof World['left'], change: Partial<World>): World {
  return { ...world, left: { ...world.left, [what]: world.left[what] - 1 }, ...change };
}

export const KEPT_OUT = 'x';

/** HubSpot silently keeps this value out, whoever of us sends it. */
export function isKeptOut(options: Options, value: string | undefined): boolean {
  return options.refuse && value === KEPT_OUT;
}
