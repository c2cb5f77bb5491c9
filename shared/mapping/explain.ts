/** What zod finds wrong with a mapping file, in words for the person who wrote it. */
import type { z } from 'zod';
import { settingsAt } from './file.ts';
import type { Mistake } from './mistake.ts';
import { nearest } from './nearest.ts';

/** How to write what zod expects. */
const howToWrite: Readonly<Record<string, readonly [what: string, how: string]>> = {
  string: ['a text', 'Put it in quotes'],
  number: ['a number', 'Write it without quotes'],
  boolean: ['true or false', 'Write true or false, without quotes'],
  array: ['a list', 'Write each item on a line of its own that begins with `- `'],
  object: ['a group of settings', 'Write `name: value`, one on a line'],
  record: ['a group of names and values', 'Write `name: value`, one on a line'],
};

/** @param valueAt what the file says at a path. */
export function explain(
  issues: readonly z.core.$ZodIssue[],
  valueAt: (path: readonly PropertyKey[]) => unknown,
): Mistake[] {
  const mistakes = issues.flatMap((issue) => explainOne(issue, [], valueAt));
  // A misspelt name is one mistake, not a foreign setting and a missing one.
  const meant = new Set(mistakes.map(({ meant }) => meant).filter((path) => path !== undefined));
  return mistakes.filter(({ path, missing }) => !(missing && meant.has(path.join('\0'))));
}

interface Explained extends Mistake {
  readonly missing?: boolean;
  /** Path of the setting that was probably meant. */
  readonly meant?: string;
}

function explainOne(
  issue: z.core.$ZodIssue,
  above: readonly PropertyKey[],
  valueAt: (path: readonly PropertyKey[]) => unknown,
): Explained[] {
  const path = [...above, ...issue.path];
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => explainUnknown(path, key));
    case 'invalid_union':
      return explainUnion(issue, path, valueAt);
    case 'invalid_value': {
      const value = valueAt(path);
      const options = issue.values.map(String);
      const likely = typeof value === 'string' ? nearest(value, options) : undefined;
      return [
        {
          path,
          message:
            typeof value === 'string' ? `${value} is not known here` : 'this is not known here',
          remedy: `${likely ? `Did you mean ${likely}? ` : ''}Write one of: ${options.join(', ')}`,
        },
      ];
    }
    case 'invalid_type': {
      const [what, how] = howToWrite[issue.expected] ?? [issue.expected, 'Correct it'];
      if (valueAt(path) === undefined) {
        const name = String(path.at(-1) ?? 'everything');
        return [
          { path, missing: true, message: `\`${name}\` is missing`, remedy: `Add it: ${what}` },
        ];
      }
      return [{ path, message: `${what} is expected here`, remedy: how }];
    }
    case 'too_small':
      if (path.at(-1) !== 'key') return [{ path, message: issue.message, remedy: 'Correct it' }];
      return [{ path, message: 'the key names no column', remedy: 'Write `key: id`' }];
    default:
      return [{ path, message: issue.message, remedy: 'Correct it' }];
  }
}

function explainUnknown(path: readonly PropertyKey[], key: string): Explained {
  const known = settingsAt(path);
  const likely = nearest(key, known);
  return {
    path: [...path, key],
    atKey: true,
    message: `there is no setting \`${key}\` here`,
    remedy: likely ? `Did you mean \`${likely}\`?` : `Known here: ${known.join(', ')}`,
    ...(likely ? { meant: [...path, likely].join('\0') } : {}),
  };
}

/** A property is a column's name or an object, a key one column or several: the form used is looked at. */
function explainUnion(
  issue: Extract<z.core.$ZodIssue, { code: 'invalid_union' }>,
  path: readonly PropertyKey[],
  valueAt: (path: readonly PropertyKey[]) => unknown,
): Explained[] {
  const value = valueAt(path);
  const inside = issue.errors.find((branch) =>
    branch.some((one) => one.path.length > 0 || one.code !== 'invalid_type'),
  );
  const isGroup = typeof value === 'object' && value !== null;
  if (inside && isGroup) return inside.flatMap((one) => explainOne(one, path, valueAt));
  if (path.at(-1) === 'key') {
    return [
      { path, message: 'the key is a column or a list of columns', remedy: 'Write `key: id`' },
    ];
  }
  return [
    {
      path,
      message: 'a property needs its column',
      remedy: 'Write the column’s name, or `{ column: …, type: … }`',
    },
  ];
}
