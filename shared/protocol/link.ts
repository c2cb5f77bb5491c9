/**
 * The first link of a row and a HubSpot record that both exist already. They are taken for equal as
 * of that moment: what HubSpot's history tells of earlier is no news, what comes later is. Nothing is
 * copied; a later reading that finds them apart lets HubSpot's value in, unless the row changed.
 */
import { linkId } from './ids.ts';
import { exactly } from './property.ts';
import { mapProperty } from './record.ts';
import type { Bracket, Millis, RecordState, Value } from './state.ts';

/** What HubSpot holds of a property, as read. */
export interface Held {
  readonly value: Value;
  /** History time. */
  readonly time: Millis;
}

/**
 * @param alive when the record was seen to exist, on HubSpot's clock
 * @param row the row's values, read under its lock after the record was seen
 * @param held HubSpot's values with their history times, so that exactly what comes later is news; of
 * a property that is missing here (never set, or of no known form) it is what comes after `alive`
 */
export function linkAsTheyStand(
  record: RecordState,
  id: string,
  alive: Bracket,
  row: Readonly<Record<string, Value>>,
  held: Readonly<Record<string, Held>>,
): RecordState {
  let next = linkId(record, id, alive);
  for (const [name, value] of Object.entries(row)) {
    const there = held[name];
    const time = there?.time ?? alive.low;
    next = mapProperty(next, name, (property) => ({
      ...property,
      // Where they differ nothing is known, so that no comparison sends the row's by itself.
      known: there?.value === value ? { value, time: exactly(time) } : property.known,
      inbound: { value, time, assumed: true },
      epoch: time,
    }));
  }
  return next;
}
