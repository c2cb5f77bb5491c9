/** Dead letters of the way inwards: what HubSpot holds and the row can't, by an event or a reading. */
import type { DeadLetter } from './journal.ts';
import type { RefusedRow } from './write-inbound.ts';

/** A value of HubSpot's that its codec can't turn into the column's text. */
export function unconvertibleLetter(
  record: { readonly object: string; readonly key: string; readonly hubspotId: string | null },
  found: {
    readonly property: string;
    readonly value: string | null;
    readonly time: number;
    /** The codec's words, which name no value. */
    readonly reason: string;
  },
): DeadLetter {
  const { object, key, hubspotId } = record;
  const { property, value, time, reason } = found;
  return {
    direction: 'inbound',
    object,
    key,
    hubspotId,
    code: 'VALUE_UNCONVERTIBLE',
    message: `${property}: ${reason}`,
    advice: `Add HubSpot's value to the mapping of ${property}, or correct it in HubSpot; its next change is applied again.`,
    payload: { property, value, time },
  };
}

/** A row that Postgres refused. */
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
