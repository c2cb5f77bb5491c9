/**
 * Where each version of HubSpot's API keeps its calls, and what it answers: the one table that
 * client.ts asks. The dated versions take the same requests as v3, but other paths, other codes and,
 * for associations, other bodies; the official client knows no dated path at all.
 */

/** Every call the program makes. */
export type CallName =
  | 'update'
  | 'upsert'
  | 'archive'
  | 'read'
  | 'search'
  | 'list'
  | 'readAssociations'
  | 'createAssociations'
  | 'archiveAssociations'
  | 'listProperties'
  | 'createProperty'
  | 'listPipelines'
  | 'listOwners'
  | 'accountDetails';

export interface CallSpec {
  readonly method: 'GET' | 'POST';
  /** Built from object names; a second one only for associations. */
  readonly path: (from: string, to: string) => string;
  /**
   * Statuses that mean "HubSpot worked on it". Each version's own, and 207 wherever a batch can
   * succeed in part: the dated specifications don't name it, and servers answer it all the same.
   * Another 2xx means that something else answered.
   */
  readonly accepts: readonly number[];
  /** Whether the answer has a body that must be read; `maybe`: read where there is one. */
  readonly body: 'yes' | 'maybe';
  readonly write: boolean;
  /** The budget that the call falls under besides the common one. */
  readonly kind: CallKind;
}

export type CallKind = 'plain' | 'search' | 'associations';

type VersionPart = readonly [
  method: 'GET' | 'POST',
  path: (from: string, to: string) => string,
  accepts: readonly number[],
  body?: 'maybe',
];
type VersionTable = Readonly<Record<CallName, VersionPart>>;

const writes: readonly CallName[] = [
  'update',
  'upsert',
  'archive',
  'createAssociations',
  'archiveAssociations',
  'createProperty',
];

const numbered: VersionTable = {
  update: ['POST', (type) => `/crm/v3/objects/${type}/batch/update`, [200, 207]],
  upsert: ['POST', (type) => `/crm/v3/objects/${type}/batch/upsert`, [200, 207]],
  archive: ['POST', (type) => `/crm/v3/objects/${type}/batch/archive`, [204, 207], 'maybe'],
  read: ['POST', (type) => `/crm/v3/objects/${type}/batch/read`, [200, 207]],
  search: ['POST', (type) => `/crm/v3/objects/${type}/search`, [200]],
  list: ['GET', (type) => `/crm/v3/objects/${type}`, [200]],
  readAssociations: [
    'POST',
    (from, to) => `/crm/v4/associations/${from}/${to}/batch/read`,
    [200, 207],
  ],
  createAssociations: [
    'POST',
    (from, to) => `/crm/v4/associations/${from}/${to}/batch/create`,
    [201, 207],
  ],
  archiveAssociations: [
    'POST',
    (from, to) => `/crm/v4/associations/${from}/${to}/batch/archive`,
    [204, 207],
    'maybe',
  ],
  listProperties: ['GET', (type) => `/crm/v3/properties/${type}`, [200]],
  createProperty: ['POST', (type) => `/crm/v3/properties/${type}`, [201]],
  listPipelines: ['GET', (type) => `/crm/v3/pipelines/${type}`, [200]],
  listOwners: ['GET', () => '/crm/v3/owners', [200]],
  // The numbered twin ends with its version; this path answers the same to every kind of token.
  accountDetails: ['GET', () => '/account-info/2026-09/details', [200]],
};

function dated(version: string): VersionTable {
  return {
    update: ['POST', (type) => `/crm/objects/${version}/${type}/batch/update`, [200, 207]],
    upsert: ['POST', (type) => `/crm/objects/${version}/${type}/batch/upsert`, [200, 207]],
    archive: [
      'POST',
      (type) => `/crm/objects/${version}/${type}/batch/archive`,
      [204, 207],
      'maybe',
    ],
    read: ['POST', (type) => `/crm/objects/${version}/${type}/batch/read`, [200, 207]],
    search: ['POST', (type) => `/crm/objects/${version}/${type}/search`, [200]],
    list: ['GET', (type) => `/crm/objects/${version}/${type}`, [200]],
    readAssociations: [
      'POST',
      (from, to) => `/crm/associations/${version}/${from}/${to}/batch/read`,
      [200, 207],
    ],
    createAssociations: [
      'POST',
      (from, to) => `/crm/associations/${version}/${from}/${to}/batch/create`,
      [200, 207],
    ],
    archiveAssociations: [
      'POST',
      (from, to) => `/crm/associations/${version}/${from}/${to}/batch/archive`,
      [200, 207],
    ],
    listProperties: ['GET', (type) => `/crm/properties/${version}/${type}`, [200]],
    createProperty: ['POST', (type) => `/crm/properties/${version}/${type}`, [201]],
    listPipelines: ['GET', (type) => `/crm/pipelines/${version}/${type}`, [200]],
    listOwners: ['GET', () => `/crm/owners/${version}`, [200]],
    accountDetails: ['GET', () => '/account-info/2026-09/details', [200]],
  };
}

/** @param version `v3`, or a dated version such as `2026-09`. */
export function callsOf(version: string): Readonly<Record<CallName, CallSpec>> {
  const table = version === 'v3' ? numbered : dated(version);
  const entries = (Object.entries(table) as [CallName, VersionPart][]).map(
    ([name, [method, path, accepts, body]]): [CallName, CallSpec] => [
      name,
      {
        method,
        // Names come from the mapping: a slash in one must not reach another path.
        path: (from, to) => path(encodeURIComponent(from), encodeURIComponent(to)),
        accepts,
        body: body ?? 'yes',
        write: writes.includes(name),
        kind:
          name === 'search' ? 'search' : name.endsWith('Associations') ? 'associations' : 'plain',
      },
    ],
  );
  return Object.fromEntries(entries) as Record<CallName, CallSpec>;
}
