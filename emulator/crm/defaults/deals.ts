// Deals as a new portal has them.
import {
  bool,
  datetime,
  define,
  number,
  type PropertyDefinition,
  select,
  text,
  textarea,
} from '../properties/definition.ts';

const groupName = 'dealinformation';
const calculated = { groupName, calculated: true, readOnly: true };

export const DEAL_PROPERTIES: PropertyDefinition[] = [
  text('dealname', 'Deal Name', { groupName }),
  number('amount', 'Amount', { groupName }),
  // The options of these two are the portal's pipelines and stages.
  define('dealstage', 'Deal Stage', 'enumeration', 'radio', { groupName, externalOptions: true }),
  define('pipeline', 'Pipeline', 'enumeration', 'select', { groupName, externalOptions: true }),
  datetime('closedate', 'Close Date', { groupName }),
  datetime('createdate', 'Create Date', { groupName }),
  number('hs_deal_stage_probability', 'Deal Probability', { groupName }),
  number('hs_deal_stage_probability_shadow', 'Deal Stage Probability Shadow', calculated),
  text('hs_next_step', 'Next Step', { groupName }),
  textarea('description', 'Deal Description', { groupName }),
  select(
    'dealtype',
    'Deal Type',
    [
      ['newbusiness', 'New Business'],
      ['existingbusiness', 'Existing Business'],
    ],
    { groupName },
  ),
  select(
    'hs_priority',
    'Priority',
    [
      ['low', 'Low'],
      ['medium', 'Medium'],
      ['high', 'High'],
    ],
    { groupName },
  ),
  text('deal_currency_code', 'Currency', { groupName }),
  text('closed_lost_reason', 'Closed Lost Reason', { groupName }),
  text('closed_won_reason', 'Closed Won Reason', { groupName }),
  bool('hs_is_closed', 'Is Deal Closed?', calculated),
  bool('hs_is_closed_won', 'Is Closed Won', calculated),
  bool('hs_is_closed_lost', 'Is Closed Lost', calculated),
  number('hs_projected_amount', 'Weighted amount', calculated),
];
