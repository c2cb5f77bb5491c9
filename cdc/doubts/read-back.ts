/**
 * What HubSpot derives from a stage (the close date of a closed deal, the probability) comes as
 * events of its own. Where none has come some seconds after the stage was sent, the record is read:
 * HubSpot doesn't announce what it calculates.
 */
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import { addDoubt } from '../../shared/postgres/doubt-all.ts';
import { propertyOf, type RecordState } from '../../shared/protocol/state.ts';
import type { DeliverContext } from '../records/context.ts';

/** What HubSpot changes when these are written. */
const DERIVED: Readonly<Record<string, readonly string[]>> = {
  dealstage: ['closedate', 'hs_deal_stage_probability', 'hs_is_closed'],
};

const PATIENCE_MS = 3000;
/** Beyond it none is remembered: the next reconcile finds what was missed. */
const MOST = 10_000;

export interface ReadBacks {
  /** Makes a doubt of each record of the table whose time is up and of which nothing was heard. */
  due(table: TableMapping): Promise<number>;
  stop(): void;
}

/** Listens to what is delivered. @param now epoch ms */
export function createReadBacks(context: DeliverContext, now: () => number = Date.now): ReadBacks {
  const waiting = new Map<string, { object: string; key: string; dueAt: number }>();
  const stop = context.events.on('outbound:sent', ({ object, key, operation, properties }) => {
    const table = context.mapping.objectOf(object);
    if (!table || operation === 'archive' || waiting.size >= MOST) return;
    if (derivedOf(table, properties).length === 0) return;
    waiting.set(`${object}/${key}`, { object, key, dueAt: now() + PATIENCE_MS });
  });
  return {
    stop,
    async due(table) {
      const ripe = [...waiting].filter(
        ([, { object, dueAt }]) => object === table.object && dueAt <= now(),
      );
      if (ripe.length === 0) return 0;
      for (const [name] of ripe) waiting.delete(name);
      const { pool, tables } = context;
      const { rows } = await pool.query<{ key: string; state: RecordState }>(
        `select key, state from ${tables.record} where object_type = $1 and key = any ($2::text[])`,
        [table.object, ripe.map(([, { key }]) => key)],
      );
      const keys = rows.filter(({ state }) => isUnheard(table, state)).map(({ key }) => key);
      return addDoubt(pool, tables, table.object, 'reconcile', { keys });
    },
  };
}

/** Mapped properties that come inwards and that HubSpot derives from one of `sent`. */
function derivedOf(table: TableMapping, sent: readonly string[]): string[] {
  const derived = sent.flatMap((name) => DERIVED[name] ?? []);
  return derived.filter((name) => {
    const mapping = table.property(name);
    return mapping && mapping.direction !== 'outbound' && !sent.includes(name);
  });
}

/** Nothing of what is derived from the stage came in since it was sent last. */
function isUnheard(table: TableMapping, state: RecordState): boolean {
  if (state.doubt.length > 0) return false;
  return Object.keys(DERIVED).some((stage) => {
    const sentAt = propertyOf(state, stage).ledger.at(-1)?.time?.low;
    const derived = derivedOf(table, [stage]);
    if (sentAt === undefined || derived.length === 0) return false;
    return !derived.some((name) => (propertyOf(state, name).inbound?.time ?? 0) >= sentAt);
  });
}
