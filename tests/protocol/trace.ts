/**
 * Drives the protocol's decisions through one fixed order of events, told in the words of the
 * exploration, and then lets everything that moves by itself come to rest.
 */
import type { Options } from '../explore/part.ts';
import { noFaults } from '../explore/part.ts';
import type { World } from '../explore/property/world.ts';
import { buildProperty } from '../explore/property.ts';

export interface Outcome {
  /** What is wrong at rest, or null. */
  readonly wrong: string | null;
  readonly hubspot: string;
  readonly row: string;
  readonly reads: number;
  readonly writes: number;
  readonly names: readonly string[];
}

/**
 * Follows `lines`: each is a step's name or the beginning of one; one that begins with '?' is left out
 * where it doesn't apply. Throws if a step isn't possible.
 */
export function follow(bounds: Partial<Options>, lines: readonly string[]): Outcome {
  const model = buildProperty({ ...noFaults, ...bounds });
  let world = model.starts[0] as World;
  let reads = 0;
  let writes = 0;
  const names: string[] = [];
  const take = (pick: (name: string, moves: boolean) => boolean): boolean => {
    const step = model.steps(world).find(({ name, moves }) => pick(name, moves));
    if (!step) return false;
    world = step.next;
    names.push(step.name);
    if (step.tally === 'reads') reads++;
    if (step.tally === 'writes') writes++;
    return true;
  };
  for (const line of lines) {
    const optional = line.startsWith('?');
    const start = optional ? line.slice(1).trim() : line;
    const taken = take((name) => name === start) || take((name) => name.startsWith(start));
    if (!taken && !optional) {
      const possible = model.steps(world).map(({ name }) => name);
      throw new Error(`"${line}" can't happen; ${possible.join(', ')} can`);
    }
  }
  for (let steps = 0; take((_name, moves) => moves); steps++) {
    if (steps > 200) throw new Error(`no end: ${names.slice(-12).join(', ')}`);
  }
  const hubspot = world.values[world.history.at(-1)?.edit ?? 0] as string;
  const row = world.values[world.row] as string;
  return { wrong: model.check(world, true), hubspot, row, reads, writes, names };
}
