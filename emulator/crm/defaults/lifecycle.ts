// The lifecycle stages of contacts and companies, in the order in which they only move forward.
import {
  datetime,
  define,
  options,
  type PropertyDefinition,
  text,
} from '../properties/definition.ts';

export const LIFECYCLE_STAGES: [value: string, label: string][] = [
  ['subscriber', 'Subscriber'],
  ['lead', 'Lead'],
  ['marketingqualifiedlead', 'Marketing Qualified Lead'],
  ['salesqualifiedlead', 'Sales Qualified Lead'],
  ['opportunity', 'Opportunity'],
  ['customer', 'Customer'],
  ['evangelist', 'Evangelist'],
  ['other', 'Other'],
];

export function listLifecycleProperties(groupName: string): PropertyDefinition[] {
  return [
    define('lifecyclestage', 'Lifecycle Stage', 'enumeration', 'radio', {
      groupName,
      options: options(LIFECYCLE_STAGES),
      readOnlyDefinition: false,
    }),
    text('hs_pipeline', 'Pipeline', { groupName }),
    ...LIFECYCLE_STAGES.map(([stage, label]) =>
      datetime(`hs_lifecyclestage_${stage}_date`, `Became a ${label} Date`, {
        groupName,
        readOnly: true,
      }),
    ),
  ];
}
