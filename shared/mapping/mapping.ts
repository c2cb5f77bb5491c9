/** The mapping as compiled from sync.yaml: what the rest of the program works with. */

export interface Mapping {
  readonly tables: readonly TableMapping[];
  tableOf(schema: string, name: string): TableMapping | undefined;
  /** By HubSpot path name (`deals`) or type id (`0-3`). */
  objectOf(object: string): TableMapping | undefined;
}

/** One table and one HubSpot object type. */
export interface TableMapping {
  readonly schema: string;
  readonly name: string;
  /** Quoted and qualified: `"public"."opportunities"`. */
  readonly sql: string;
  /** Columns of the row's key. */
  readonly key: readonly string[];
  /** HubSpot path name: `deals`, `2-123`. */
  readonly object: string;
  /** `0-3`, `2-123`. */
  readonly objectTypeId: string;
  /** The unique HubSpot property that new records are made by. */
  readonly idProperty: string;
  /**
   * The id property's value for a row, from `encodeKey` of its key: lower case without outer blanks,
   * since HubSpot may take keys that differ only so for one.
   * @throws CodecError for a key that HubSpot can't be trusted with (not ASCII, empty, over 255).
   */
  keyValue(recordKey: string): string;
  /** Keys of rows that were born in HubSpot. */
  readonly rowId?: RowIdTemplate;
  /** A column that receives the HubSpot id. */
  readonly hubspotIdColumn?: string;
  readonly properties: readonly PropertyMapping[];
  property(name: string): PropertyMapping | undefined;
  column(name: string): PropertyMapping | undefined;
  readonly associations: readonly AssociationMapping[];
  readonly deletes: {
    /** What deleting the row does in HubSpot. */
    readonly outbound: 'archive' | 'ignore';
    /** What a deletion in HubSpot does to the row. */
    readonly inbound: 'keep' | 'mark' | 'delete';
    /** For `mark`: a boolean (true) or timestamp (now) column. */
    readonly markColumn?: string;
  };
  /** Texts for unmapped NOT NULL columns of rows born in HubSpot. */
  readonly defaults: Readonly<Record<string, string>>;
  /** Whether records that HubSpot made by itself become rows. */
  readonly automation: 'rows' | 'ignore';
}

/** Ids of rows born in HubSpot: `hs_{id}`. */
export interface RowIdTemplate {
  format(hubspotId: string): string;
  /** The HubSpot id that a row's key names; undefined for a row born in Postgres. */
  parse(key: string): string | undefined;
}

/** A foreign key that is an association of the record with another. */
export interface AssociationMapping {
  /** Pseudo-property: `association:companies`. */
  readonly name: string;
  readonly column: string;
  /** HubSpot path name of the other record's type; its table is mapped too. */
  readonly toObject: string;
  /** HubSpot-defined type that is written: the primary one where there is one. */
  readonly typeId: number;
}

export interface PropertyMapping {
  readonly property: string;
  readonly column: string;
  readonly direction: 'both' | 'outbound' | 'inbound';
  /** Who wins when both sides change it. */
  readonly policy: 'hubspot' | 'postgres' | 'latest' | 'fill_if_empty';
  readonly codec: Codec;
  /** A row is only made from a HubSpot record that has it. */
  readonly required: boolean;
  /** Never shown anywhere but where it belongs. */
  readonly personal: boolean;
  /** Constant properties sent along whenever this one is, such as `pipeline: default`. */
  readonly sendWith: Readonly<Record<string, string>>;
}

export interface Codec {
  /** The mapping's type: `number`; `day` for a calendar day that HubSpot keeps as a datetime. */
  readonly kind: string;
  /** The value map, the column's texts to HubSpot's option ids; without one the ids pass as they are. */
  readonly values?: Readonly<Record<string, string>>;
  /** Of `multi-enumeration`: the column is an array. */
  readonly array?: boolean;
  /** A column's text to the canonical value; '' is empty. @throws CodecError */
  toHubspot(text: string | null): string;
  /** The canonical value to text to be cast to the column's type; null is empty. @throws CodecError */
  toPostgres(canonical: string): string | null;
  /** Any form that HubSpot uses to the canonical value. @throws CodecError */
  canonical(value: string | null | undefined): string;
  /** What is sent. `stored`: HubSpot's own text, where known. */
  toWire(canonical: string, stored?: string | null): string;
}
