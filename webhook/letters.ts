/** Dead letters of the way inwards: what HubSpot holds and the row can't, and when that has ended. */
import type { Cured } from '../shared/postgres/journal.ts';
import type { Written } from './write.ts';

/** What is equal on both sides since now; of a value applied before one that can't be, nothing is. */
export function curedBy({ record, decision, applied, removed }: Written): Cured[] {
  if (applied.length === 0 && !removed) return [];
  const { object, key } = record;
  const isLast = (name: string) =>
    !decision.unconvertible.some(
      ({ property, event }) =>
        property === name && event.event.time >= (decision.apply[name]?.time ?? 0),
    );
  const whole = removed ? 'gone' : undefined;
  return [{ object, key, properties: applied.filter(isLast), whole }];
}
