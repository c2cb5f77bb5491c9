// Properties that every object type has.
import {
  datetime,
  define,
  number,
  type PropertyDefinition,
  text,
} from '../properties/definition.ts';

/** Everything here but the owner is HubSpot's own to write. */
export function listEveryObjectProperties(groupName: string): PropertyDefinition[] {
  const own = { readOnly: true, groupName };
  return [
    number('hs_object_id', 'Record ID', own),
    datetime('hs_createdate', 'Object create date/time', own),
    datetime('hs_lastmodifieddate', 'Object last modified date/time', own),
    text('hs_object_source', 'Record creation source', own),
    text('hs_object_source_id', 'Record creation source ID', own),
    text('hs_object_source_label', 'Record source', own),
    text('hs_object_source_detail_1', 'Record source detail 1', own),
    define('hs_merged_object_ids', 'Merged object IDs', 'enumeration', 'checkbox', own),
    define('hubspot_owner_id', 'Owner', 'enumeration', 'select', {
      groupName,
      externalOptions: true,
      referencedObjectType: 'OWNER',
    }),
    datetime('hubspot_owner_assigneddate', 'Owner assigned date', own),
  ];
}
