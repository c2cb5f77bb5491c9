/** What the worker's steps share. */
import type { Mapping, TableMapping } from '../shared/mapping/mapping.ts';
import type { Cured, DeadLetter, SyncLogRow } from '../shared/postgres/journal.ts';
import type { Pool } from '../shared/postgres/pool.ts';
import type { ColumnType } from '../shared/postgres/rows.ts';
import type { Tables } from '../shared/postgres/schema.ts';
import type { Events } from '../shared/service/events.ts';
import type { Logger } from '../shared/service/logger.ts';
import type { Held, Outcome } from './inbox.ts';
import type { WebhookEvent } from './parse.ts';

export interface ApplyContext {
  readonly pool: Pool;
  readonly tables: Tables;
  readonly mapping: Mapping;
  /** Signs marks. */
  readonly secret: Buffer;
  /** Our app's id as HubSpot writes it into sources; undefined: nothing is known to be ours. */
  readonly appId: string | undefined;
  readonly log: Logger;
  readonly events: Events;
  readonly typesOf: (table: TableMapping) => Promise<ReadonlyMap<string, ColumnType>>;
}

/** An inbox event as one of the HubSpot records it names sees it. */
export interface RecordEvent {
  /** Of the inbox row. */
  readonly id: string;
  readonly attempts: number;
  /** Epoch milliseconds. */
  readonly receivedAt: number;
  readonly hubspotId: string;
  readonly event: WebhookEvent;
}

/** What a transaction found out beside the records themselves. */
export interface Findings {
  readonly outcomes: Map<string, Outcome>;
  readonly held: Held[];
  readonly letters: DeadLetter[];
  readonly cured: Cured[];
  readonly log: SyncLogRow[];
  /** Told to the listeners once it is committed. */
  readonly told: (() => void)[];
}

export function newFindings(): Findings {
  return { outcomes: new Map(), held: [], letters: [], cured: [], log: [], told: [] };
}
