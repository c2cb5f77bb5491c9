// What the portal is made of: properties, pipelines, owners, schemas of custom objects.
import type { Router } from 'express';
import type { CrmContext } from '../../crm/context.ts';
import { addOwnerRoutes } from './owners.ts';
import { addPipelineRoutes } from './pipelines.ts';
import { addPropertyRoutes } from './properties.ts';
import { addSchemaRoutes } from './schemas.ts';

export function addDefinitionRoutes(router: Router, crm: CrmContext): void {
  addPropertyRoutes(router, crm);
  addPipelineRoutes(router, crm);
  addOwnerRoutes(router, crm);
  addSchemaRoutes(router, crm);
}
