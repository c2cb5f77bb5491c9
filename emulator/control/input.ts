// Reads what a control path is given, and says in one sentence what is wrong with it.
import type { z } from 'zod';

/** A request that the control paths refuse. */
export class ControlError extends Error {
  override name = 'ControlError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The input as the schema reads it. Throws {@link ControlError} with status 400. */
export function readInput<S extends z.ZodType>(schema: S, input: unknown): z.output<S> {
  const read = schema.safeParse(input ?? {});
  if (read.success) return read.data;
  const said = read.error.issues.map((issue) => {
    const where = issue.path.join('.');
    return where === '' ? issue.message : `${where}: ${issue.message}`;
  });
  throw new ControlError(400, said.join('; '));
}

/**
 * The body of a control request as JSON, whatever its content type, so that a bare `curl -d` works.
 * Throws {@link ControlError} with status 400.
 */
export function readJson(raw: unknown): unknown {
  const text = Buffer.isBuffer(raw) ? raw.toString().trim() : '';
  if (text === '') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new ControlError(400, `The body isn't JSON: ${(error as Error).message}`);
  }
}
