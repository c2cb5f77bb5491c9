// The control paths under /_emulator, without a token: what was asked, faults, webhooks, switches, reset.
// The records themselves, as a person in HubSpot's own pages changes them, are in objects.ts.
import { randomUUID } from 'node:crypto';
import { type NextFunction, type Request, type Response, Router } from 'express';
import { z } from 'zod';
import { type BehaviourHandle, UnknownSwitchError } from '../behaviour.ts';
import type { Crm } from '../crm/crm.ts';
import { Refusal } from '../crm/refusal.ts';
import { type Faults, faultInput } from '../faults.ts';
import type { Journal } from '../journal.ts';
import type { RequestLog } from '../requests.ts';
import { type Webhooks, webhookSettingsInput } from '../webhooks/webhooks.ts';
import { associationRoutes } from './associations.ts';
import { ControlError, readInput } from './input.ts';
import { objectRoutes } from './objects.ts';

/** The parts that control reaches; `reset` replaces some of them, so they are asked for at each request. */
export type ControlledParts = {
  crm: Crm;
  journal: Journal;
  behaviour: BehaviourHandle;
  faults: Faults;
  requestLog: RequestLog;
  webhooks: Webhooks;
};

const requestsQuery = z.strictObject({ limit: z.coerce.number().int().min(1).default(100) });

/** `reset` brings the emulator back to its empty start. */
export function controlRoutes(parts: () => ControlledParts, reset: () => void): Router {
  const routes = Router();

  routes.get('/stats', (_req, res) => {
    const { crm, requestLog, webhooks } = parts();
    const { sent, delivered, retried, abandoned, pending } = webhooks.readCounts();
    res.json({
      calls: requestLog.readCalls(),
      objects: crm.countObjects(),
      rateLimited: requestLog.readRateLimited(),
      webhooks: { sent, delivered, retried, abandoned, pending },
    });
  });

  routes.get('/requests', (req, res) => {
    const { limit } = readInput(requestsQuery, req.query);
    res.json(parts().requestLog.recent(limit));
  });

  routes.get('/faults', (_req, res) => {
    res.json(parts().faults.list());
  });
  routes.post('/faults', (req, res) => {
    res.status(201).json(parts().faults.add(readInput(faultInput, req.body)));
  });
  routes.delete('/faults', (_req, res) => {
    parts().faults.clear();
    res.status(204).end();
  });

  routes.get('/webhooks', (_req, res) => {
    const { webhooks } = parts();
    res.json({ ...webhooks.readSettings(), ...webhooks.readCounts() });
  });
  routes.post('/webhooks', (req, res) => {
    const { webhooks } = parts();
    webhooks.changeSettings(readInput(webhookSettingsInput, req.body));
    res.json({ ...webhooks.readSettings(), ...webhooks.readCounts() });
  });
  routes.delete('/webhooks', (_req, res) => {
    parts().webhooks.forgetPending();
    res.status(204).end();
  });

  routes.get('/behaviour', (_req, res) => {
    res.json(parts().behaviour.list());
  });
  routes.post('/behaviour', (req, res) => {
    const { behaviour } = parts();
    behaviour.change(readInput(z.record(z.string(), z.unknown()), req.body));
    res.json(behaviour.list());
  });

  routes.post('/reset', (_req, res) => {
    reset();
    res.status(204).end();
  });

  routes.use('/objects', objectRoutes(parts));
  routes.use('/associations', associationRoutes(parts));

  routes.use((req) => {
    throw new ControlError(404, `There is no ${req.method} ${req.originalUrl.split('?')[0]}.`);
  });
  routes.use(answerError);
  return routes;
}

/** What the CRM refuses is told as HubSpot tells it; what the control path refuses, in one sentence. */
function answerError(error: unknown, _req: Request, res: Response, _next: NextFunction): void {
  if (error instanceof Refusal) {
    res.status(error.status).json({ status: 'error', correlationId: randomUUID(), ...error.body });
    return;
  }
  if (error instanceof ControlError) {
    res.status(error.status).json({ status: 'error', message: error.message });
    return;
  }
  if (error instanceof UnknownSwitchError) {
    res.status(400).json({ status: 'error', message: error.message });
    return;
  }
  res.status(500).json({ status: 'error', message: String(error) });
}
