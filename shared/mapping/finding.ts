/** What is wrong between the mapping and one of the two sides it names. */

export interface MappingFinding {
  /** `warning`: it works, but some values won’t travel or somebody should know. */
  readonly severity: 'error' | 'warning';
  /** Schema and table: `public.opportunities`. */
  readonly table: string;
  /** HubSpot path name: `deals`. */
  readonly object: string;
  /** The HubSpot property it is about, where it is about one. */
  readonly property?: string;
  /** The table's column it is about, where it is about one. */
  readonly column?: string;
  /** A sentence without anybody's values. */
  readonly message: string;
  /** What to do. */
  readonly remedy: string;
  /** What the program can do about it itself. */
  readonly fix?: 'create-property';
}

export const listOf = (names: readonly string[], most = 8): string =>
  names.length <= most
    ? names.join(', ')
    : `${names.slice(0, most).join(', ')} and ${names.length - most} more`;
