// How an API path answers: one handler shape for all of them, HubSpot's error body for every refusal, and the
// frame of batch answers.
import { randomUUID } from 'node:crypto';
import type { Request, RequestHandler, Response } from 'express';
import type { CrmContext } from '../crm/context.ts';
import { Refusal } from '../crm/refusal.ts';
import type { Dialect } from './versions.ts';

/** Status and JSON body; without a body nothing is sent but the status. */
export type Answer = { status: number; body?: unknown };

/** Runs a handler as one change of the journal; what it throws as `Refusal` is answered with HubSpot's body. */
export function route(crm: CrmContext, handle: (request: Request) => Answer): RequestHandler {
  return (request: Request, response: Response) => {
    let answer: Answer;
    try {
      answer = crm.journal.together(() => handle(request));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      answer = {
        status: error.status,
        body: { status: 'error', ...error.body, correlationId: randomUUID() },
      };
    }
    response.status(answer.status);
    if (answer.body === undefined) response.end();
    else response.json(answer.body);
  };
}

/** One entry of `errors` in a batch answer. */
export type BatchError = {
  status: 'error';
  category: string;
  subCategory?: string;
  message: string;
  context: Record<string, string[]>;
  errors?: unknown[];
};

export type BatchOutcome = {
  results: unknown[];
  errors: BatchError[];
  /** Epoch milliseconds, taken before anything was done. */
  startedAt: number;
  /** The latest history time that the batch made; the end is not before it. */
  lastChangeAt?: number;
};

/** The frame of a batch answer. `success` is the status when nothing failed. */
export function answerBatch(
  crm: CrmContext,
  dialect: Dialect,
  success: 200 | 201,
  outcome: BatchOutcome,
): Answer {
  const { results, errors, startedAt, lastChangeAt = 0 } = outcome;
  const body = {
    status: 'COMPLETE',
    results: crm.behaviour.shuffleResults ? shuffle(results, crm.random) : results,
    ...(errors.length > 0 ? { numErrors: errors.length, errors } : {}),
    startedAt: new Date(startedAt).toISOString(),
    completedAt: new Date(Math.max(crm.now(), lastChangeAt)).toISOString(),
  };
  return { status: errors.length > 0 ? partialStatus(crm, dialect, success) : success, body };
}

function partialStatus(crm: CrmContext, dialect: Dialect, success: number): number {
  if (dialect.partialStatus === 207 || crm.behaviour.datedErrors === '207') return 207;
  return success;
}

/** Never the order of the inputs, if there are two or more. */
function shuffle<T>(list: T[], random: () => number): T[] {
  const shuffled = [...list];
  for (let at = shuffled.length - 1; at > 0; at -= 1) {
    const other = Math.floor(random() * (at + 1));
    [shuffled[at], shuffled[other]] = [shuffled[other] as T, shuffled[at] as T];
  }
  const isUnchanged = shuffled.every((item, at) => item === list[at]);
  return isUnchanged && list.length > 1 ? [...list].reverse() : shuffled;
}
