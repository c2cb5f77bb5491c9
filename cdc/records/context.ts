/** What the steps of delivery share. */
import type { HubSpot } from '../../shared/hubspot/hubspot.ts';
import type { Mapping, TableMapping } from '../../shared/mapping/mapping.ts';
import type { Pool } from '../../shared/postgres/pool.ts';
import type { ColumnType } from '../../shared/postgres/rows.ts';
import type { Tables } from '../../shared/postgres/schema.ts';
import type { Events } from '../../shared/service/events.ts';
import type { Logger } from '../../shared/service/logger.ts';

export interface DeliverContext {
  readonly pool: Pool;
  readonly tables: Tables;
  readonly mapping: Mapping;
  readonly hubspot: HubSpot;
  readonly secret: Buffer;
  /** Term of the lease: fences every transaction, names every call. */
  readonly term: number;
  /** Our app's id as HubSpot writes it into sources; undefined: nothing is known to be ours. */
  readonly appId: string | undefined;
  readonly log: Logger;
  readonly events: Events;
  readonly typesOf: (table: TableMapping) => Promise<ReadonlyMap<string, ColumnType>>;
  readonly dropped: DroppedProperties;
}

/** Properties that HubSpot refuses altogether: out of the mapping until the next start. */
export interface DroppedProperties {
  has(object: string, property: string): boolean;
  /** True when it wasn't dropped before. */
  add(object: string, property: string): boolean;
}

export function createDroppedProperties(): DroppedProperties {
  const names = new Set<string>();
  const id = (object: string, property: string) => `${object}/${property}`;
  return {
    has: (object, property) => names.has(id(object, property)),
    add(object, property) {
      const fresh = !names.has(id(object, property));
      names.add(id(object, property));
      return fresh;
    },
  };
}
