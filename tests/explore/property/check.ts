/** What may never be: the questions that every world of the exploration is asked. */
import type { Options } from '../part.ts';
import { currentOf, isKeptOut, same, type World } from './world.ts';

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
