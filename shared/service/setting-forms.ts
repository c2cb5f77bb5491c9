/** Forms of settings that take more than a line to check; each completes "<variable> …" when wrong. */
import { isIP } from 'node:net';
import { z } from 'zod';

/** Least and most of minute, hour, day of the month, month, day of the week (0 and 7: Sunday). */
const cronRanges = [
  [0, 59],
  [0, 23],
  [1, 31],
  [1, 12],
  [0, 7],
] as const;

/** Five cron fields of numbers, or `off`. */
export const cron = z
  .string()
  .transform((value) => value.trim())
  .refine((value) => {
    if (value === 'off') return true;
    const fields = value.split(/\s+/);
    return fields.length === 5 && fields.every((field, i) => isCronField(field, i));
  }, 'must be five cron fields, or off');

/** `*`, `5`, `1-5`, each with a step (`every fifteenth: a star, a slash, 15`), and lists of them. */
function isCronField(field: string, index: number): boolean {
  const [least, most] = cronRanges[index] ?? [0, 0];
  return field.split(',').every((part) => {
    const match = /^(?:\*|(\d+)(?:-(\d+))?)(?:\/(\d+))?$/.exec(part);
    if (!match) return false;
    const [, from, to, step] = match;
    if (step !== undefined && Number(step) === 0) return false;
    const first = Number(from ?? least);
    const last = Number(to ?? from ?? most);
    return least <= first && first <= last && last <= most;
  });
}

/** An IP address or a host's name; whether the name can be looked up shows when it is listened on. */
export const listenHost = z
  .string()
  .refine(
    (value) =>
      isIP(value) !== 0 ||
      /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/i.test(
        value,
      ),
    'must be an IP address or a host’s name',
  );

/** A connection string of Postgres. */
export const databaseUrl = z.string().superRefine((value, context) => {
  const message = databaseUrlMistake(value);
  if (message) context.addIssue({ code: 'custom', message });
});

function databaseUrlMistake(value: string): string | undefined {
  const form = 'must be a URL that starts with postgres:// or postgresql://';
  if (!/^postgres(ql)?:\/\//i.test(value)) return form;
  const port = /^[^/]*\/\/(?:[^/?#]*@)?(?:\[[^\]]*\]|[^/?#:]*):([^/?#]*)/.exec(value)?.[1];
  const isPort = port === undefined || (/^\d+$/.test(port) && +port >= 1 && +port <= 65_535);
  if (!isPort) return 'must name a port from 1 to 65535, or none';
  return URL.canParse(value) ? undefined : form;
}

/** Postgres cuts longer names off in silence; quotes and blanks are mistakes of writing. */
export const publicationName = z
  .string()
  .regex(/^[^\s'"`\\,;]+$/, 'must be a name without blanks, quotes and commas')
  .refine((value) => Buffer.byteLength(value) <= 63, 'must be at most 63 bytes');
