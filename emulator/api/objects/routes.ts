// The object paths: /crm/v3/objects/{type}/… and /crm/objects/{dated}/{type}/….
import type { Router } from 'express';
import type { CrmContext } from '../../crm/context.ts';
import { route } from '../answer.ts';
import { listRoots } from '../versions.ts';
import { batchRead } from './batch-read.ts';
import { batchArchive, batchCreate, batchUpdate, batchUpsert } from './batch-write.ts';
import { search } from './search.ts';
import {
  archiveOne,
  createOne,
  deletePrivately,
  listPage,
  mergeTwo,
  readOne,
  updateOne,
} from './single.ts';

export function addObjectRoutes(router: Router, crm: CrmContext): void {
  for (const { root, dialect } of listRoots('objects')) {
    const objects = `${root}/:type`;
    router.post(
      `${objects}/batch/read`,
      route(crm, (req) => batchRead(crm, dialect, req)),
    );
    router.post(
      `${objects}/batch/create`,
      route(crm, (req) => batchCreate(crm, dialect, req)),
    );
    router.post(
      `${objects}/batch/update`,
      route(crm, (req) => batchUpdate(crm, dialect, req)),
    );
    router.post(
      `${objects}/batch/upsert`,
      route(crm, (req) => batchUpsert(crm, dialect, req)),
    );
    router.post(
      `${objects}/batch/archive`,
      route(crm, (req) => batchArchive(crm, req)),
    );
    router.post(
      `${objects}/search`,
      route(crm, (req) => search(crm, req)),
    );
    router.post(
      `${objects}/merge`,
      route(crm, (req) => mergeTwo(crm, req)),
    );
    router.post(
      `${objects}/gdpr-delete`,
      route(crm, (req) => deletePrivately(crm, req)),
    );
    router.get(
      objects,
      route(crm, (req) => listPage(crm, req)),
    );
    router.post(
      objects,
      route(crm, (req) => createOne(crm, req)),
    );
    router.get(
      `${objects}/:id`,
      route(crm, (req) => readOne(crm, req)),
    );
    router.patch(
      `${objects}/:id`,
      route(crm, (req) => updateOne(crm, req)),
    );
    router.delete(
      `${objects}/:id`,
      route(crm, (req) => archiveOne(crm, req)),
    );
  }
}
