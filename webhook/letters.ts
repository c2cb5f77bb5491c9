/** Dead letters of the way inwards: what HubSpot holds and the row can't, and when that has ended. */
import type { Cured, DeadLetter } from '../shared/postgres/journal.ts';
import type { RefusedRow } from '../shared/postgres/write-inbound.ts';
import type { Decision } from './decide.ts';
import type { Written } from './write.ts';

export function unconvertibleLetter(
  object: string,
  key: string,
  { property, reason, event }: Decision['unconvertible'][number],
): DeadLetter {
  const { time } = event.event;
  const value = event.event.kind === 'property' ? event.event.value : null;
  return {
    direction: 'inbound',
    object,
    key,
    hubspotId: event.hubspotId,
    code: 'VALUE_UNCONVERTIBLE',
    message: `${property}: ${reason}`,
    advice: `Add HubSpot's value to the mapping of ${property}, or correct it in HubSpot; its next change is applied again.`,
    payload: { property, value, time },
  };
}

export function refusedLetter(
  object: string,
  { write, code, detail, error }: RefusedRow,
): DeadLetter {
  return {
    direction: 'inbound',
    object,
    key: write.key,
    hubspotId: write.hubspotId,
    code: 'ROW_REFUSED',
    message: `${error.message} (${code})`,
    advice: `Correct the record in HubSpot, or ${detail}; its next change is applied again.`,
    payload: { kind: write.kind, values: write.values },
  };
}

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
