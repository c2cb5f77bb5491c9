/** The property part of the exploration: its world made a model, its bounds, its rules. */
import { RULES, type Rule, type Terms } from '../../shared/protocol/rules.ts';
import type { Model } from './explorer.ts';
import type { Options, Part } from './part.ts';
import { checkWorld } from './property/check.ts';
import { keyOf } from './property/key.ts';
import { stepsOf } from './property/scene.ts';
import { SKEW, startOf, type World } from './property/world.ts';

export function termsOf(options: Options): Terms {
  const rules = Object.fromEntries(
    RULES.map((rule) => [rule, !options.without.includes(rule)]),
  ) as Record<Rule, boolean>;
  const tolerance = options.skew === 'none' && !options.coarse ? 0 : SKEW;
  return options.ledger > 0 ? { tolerance, rules, ledger: options.ledger } : { tolerance, rules };
}

export function buildProperty(options: Options): Model<World> {
  const terms = termsOf(options);
  return {
    starts: [startOf(options)],
    key: keyOf,
    steps: (world) => stepsOf(world, options, terms),
    check: (world, atRest) => checkWorld(options, world, atRest),
  };
}

export const property: Part = {
  name: 'property',
  rules: RULES,
  build: buildProperty,
  configurations: [
    { local: 2, hub: 2, skew: 'none' },
    { local: 2, hub: 2, noop: true },
    { local: 2, hub: 2, answer: 'late' },
    { local: 2, hub: 2, answer: 'blind' },
    { local: 3, hub: 1, toggle: true, skew: 'none' },
    { local: 1, hub: 3 },
    { local: 2, hub: 1, drop: 1 },
    { local: 2, hub: 1, timeout: 1 },
    { local: 1, hub: 2, timeout: 1 },
    { local: 1, hub: 1, timeout: 2 },
    { local: 1, hub: 1, timeout: 2, ledger: 3 },
    { local: 1, hub: 1, timeout: 1, lose: 1, answer: 'blind' },
    { local: 1, hub: 2, drop: 1, answer: 'late', born: 'postgres' },
    { local: 1, hub: 2, dup: 1, lose: 1 },
    { local: 1, hub: 1, timeout: 1, dup: 1, skew: 'four' },
    { local: 2, hub: 1, answer: 'blind', skew: 'four' },
    { local: 1, hub: 1, other: 1, timeout: 1 },
    { local: 1, hub: 1, other: 2, drop: 1 },
    { local: 2, hub: 1, refuse: true, timeout: 1 },
    { local: 2, hub: 2, answer: 'blind', coarse: true },
    { local: 2, hub: 1, timeout: 1, coarse: true },
  ],
  bites: [
    { without: ['lock'], local: 2, hub: 1, noop: true },
    { without: ['cross'], local: 1, hub: 1 },
    { without: ['epoch'], local: 1, hub: 2, skew: 'none' },
    { without: ['readretry'], local: 2, hub: 0, toggle: true, timeout: 1 },
    { without: ['first'], local: 1, hub: 1, timeout: 1 },
    { without: ['answer'], local: 1, hub: 0, refuse: true },
    { without: ['answer', 'bound'], local: 1, hub: 1, answer: 'late', skew: 'none' },
    { without: ['bound'], local: 1, hub: 1, answer: 'blind' },
    { without: ['echo'], local: 1, hub: 1, timeout: 1 },
    { without: ['defer'], local: 1, hub: 1, other: 1, drop: 1 },
    { without: ['fresh'], local: 1, hub: 1 },
    { without: ['fresh', 'hist'], local: 1, hub: 1, answer: 'blind' },
  ],
};
