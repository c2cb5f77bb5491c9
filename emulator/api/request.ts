// Reading what a request says: body, query, object type, batch inputs. Whatever does not fit is refused as
// HubSpot refuses it.
import type { Request } from 'express';
import type { CrmContext } from '../crm/context.ts';
import type { ObjectType } from '../crm/object-types.ts';
import { Refusal, refuseInvalid } from '../crm/refusal.ts';
import { refuseUnknownType } from '../crm/user.ts';

/** The most inputs of a batch call. */
export const MOST_INPUTS = 100;

/** The most inputs of a batch read with histories. */
export const MOST_INPUTS_WITH_HISTORY = 50;

/** A path parameter. */
export function pathPart(request: Request, name: string): string {
  const value = request.params[name];
  return typeof value === 'string' ? value : '';
}

export function readType(crm: CrmContext, request: Request, name = 'type'): ObjectType {
  const segment = pathPart(request, name);
  const type = crm.types.find(segment);
  if (type === undefined) throw refuseUnknownType(segment);
  return type;
}

/** The body as an object. */
export function readBody(request: Request): Record<string, unknown> {
  const body: unknown = request.body;
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    // As recorded: this one has no category.
    throw new Refusal(400, {
      message: 'Invalid input JSON on line 1, column 1: Cannot deserialize value',
    });
  }
  return body as Record<string, unknown>;
}

/** The inputs of a batch call, at least one and at most `most`. */
export function readInputs(
  body: Record<string, unknown>,
  most: number = MOST_INPUTS,
  tooMany = `The maximum number of inputs supported in a batch request is ${most}`,
): Record<string, unknown>[] {
  const { inputs } = body;
  if (!Array.isArray(inputs) || inputs.length === 0) {
    throw refuseInvalid('Invalid input JSON: inputs must be a list with at least one entry');
  }
  if (inputs.length > most) throw refuseInvalid(tooMany);
  return inputs.map((input: unknown) => {
    if (typeof input !== 'object' || input === null || Array.isArray(input)) {
      throw refuseInvalid('Invalid input JSON: every input must be an object');
    }
    return input as Record<string, unknown>;
  });
}

/** A list of texts in a body; absent is empty. */
export function readTexts(value: unknown, name: string): string[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || !value.every((entry) => typeof entry === 'string')) {
    throw refuseInvalid(`Invalid input JSON: ${name} must be a list of texts`);
  }
  return value;
}

/** A list in the query: `a=1&a=2` and `a=1,2` alike. */
export function queryList(request: Request, name: string): string[] {
  const value = request.query[name];
  const parts = Array.isArray(value) ? value : value === undefined ? [] : [value];
  return parts.flatMap((part) => String(part).split(',')).filter((part) => part !== '');
}

export function queryText(request: Request, name: string): string | undefined {
  const value = request.query[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

export function queryFlag(request: Request, name: string): boolean {
  return request.query[name] === 'true';
}

/** A page size from the query, refused above `most`. */
export function queryLimit(request: Request, preset: number, most: number): number {
  const text = queryText(request, 'limit');
  if (text === undefined) return preset;
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1 || limit > most) {
    throw refuseInvalid(`limit must be a number from 1 to ${most}`);
  }
  return limit;
}
