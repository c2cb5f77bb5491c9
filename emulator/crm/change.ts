// What happened to a record, in the words that HubSpot announces it with. crm/ hands each change to `emit`;
// the webhooks are made of nothing else.

/** Who did it. `INTEGRATION` with the app's id for API writes, `CRM_UI` with `userId:…` for people. */
export type Actor = {
  source: 'INTEGRATION' | 'CRM_UI' | 'CALCULATED' | (string & {});
  sourceId: string;
  /**
   * Epoch milliseconds that the property history is to bear. Default: now. A value that is not later than
   * the present one's is moved one millisecond behind it, since history times only rise.
   */
  occurredAt?: number;
};

export type ChangeKind =
  | 'creation'
  | 'deletion'
  | 'restore'
  | 'propertyChange'
  | 'merge'
  | 'associationChange'
  | 'privacyDeletion';

/** One thing that HubSpot would announce. Ids are text here; the wire makes numbers of them. */
export type CrmChange = {
  kind: ChangeKind;
  /** The name in HubSpot's own paths: `deals`, `2-1234`. Of associations: the type of the from side. */
  objectType: string;
  /** `0-3`, `2-1234`. */
  objectTypeId: string;
  /** Of associations: the from side's id. */
  objectId: string;
  /** Epoch milliseconds; equal to the history time of the property. */
  occurredAt: number;
  actor: Actor;
  /** Of propertyChange. */
  property?: string;
  /** As announced: dates and datetimes as epoch milliseconds, a cleared value as ''. */
  value?: string;
  primaryObjectId?: string;
  mergedObjectIds?: string[];
  newObjectId?: string;
  numberOfPropertiesMoved?: number;
  fromObjectId?: string;
  toObjectId?: string;
  toObjectTypeId?: string;
  associationTypeId?: number;
  associationCategory?: string;
  associationRemoved?: boolean;
  isPrimaryAssociation?: boolean;
};
