// The `associations` of a record in lists and single reads: ids by type, each id once per kind.
import type { CrmContext } from '../../crm/context.ts';
import type { ObjectType } from '../../crm/object-types.ts';
import type { StoredRecord } from '../../crm/records/store.ts';
import { refuseUnknownType } from '../../crm/user.ts';

type Listed = { results: { id: string; type: string }[] };

/** Empty for types without an association. */
export function showAssociations(
  crm: CrmContext,
  type: ObjectType,
  record: StoredRecord,
  wantedTypes: string[],
): Record<string, Listed> {
  const shown: Record<string, Listed> = {};
  const from = { typeId: type.id, id: record.id };
  for (const segment of wantedTypes) {
    const target = crm.types.find(segment);
    if (target === undefined) throw refuseUnknownType(segment);
    const kinds = crm.associations.kinds.list(type.id, target.id);
    const hasPrimary = kinds.some(({ role }) => role === 'primary');
    const results = crm.associations.listIds(from, target.id).flatMap((id) => {
      if (crm.records.getActive(target.id, id) === undefined) return [];
      return crm.associations.read(from, { typeId: target.id, id }).map((typeId) => {
        const kind = kinds.find((each) => each.typeId === typeId);
        const plain = `${type.singular}_to_${target.singular}`;
        if (kind?.role === 'default' && hasPrimary) return { id, type: `${plain}_unlabeled` };
        if (kind?.role === 'label') {
          return { id, type: (kind.label ?? plain).toLowerCase().replace(/\W+/g, '_') };
        }
        return { id, type: plain };
      });
    });
    if (results.length > 0) shown[target.name] = { results };
  }
  return shown;
}
