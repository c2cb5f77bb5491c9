/** Dead letters of the way outwards: what of a row HubSpot can't be given, and what to do about it. */
import { hubspotErrorKinds } from '../../shared/hubspot/errors.ts';
import type { TableMapping } from '../../shared/mapping/mapping.ts';
import type { DeadLetter } from '../../shared/postgres/journal.ts';
import type { StoredRecord } from '../../shared/postgres/records.ts';
import type { Unconvertible } from '../../shared/postgres/values.ts';

type Base = Pick<DeadLetter, 'direction' | 'object' | 'key' | 'hubspotId'>;

function about({ object, key, state }: StoredRecord): Base {
  return { direction: 'outbound', object, key, hubspotId: state.existence.link };
}

export function adviceOf(code: string): string {
  const kinds: Record<string, { advice: string }> = hubspotErrorKinds;
  return kinds[code]?.advice ?? 'Correct the row; its next change is sent again.';
}

export function unconvertibleLetter(
  table: TableMapping,
  record: StoredRecord,
  { property, column, error }: Unconvertible,
): DeadLetter {
  const { advice } = error as Error & { advice?: string };
  return {
    ...about(record),
    code: 'VALUE_UNCONVERTIBLE',
    message: error.message,
    advice: advice ?? `Correct column ${column} of ${table.name}, or its codec in the mapping.`,
    payload: { properties: [property], column, text: record.image?.[column] ?? null },
  };
}

/** The key can't be a value of HubSpot's unique property: nothing can be created for the row. */
export function keyLetter(record: StoredRecord, error: Error): DeadLetter {
  const { advice } = error as Error & { advice?: string };
  return {
    ...about(record),
    code: 'KEY_UNUSABLE',
    message: error.message,
    advice: advice ?? adviceOf('KEY_UNUSABLE'),
    payload: { properties: [] },
  };
}

/** HubSpot would take the row's key for another row's, and its values would overwrite that one's. */
export function twinLetter(table: TableMapping, record: StoredRecord, twin: string): DeadLetter {
  return {
    ...about(record),
    code: 'KEY_TAKEN',
    message: `HubSpot takes the key for that of another row of ${table.name}: ${twin}`,
    advice: 'Give one of the two rows a key that differs by more than case and outer blanks.',
    payload: { properties: [], twin },
  };
}

/** The HubSpot record that the key leads to stands for another row already. */
export function linkTakenLetter(
  table: TableMapping,
  record: StoredRecord,
  hubspotId: string,
  holder: string,
): DeadLetter {
  return {
    ...about(record),
    hubspotId,
    code: 'LINK_TAKEN',
    message: `HubSpot's record ${hubspotId} bears the key of this row, and stands for row ${holder} of ${table.name}`,
    advice: `Correct ${table.idProperty} of the record in HubSpot to ${holder}; then change the row, and it gets a record of its own.`,
    payload: { properties: [], holder },
  };
}

/** The properties left the mapping at run time, since HubSpot refuses them whatever they hold. */
export function droppedLetter(record: StoredRecord, properties: readonly string[]): DeadLetter {
  return {
    ...about(record),
    code: 'HUBSPOT_PROPERTY_REFUSED',
    message: `HubSpot refuses ${properties.join(', ')} altogether`,
    advice: adviceOf('HUBSPOT_PROPERTY_REFUSED'),
    payload: { properties },
  };
}
