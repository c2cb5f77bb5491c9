/**
 * The rules by name and the tolerance for HubSpot's clocks, handed to every decision. The product
 * runs with `product`; the exploration switches single rules off to show that each is needed, and
 * scales the tolerance to its own ticks.
 */
import { type Millis, TOLERANCE_MS } from './state.ts';

/** docs/protocol.md says what each stands for and what breaks without it. */
export const RULES = [
  'lock',
  'cross',
  'epoch',
  'readretry',
  'first',
  'answer',
  'bound',
  'echo',
  'defer',
  'fresh',
  'hold',
  'hist',
] as const;

export type Rule = (typeof RULES)[number];

/** On what terms a decision is made. */
export interface Terms {
  /** Slack at each end of a bracket and between two tellings of one event. */
  readonly tolerance: Millis;
  readonly rules: Readonly<Record<Rule, boolean>>;
  /** Lines of a property's ledger; `LEDGER_LENGTH` where it isn't said. */
  readonly ledger?: number;
}

export const allRules: Readonly<Record<Rule, boolean>> = {
  lock: true,
  cross: true,
  epoch: true,
  readretry: true,
  first: true,
  answer: true,
  bound: true,
  echo: true,
  defer: true,
  fresh: true,
  hold: true,
  hist: true,
};

/** The product's terms: every rule, one second. */
export const product: Terms = { tolerance: TOLERANCE_MS, rules: allRules };
