/**
 * Gaps: what was committed while nobody recorded it for us. The slot, the publication and each table
 * in it can be lost and made anew under the same names, and then the stream goes on without an error
 * and without what lay in between. So their identity is stored with the checkpoint and compared.
 */

import { errorTable, type SyncError } from '../service/errors.ts';
import type { PublicationFacts, ServerFacts, SlotFacts } from './catalog.ts';
import { formatLsn, type Lsn } from './lsn.ts';
import type { Queryable } from './pool.ts';
import type { Tables } from './schema.ts';

const MEND =
  'Run `pg-hubspot-sync init`, which starts anew from here, then `pg-hubspot-sync reconcile --full`.';

export const gapError = errorTable({
  SLOT_MISSING: { disposition: 'stop', advice: MEND },
  SLOT_LOST: {
    disposition: 'stop',
    advice: `${MEND} Raise max_slot_wal_keep_size if this process was down too long for it.`,
  },
  SLOT_MOVED: { disposition: 'stop', advice: MEND },
  SLOT_ELSEWHERE: {
    disposition: 'stop',
    advice: 'Choose another slot name with CDC_SLOT: this one belongs to something else.',
  },
  OTHER_CLUSTER: { disposition: 'stop', advice: MEND },
  PUBLICATION_CHANGED: { disposition: 'stop', advice: MEND },
});

/** What is stored beside the position. */
export interface Remembered {
  readonly systemIdentifier: string;
  readonly confirmed: Lsn;
  readonly publication: PublicationFacts | null;
}

/** What the catalog says now. */
export interface Found {
  readonly server: Pick<ServerFacts, 'systemIdentifier'>;
  readonly slot: SlotFacts | undefined;
  readonly publication: PublicationFacts | undefined;
}

export interface Names {
  readonly slot: string;
  readonly publication: string;
}

/** The gap between what is remembered and what is found; undefined where there is none. Pure. */
export function findGap(names: Names, remembered: Remembered, found: Found): SyncError | undefined {
  const { slot } = found;
  const { systemIdentifier } = found.server;
  const before = remembered.systemIdentifier;
  if (systemIdentifier !== null && before !== UNKNOWN_CLUSTER && systemIdentifier !== before) {
    return gapError(
      'OTHER_CLUSTER',
      'this is another database cluster than the one followed so far',
      {
        slot: names.slot,
      },
    );
  }
  if (!slot) {
    return gapError('SLOT_MISSING', `the replication slot ${names.slot} is gone`, {
      slot: names.slot,
    });
  }
  if (!slot.isThisDatabase || slot.plugin !== 'pgoutput') {
    return gapError(
      'SLOT_ELSEWHERE',
      `the slot ${names.slot} is not a pgoutput slot of this database`,
      {
        slot: names.slot,
        database: slot.database,
        plugin: slot.plugin,
      },
    );
  }
  if (slot.walStatus === 'lost' || slot.confirmed === null) {
    return gapError(
      'SLOT_LOST',
      `the server gave up the slot ${names.slot}: WAL that it needs is gone`,
      {
        slot: names.slot,
        reason: slot.invalidated ?? slot.walStatus,
      },
    );
  }
  if (slot.confirmed > remembered.confirmed) {
    return gapError('SLOT_MOVED', `the slot ${names.slot} was moved by somebody else`, {
      slot: names.slot,
      confirmed: formatLsn(slot.confirmed),
      ours: formatLsn(remembered.confirmed),
    });
  }
  const differs = comparePublication(remembered.publication, found.publication);
  if (differs) {
    return publicationChanged(names, differs);
  }
  return undefined;
}

/** What differs, in words; undefined where it is the same publication of the same tables. Pure. */
export function comparePublication(
  before: PublicationFacts | null,
  now: PublicationFacts | undefined,
): string | undefined {
  if (!now) return 'it is gone';
  if (!before) return 'it was never recorded';
  if (before.oid !== now.oid || before.xmin !== now.xmin) return 'it was changed or made anew';
  for (const [name, table] of Object.entries(before.tables)) {
    const other = now.tables[name];
    if (!other) return `the table ${name} is no longer in it`;
    if (other.oid !== table.oid || other.xmin !== table.xmin) {
      return `the table ${name} was taken out and added again`;
    }
  }
  const added = Object.keys(now.tables).find((name) => !before.tables[name]);
  return added && `the table ${added} was added by somebody else than init`;
}

export function publicationChanged(names: Names, differs: string): SyncError {
  return gapError('PUBLICATION_CHANGED', `the publication ${names.publication}: ${differs}`, {
    publication: names.publication,
  });
}

/** Stored for a cluster that didn't tell its identifier: nothing is compared with it. */
export const UNKNOWN_CLUSTER = 'unknown';

/** Undefined before the slot was set up. */
export async function readRemembered(
  client: Queryable,
  tables: Tables,
  slot: string,
): Promise<Remembered | undefined> {
  const { rows } = await client.query(
    `select system_identifier, publication, (confirmed_lsn - '0/0')::text as confirmed
       from ${tables.checkpoint} where slot = $1`,
    [slot],
  );
  const [row] = rows;
  return (
    row && {
      systemIdentifier: row.system_identifier,
      confirmed: BigInt(row.confirmed),
      publication: row.publication,
    }
  );
}
