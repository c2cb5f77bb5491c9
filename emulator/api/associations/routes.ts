// The association paths: /crm/v4/associations/… and /crm/associations/{dated}/…, and those under one object.
import type { Router } from 'express';
import type { CrmContext } from '../../crm/context.ts';
import { route } from '../answer.ts';
import { listRoots } from '../versions.ts';
import {
  archiveAssociations,
  archiveLabels,
  associateByDefault,
  createAssociations,
  readAssociations,
} from './batch.ts';
import { createLabel, listLabels } from './labels.ts';
import { listAssociated, removePair, setPair, setPairByDefault } from './single.ts';

export function addAssociationRoutes(router: Router, crm: CrmContext): void {
  for (const { root, dialect } of listRoots('associations', 'v4')) {
    const pair = `${root}/:from/:to`;
    router.post(
      `${pair}/batch/read`,
      route(crm, (req) => readAssociations(crm, dialect, req)),
    );
    router.post(
      `${pair}/batch/create`,
      route(crm, (req) => createAssociations(crm, dialect, req)),
    );
    router.post(
      `${pair}/batch/archive`,
      route(crm, (req) => archiveAssociations(crm, dialect, req)),
    );
    router.post(
      `${pair}/batch/labels/archive`,
      route(crm, (req) => archiveLabels(crm, dialect, req)),
    );
    router.post(
      `${pair}/batch/associate/default`,
      route(crm, (req) => associateByDefault(crm, dialect, req)),
    );
    router.get(
      `${pair}/labels`,
      route(crm, (req) => listLabels(crm, req)),
    );
    router.post(
      `${pair}/labels`,
      route(crm, (req) => createLabel(crm, req)),
    );
  }
  for (const { root, dialect } of listRoots('objects', 'v4')) {
    const one = `${root}/:type/:id/associations`;
    router.put(
      `${one}/default/:to/:toId`,
      route(crm, (req) => setPairByDefault(crm, dialect, req)),
    );
    router.put(
      `${one}/:to/:toId`,
      route(crm, (req) => setPair(crm, dialect, req)),
    );
    router.delete(
      `${one}/:to/:toId`,
      route(crm, (req) => removePair(crm, req)),
    );
    if (dialect.listsAssociations) {
      router.get(
        `${one}/:to`,
        route(crm, (req) => listAssociated(crm, dialect, req)),
      );
    }
  }
}
