/** What a part of the protocol (property, existence) gives to the exploration. */
import type { Model } from './explorer.ts';

/** Bounds and switches of one exploration; a part ignores what it has no use for. */
export interface Options {
  /** Local edits. */
  readonly local: number;
  /** Edits by HubSpot users. */
  readonly hub: number;
  /** Local edits of another property of the same record: they share its calls. */
  readonly other: number;
  /** Requests or answers that are lost. */
  readonly drop: number;
  /** Requests given up (time-out, crash) that live on and may be carried out later. */
  readonly timeout: number;
  /** Webhooks that come again. */
  readonly dup: number;
  /** Webhooks that never come; a reconcile run follows. */
  readonly lose: number;
  /** What an answer tells: our write alone, a later state, or only our own input. */
  readonly answer: 'atomic' | 'late' | 'blind';
  /** A HubSpot user may also type the value that the row already holds. */
  readonly noop: boolean;
  /** A local edit may also bring back the value that the row held before the last one. */
  readonly toggle: boolean;
  /** How the clocks of answers and history may differ. */
  readonly skew: 'none' | 'two' | 'four';
  /** Whether webhooks tell a coarser time than the history. */
  readonly coarse: boolean;
  /** Where the record was born: one born in Postgres was never written inwards. */
  readonly born: 'hubspot' | 'postgres';
  /** HubSpot silently keeps out the value of the first local edit. */
  readonly refuse: boolean;
  /** Lines of the ledger; 0: as many as the product has. */
  readonly ledger: number;
  /** A local insert may be uncommitted while an apply finds no row to delete. */
  readonly open: boolean;
  /** Which deletions the other side follows: both ways, or one side is left as it is. */
  readonly deletes: 'both' | 'keep' | 'mark' | 'ignore';
  /** Rules that are switched off. */
  readonly without: readonly string[];
  /** Limit of states. */
  readonly max: number;
}

export const noFaults: Options = {
  local: 1,
  hub: 1,
  other: 0,
  drop: 0,
  timeout: 0,
  dup: 0,
  lose: 0,
  answer: 'atomic',
  noop: false,
  toggle: false,
  skew: 'two',
  coarse: false,
  born: 'hubspot',
  refuse: false,
  ledger: 0,
  open: false,
  deletes: 'both',
  without: [],
  max: 20_000_000,
};

export interface Part {
  readonly name: 'property' | 'existence';
  /** Names of the rules that can be switched off. */
  readonly rules: readonly string[];
  // biome-ignore lint/suspicious/noExplicitAny: each part has states of its own, opaque here.
  build(options: Options): Model<any>;
  /** What is explored without options on the command line. */
  readonly configurations: readonly Partial<Options>[];
  /** For each rule the smallest bounds in which leaving it out breaks something. */
  readonly bites: readonly Partial<Options>[];
}
