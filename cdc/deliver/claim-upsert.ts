/** Whether a row without a link may be upserted by its key now: a wrong upsert overwrites another. */
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import { refId, type StoredRecord } from '../../shared/postgres/records.ts';
import { knownId, withId } from '../../shared/protocol/ids.ts';
import { doubt, learned } from '../../shared/protocol/record.ts';
import type { Findings } from '../records/findings.ts';
import { keyLetter, twinLetter } from '../records/letters.ts';
import { buryWaiting, WAIT_MS } from '../records/not-sent.ts';
import { waitFor } from '../records/outbox-row.ts';
import type { Surroundings } from './surroundings.ts';

/** What isn't sent is buried, waits, or is looked up in HubSpot first. */
export function mayUpsert(
  table: TableMapping,
  record: StoredRecord,
  { twins, takenIds }: Surroundings,
  findings: Findings,
): boolean {
  try {
    table.keyValue(record.key);
  } catch (error) {
    buryWaiting(record, findings, keyLetter(record, error as Error));
    return false;
  }
  const twin = twins.get(refId(record));
  if (twin?.linked) {
    buryWaiting(record, findings, twinLetter(table, record, twin.key));
    return false;
  }
  if (twin) {
    waitFor(record, 'WAITS_FOR_TWIN', Date.now() + WAIT_MS);
    return false;
  }
  const named = table.rowId?.parse(record.key);
  if (named === undefined || takenIds.has(`${record.object}/${named}`)) return true;
  if (knownId(record.state, named)) return true;
  record.state = lookUpFirst(record.state, named);
  return false;
}

/**
 * The key names a HubSpot record (`hs_123`): it is read before anything is made. For all that is
 * known it is dead until then, so that a record that isn't there takes no row along.
 */
function lookUpFirst(state: StoredRecord['state'], id: string): StoredRecord['state'] {
  return doubt(learned(withId(state, id, { dead: { low: 0, high: 0 } })), 'created');
}
