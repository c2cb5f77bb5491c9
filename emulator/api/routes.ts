// Every API path of the emulator's CRM. The server puts tokens, limits and faults before it.
import express, { type Router } from 'express';
import type { Crm } from '../crm/crm.ts';
import { addAccountRoutes, type DailyUsage } from './account.ts';
import { addAssociationRoutes } from './associations/routes.ts';
import { addDefinitionRoutes } from './definitions/routes.ts';
import { addObjectRoutes } from './objects/routes.ts';

/** `req.body` must be the parsed JSON. `dailyUsage` is what the account's apps have used today. */
export function crmRoutes(crm: Crm, options: { dailyUsage: () => DailyUsage }): Router {
  const router = express.Router({ caseSensitive: true });
  addObjectRoutes(router, crm.context);
  addAssociationRoutes(router, crm.context);
  addDefinitionRoutes(router, crm.context);
  addAccountRoutes(router, crm.context, options.dailyUsage);
  return router;
}
