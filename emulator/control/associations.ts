// Associations as a person in HubSpot's own pages adds and removes them.
import { Router } from 'express';
import { z } from 'zod';
import type { AssociationEnds, Crm } from '../crm/crm.ts';
import type { Journal } from '../journal.ts';
import { readInput } from './input.ts';
import { person } from './objects.ts';

const input = z.strictObject({
  /** As seen from the first record; without it the unlabeled one, or all when removing. */
  associationTypeId: z.number().int().optional(),
});

const PATH = '/:fromType/:fromId/:toType/:toId';

export function associationRoutes(parts: () => { crm: Crm; journal: Journal }): Router {
  const routes = Router();
  routes.put(PATH, (req, res) => {
    const { crm, journal } = parts();
    const { associationTypeId } = readInput(input, req.body);
    const ends: AssociationEnds = req.params;
    journal.together(() => crm.user.associate(ends, associationTypeId, person()));
    res.status(204).end();
  });
  routes.delete(PATH, (req, res) => {
    const { crm, journal } = parts();
    const { associationTypeId } = readInput(input, req.body);
    const ends: AssociationEnds = req.params;
    journal.together(() => crm.user.dissociate(ends, associationTypeId, person()));
    res.status(204).end();
  });
  return routes;
}
