/**
 * The first link of a row and a HubSpot record that both exist already. They are taken for equal as
 * of that moment: what HubSpot's history tells of earlier is no news, what comes later is. Nothing is
 * copied; a later reading that finds them apart lets HubSpot's value in, unless the row changed.
 */
import { linkId } from './ids.ts';
import { mapProperty } from './record.ts';
import type { Bracket, RecordState, Value } from './state.ts';

/**
 * @param alive when the record was seen to exist, on HubSpot's clock; its lower end is the moment
 * from which a change in HubSpot is news
 * @param row the row's values, read under its lock after the record was seen
 */
export function linkAsTheyStand(
  record: RecordState,
  id: string,
  alive: Bracket,
  row: Readonly<Record<string, Value>>,
): RecordState {
  let next = linkId(record, id, alive);
  for (const [name, value] of Object.entries(row)) {
    next = mapProperty(next, name, (property) => ({
      ...property,
      inbound: { value, time: alive.low, assumed: true },
      epoch: alive.low,
    }));
  }
  return next;
}
