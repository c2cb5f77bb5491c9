// Contacts as a new portal has them.
import {
  datetime,
  number,
  type PropertyDefinition,
  select,
  text,
} from '../properties/definition.ts';
import { listLifecycleProperties } from './lifecycle.ts';

const groupName = 'contactinformation';
const readOnly = { groupName, readOnly: true };

export const CONTACT_PROPERTIES: PropertyDefinition[] = [
  text('email', 'Email', { groupName, unique: true }),
  text('hs_additional_emails', 'Additional email addresses', { groupName }),
  text('firstname', 'First Name', { groupName }),
  text('lastname', 'Last Name', { groupName }),
  text('jobtitle', 'Job Title', { groupName }),
  text('phone', 'Phone Number', { groupName, fieldType: 'phonenumber' }),
  text('mobilephone', 'Mobile Phone Number', { groupName, fieldType: 'phonenumber' }),
  text('company', 'Company Name', { groupName }),
  text('website', 'Website URL', { groupName }),
  text('address', 'Street Address', { groupName }),
  text('city', 'City', { groupName }),
  text('state', 'State/Region', { groupName }),
  text('zip', 'Postal Code', { groupName }),
  text('country', 'Country/Region', { groupName }),
  select(
    'hs_lead_status',
    'Lead Status',
    [
      ['NEW', 'New'],
      ['OPEN', 'Open'],
      ['IN_PROGRESS', 'In Progress'],
      ['OPEN_DEAL', 'Open Deal'],
      ['UNQUALIFIED', 'Unqualified'],
      ['ATTEMPTED_TO_CONTACT', 'Attempted to Contact'],
      ['CONNECTED', 'Connected'],
      ['BAD_TIMING', 'Bad Timing'],
    ],
    { groupName, readOnlyDefinition: false },
  ),
  // Its metadata claims that it takes writes; HubSpot sets it from the primary company.
  number('associatedcompanyid', 'Primary Associated Company ID', { groupName }),
  text('hs_email_domain', 'Email Domain', { ...readOnly, calculated: true }),
  text('hs_calculated_merged_vids', 'Merged vids with timestamps of a contact', {
    ...readOnly,
    calculated: true,
  }),
  datetime('createdate', 'Create Date', readOnly),
  datetime('lastmodifieddate', 'Last Modified Date', readOnly),
  ...listLifecycleProperties(groupName),
];
