/** Dead letters of what was read: what HubSpot holds and the row can't. */
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import type { DeadLetter } from '../../shared/postgres/journal.ts';
import type { StoredRecord } from '../../shared/postgres/records.ts';

export function missingLetter(
  table: TableMapping,
  { object, key }: StoredRecord,
  hubspotId: string,
  properties: readonly string[],
): DeadLetter {
  return {
    direction: 'inbound',
    object,
    key,
    hubspotId,
    code: 'REQUIRED_MISSING',
    message: `HubSpot's record has no ${properties.join(', ')}, without which ${table.name} gets no row`,
    advice: 'Fill it in in HubSpot; the row is made at the record’s next change.',
    payload: { kind: 'insert', properties },
  };
}

export function noKeyLetter(table: TableMapping, hubspotId: string): DeadLetter {
  return {
    direction: 'inbound',
    object: table.object,
    key: null,
    hubspotId,
    code: 'NO_ROW_ID',
    message: `a record was created in HubSpot, and the mapping of ${table.name} says no id for its row that the table can hold`,
    advice: 'Give the table an `id` template in the mapping, such as `id: hs_{id}`.',
  };
}

/** Our app made it, for a row that isn't here: of another database, or from before a restore. */
export function strangerLetter(table: TableMapping, hubspotId: string): DeadLetter {
  return {
    direction: 'inbound',
    object: table.object,
    key: null,
    hubspotId,
    code: 'UNKNOWN_ROW',
    message: `HubSpot's record ${hubspotId} was made by this app for a row that ${table.name} doesn't have`,
    advice: `Archive the record, or clear its ${table.idProperty} in HubSpot; see whether another installation uses the same app.`,
  };
}
