// What a request path means: which object type it names, where the record ids stand, which budgets it
// falls under. The log, the limits and the faults read paths only through this.

/** A path taken apart. All three texts are without the query. */
export type DescribedPath = {
  /** As sent, without a trailing slash. */
  sent: string;
  /** With object type ids replaced by the type's name: `/crm/v3/objects/deals/123`. */
  named: string;
  /** As `named`, with record ids replaced: `/crm/v3/objects/deals/:id`. */
  pattern: string;
  /** `objects`, `associations`, `properties`, `pipelines`, `schemas`, `owners`; undefined for other paths. */
  family: string | undefined;
  /** The object types that the path names, by name. */
  types: string[];
  search: boolean;
  associations: boolean;
  /** Whether it is about one record (`/objects/deals/1`, and `/objects/deals`, where one is created). */
  single: boolean;
};

/** Answers the name that HubSpot's own paths use for a type (`deals`, `2-1234`), or the segment itself. */
export type NameType = (segment: string) => string;

const TYPE_FAMILIES = new Set(['properties', 'pipelines', 'schemas']);
const OBJECT_ACTIONS = new Set(['batch', 'search', 'merge', 'gdpr-delete']);
const DATED_VERSION = /^\d{4}-\d{2}(-[a-z]+)?$/;

export function describePath(path: string, nameType: NameType): DescribedPath {
  const sent = path.length > 1 ? path.replace(/\/+$/, '') : path;
  const named = sent.split('/');
  const ids = new Set<number>();

  // `/crm/v3/<family>/…` and `/crm/<family>/<dated version>/…`: what the family is about comes fourth.
  const family = named[1] === 'crm' ? named[DATED_VERSION.test(named[3] ?? '') ? 2 : 3] : undefined;
  let associations = false;
  let search = false;

  const types: string[] = [];

  const nameAt = (at: number): void => {
    const segment = named[at];
    if (!segment) return;
    const name = nameType(segment);
    named[at] = name;
    types.push(name);
  };
  const idAt = (at: number): void => {
    if (named[at]) ids.add(at);
  };

  if (family === 'owners') {
    idAt(4);
  } else if (family === 'associations') {
    associations = true;
    nameAt(4);
    nameAt(5);
  } else if (family === 'objects') {
    nameAt(4);
    search = named[5] === 'search';
    if (!OBJECT_ACTIONS.has(named[5] ?? '')) {
      idAt(5);
      if (named[6] === 'associations') {
        associations = true;
        const to = named[7] === 'default' ? 8 : 7;
        nameAt(to);
        idAt(to + 1);
      }
    }
  } else if (family !== undefined && TYPE_FAMILIES.has(family)) {
    nameAt(4);
  }

  return {
    sent,
    named: named.join('/'),
    pattern: named.map((segment, at) => (ids.has(at) ? ':id' : segment)).join('/'),
    family,
    types,
    search,
    associations,
    single: ids.size > 0 || (family === 'objects' && named.length === 5),
  };
}
