/** All that may happen next in a world. */
import { doubt } from '../../../shared/protocol/record.ts';
import type { Terms } from '../../../shared/protocol/rules.ts';
import type { Step } from '../explorer.ts';
import type { Options } from '../part.ts';
import { editHub, editRow } from './edits.ts';
import { read, receive } from './inwards.ts';
import { answer, carryOut, consume, send } from './outwards.ts';
import type { World } from './world.ts';

export interface Scene {
  readonly options: Options;
  readonly terms: Terms;
  /** Something that people or misfortune may do. */
  happens(name: string, next: World): void;
  /** Something that happens by itself sooner or later. */
  moves(name: string, next: World, tally?: string): void;
}

export function stepsOf(world: World, options: Options, terms: Terms): Step<World>[] {
  const steps: Step<World>[] = [];
  const scene: Scene = {
    options,
    terms,
    happens: (name, next) => steps.push({ name, moves: false, next }),
    moves: (name, next, tally) =>
      steps.push(tally ? { name, moves: true, next, tally } : { name, moves: true, next }),
  };
  editRow(world, scene);
  editHub(world, scene);
  consume(world, scene);
  read(world, scene);
  send(world, scene);
  carryOut(world, scene);
  answer(world, scene);
  receive(world, scene);
  if (world.reconcile && !steps.some((step) => step.moves)) {
    scene.moves('reconcile finds the record', {
      ...world,
      reconcile: false,
      record: doubt(world.record, 'reconcile'),
    });
  }
  return steps;
}
