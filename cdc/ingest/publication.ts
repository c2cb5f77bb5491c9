/**
 * Looks for gaps: before the stream is opened, whether the slot goes on where we stopped, and while it
 * is open, whether the publication still is what it was. What counts as a gap: shared/postgres/gap.ts.
 */
import {
  readPublication,
  readServer,
  readSlot,
  type ServerFacts,
  type SlotFacts,
} from '../../shared/postgres/catalog.ts';
import {
  comparePublication,
  findGap,
  type Names,
  publicationChanged,
  type Remembered,
  readRemembered,
} from '../../shared/postgres/gap.ts';
import type { Lsn } from '../../shared/postgres/lsn.ts';
import type { Client } from '../../shared/postgres/pool.ts';
import type { Tables } from '../../shared/postgres/schema.ts';
import { checkpointError } from './flush.ts';

/**
 * Looks for a gap before the stream is opened.
 * @returns where to go on from.
 * @throws the gap, by name
 */
export async function checkForGap(
  client: Client,
  tables: Tables,
  names: Names,
): Promise<{ readonly server: ServerFacts; readonly slot: SlotFacts; readonly start: Lsn }> {
  return inOneSnapshot(client, async () => {
    const slot = await readSlot(client, names.slot);
    const server = await readServer(client);
    const publication = await readPublication(client, names.publication);
    const remembered = await remember(client, tables, names.slot);
    const gap = findGap(names, remembered, { server, slot, publication });
    if (gap) throw gap;
    return { server, slot: slot as SlotFacts, start: remembered.confirmed };
  });
}

/** The same for the publication alone, while streaming. @throws PUBLICATION_CHANGED */
export async function checkPublication(
  client: Client,
  tables: Tables,
  names: Names,
): Promise<void> {
  await inOneSnapshot(client, async () => {
    const publication = await readPublication(client, names.publication);
    const remembered = await remember(client, tables, names.slot);
    const differs = comparePublication(remembered.publication, publication);
    if (differs) throw publicationChanged(names, differs);
  });
}

/** Both sides as of one moment, so that `init` adding a table beside us isn't taken for a gap. */
async function inOneSnapshot<T>(client: Client, work: () => Promise<T>): Promise<T> {
  await client.query('begin isolation level repeatable read read only');
  try {
    return await work();
  } finally {
    await client.query('commit').catch(() => undefined);
  }
}

async function remember(client: Client, tables: Tables, slot: string): Promise<Remembered> {
  const remembered = await readRemembered(client, tables, slot);
  if (remembered) return remembered;
  throw checkpointError('NOT_INITIALISED', `the slot ${slot} is not set up`, { slot });
}
