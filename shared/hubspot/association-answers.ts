/**
 * Reads the answers of the associations API: rows of a reading, and which pairs of a write were refused.
 */
import { z } from 'zod';
import { id, readItemErrors } from './answers.ts';
import type { ItemError } from './errors.ts';
import type { AssociationRow } from './hubspot.ts';

const associationsSchema = z.object({
  results: z.array(
    z.object({
      from: z.object({ id }),
      to: z.array(
        z.object({
          toObjectId: id,
          associationTypes: z
            .array(
              z.object({ category: z.string(), typeId: z.number(), label: z.string().nullish() }),
            )
            .default([]),
        }),
      ),
      paging: z.object({ next: z.object({ after: id }).nullish() }).nullish(),
    }),
  ),
});

/** @returns the rows, and where a record has more associations than one answer holds, its next page. */
export function readAssociationRows(
  body: unknown,
): readonly (AssociationRow & { readonly after?: string })[] {
  return associationsSchema.parse(body).results.map(({ from, to, paging }) => ({
    from: from.id,
    to: to.map(({ toObjectId, associationTypes }) => ({
      id: toObjectId,
      types: associationTypes.map(({ category, typeId, label }) => ({
        category,
        typeId,
        ...(label ? { label } : {}),
      })),
    })),
    ...(paging?.next ? { after: paging.next.after } : {}),
  }));
}

/** Lists name an associated record once per type, and over several pages. */
export function mergeAssociationRows(rows: readonly AssociationRow[]): readonly AssociationRow[] {
  const merged = new Map<string, Map<string, AssociationRow['to'][number]>>();
  for (const { from, to } of rows) {
    const targets = merged.get(from) ?? new Map();
    merged.set(from, targets);
    for (const target of to) {
      const types = [...(targets.get(target.id)?.types ?? []), ...target.types];
      const byType = new Map(types.map((type) => [`${type.category}/${type.typeId}`, type]));
      targets.set(target.id, { id: target.id, types: [...byType.values()] });
    }
  }
  return [...merged].map(([from, targets]) => ({ from, to: [...targets.values()] }));
}

const pairsSchema = z.object({
  results: z.array(z.object({ fromObjectId: id, toObjectId: id })).optional(),
});

/**
 * One error per refused pair, with the pair's `from` as its id. Errors name one end, both or none, and
 * results may name a pair from its other end: what counts is whether the pair is among the results.
 */
export function readRefusedPairs(
  body: unknown,
  pairs: readonly { readonly from: string; readonly to: string }[],
): readonly ItemError[] {
  const errors = readItemErrors(body);
  const [first] = errors;
  if (first === undefined) return [];
  const done = new Set(
    (pairsSchema.parse(body).results ?? []).flatMap(({ fromObjectId: a, toObjectId: b }) => [
      `${a}/${b}`,
      `${b}/${a}`,
    ]),
  );
  return pairs
    .filter(({ from, to }) => !done.has(`${from}/${to}`))
    .map(({ from, to }) => {
      const about = errors.find(({ ids }) => ids.includes(from) || ids.includes(to)) ?? first;
      return { ...about, ids: [from] };
    });
}
