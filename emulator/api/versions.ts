// The versions of HubSpot's API that the emulator serves, and in one table where their answers differ. Dated
// versions take the same requests as the numbered ones, but answer with other codes and bodies.

/** The dated versions served. */
export const DATED_VERSIONS = ['2025-09', '2026-03', '2026-09'] as const;

export type Dialect = {
  /** Status of a batch answer with errors: 207, or that of success, where only the body tells. */
  partialStatus: 207 | 'success';
  associationsCreated: 201 | 200;
  /** 204 without a body, or 200 with an empty batch answer. */
  associationsArchived: 204 | 200;
  propertiesCreated: 201 | 200;
  /** Whether ids of associated records are JSON numbers or text. */
  associatedIds: 'number' | 'text';
  /** Whether the associations of one record can be listed by GET. */
  listsAssociations: boolean;
};

export const NUMBERED: Dialect = {
  partialStatus: 207,
  associationsCreated: 201,
  associationsArchived: 204,
  propertiesCreated: 201,
  associatedIds: 'number',
  listsAssociations: true,
};

export const DATED: Dialect = {
  partialStatus: 'success',
  associationsCreated: 200,
  associationsArchived: 200,
  propertiesCreated: 200,
  associatedIds: 'text',
  listsAssociations: false,
};

/** Where a family of paths is found: `/crm/v3/<family>` and `/crm/<family>/<dated>`. */
export function listRoots(
  family: string,
  numbered: 'v3' | 'v4' = 'v3',
): { root: string; dialect: Dialect }[] {
  return [
    { root: `/crm/${numbered}/${family}`, dialect: NUMBERED },
    ...DATED_VERSIONS.map((version) => ({ root: `/crm/${family}/${version}`, dialect: DATED })),
  ];
}
