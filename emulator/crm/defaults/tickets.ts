// Tickets as a new portal has them.
import {
  datetime,
  define,
  type PropertyDefinition,
  select,
  text,
  textarea,
} from '../properties/definition.ts';

const groupName = 'ticketinformation';

export const TICKET_PROPERTIES: PropertyDefinition[] = [
  text('subject', 'Ticket name', { groupName }),
  textarea('content', 'Ticket description', { groupName }),
  define('hs_pipeline', 'Pipeline', 'enumeration', 'select', { groupName, externalOptions: true }),
  define('hs_pipeline_stage', 'Ticket status', 'enumeration', 'select', {
    groupName,
    externalOptions: true,
  }),
  select(
    'hs_ticket_priority',
    'Priority',
    [
      ['LOW', 'Low'],
      ['MEDIUM', 'Medium'],
      ['HIGH', 'High'],
    ],
    { groupName },
  ),
  datetime('createdate', 'Create date', { groupName, readOnly: true }),
];
