// Records as a person sees and changes them in HubSpot's own pages: every change has the source CRM_UI and
// is announced like any other.
import { type Request, Router } from 'express';
import { z } from 'zod';
import type { Actor } from '../crm/change.ts';
import type { Crm, VisibleRecord } from '../crm/crm.ts';
import type { Journal } from '../journal.ts';
import { ControlError, readInput } from './input.ts';

/** The person behind the control paths. */
const USER = 'userId:1001';

/** Epoch milliseconds, or anything that names a time with its zone. */
const occurredAt = z
  .union([z.number().int(), z.iso.datetime({ offset: true }).transform((text) => Date.parse(text))])
  .optional();

const createInput = z.strictObject({
  properties: z.record(z.string(), z.unknown()).default({}),
  occurredAt,
  /** Chooses the id of the new record. */
  id: z.string().regex(/^\d+$/).optional(),
});
const editInput = z.strictObject({ properties: z.record(z.string(), z.unknown()), occurredAt });
const momentInput = z.strictObject({ occurredAt });
const id = z.union([z.string(), z.number()]).transform(String);
const mergeInput = z.strictObject({ primary: id, other: id, occurredAt });
const listQuery = z.strictObject({
  archived: z.enum(['true', 'false']).default('false'),
  limit: z.coerce.number().int().min(1).optional(),
});

type Parts = () => { crm: Crm; journal: Journal };

export function objectRoutes(parts: Parts): Router {
  const routes = Router();

  /** One line of the journal for a change and all it sets off. */
  const act = <R>(work: (crm: Crm) => R): R => {
    const { crm, journal } = parts();
    return journal.together(() => work(crm));
  };

  routes.get('/:type', (req, res) => {
    const { archived, limit } = readInput(listQuery, req.query);
    const records = parts().crm.user.list(req.params.type, archived === 'true');
    res.json(records.slice(0, limit).map(describeRecord));
  });

  routes.post('/:type', (req, res) => {
    const input = readInput(createInput, req.body);
    const created = act((crm) =>
      crm.user.create(req.params.type, input.properties, person(input.occurredAt), input.id),
    );
    res.status(201).json({ id: created.id, properties: created.properties });
  });

  routes.post('/:type/merge', (req, res) => {
    const { primary, other, occurredAt: at } = readInput(mergeInput, req.body);
    res.json(
      describeRecord(act((crm) => crm.user.merge(req.params.type, primary, other, person(at)))),
    );
  });

  routes.get('/:type/:id', (req, res) => {
    res.json(describeRecord(readKnown(parts().crm, req)));
  });

  // Creates the record under this id where there is none yet.
  routes.post('/:type/:id', (req, res) => {
    const input = readInput(editInput, req.body);
    const { type, id: recordId } = req.params;
    const actor = person(input.occurredAt);
    const known = parts().crm.user.read(type, recordId) !== undefined;
    const record = act(({ user }) =>
      known
        ? user.edit(type, recordId, input.properties, actor)
        : user.create(type, input.properties, actor, recordId),
    );
    res.status(known ? 200 : 201).json(describeRecord(record));
  });

  routes.patch('/:type/:id', (req, res) => {
    const input = readInput(editInput, req.body);
    const { type, id: recordId } = req.params;
    readKnown(parts().crm, req);
    const edited = act((crm) =>
      crm.user.edit(type, recordId, input.properties, person(input.occurredAt)),
    );
    res.json(describeRecord(edited));
  });

  routes.delete('/:type/:id', (req, res) => {
    const { occurredAt: at } = readInput(momentInput, req.body);
    const { type, id: recordId } = req.params;
    readKnown(parts().crm, req);
    act((crm) => crm.user.archive(type, recordId, person(at)));
    res.status(204).end();
  });

  routes.post('/:type/:id/restore', (req, res) => {
    const { occurredAt: at } = readInput(momentInput, req.body);
    const { type, id: recordId } = req.params;
    readKnown(parts().crm, req);
    res.json(describeRecord(act((crm) => crm.user.restore(type, recordId, person(at)))));
  });

  return routes;
}

/** The actor of the control paths; `at` is the history time that the change is to bear. */
export function person(at?: number): Actor {
  return { source: 'CRM_UI', sourceId: USER, ...(at === undefined ? {} : { occurredAt: at }) };
}

function readKnown(crm: Crm, req: Request<{ type: string; id: string }>): VisibleRecord {
  const { type, id: recordId } = req.params;
  const record = crm.user.read(type, recordId);
  if (record === undefined) {
    throw new ControlError(404, `There is no record ${recordId} of type ${type}.`);
  }
  return record;
}

/** Times in the forms of the API: ISO for the record and its history. */
function describeRecord(record: VisibleRecord): Record<string, unknown> {
  const iso = (at: number): string => new Date(at).toISOString();
  return {
    id: record.id,
    properties: record.properties,
    archived: record.archived,
    createdAt: iso(record.createdAt),
    updatedAt: iso(record.updatedAt),
    history: Object.fromEntries(
      Object.entries(record.history).map(([property, values]) => [
        property,
        values.map((value) => ({ ...value, timestamp: iso(value.timestamp) })),
      ]),
    ),
    associations: record.associations,
  };
}
