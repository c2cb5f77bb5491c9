/**
 * Reads sync.yaml. Every mistake is told with its place in the file, its path and a remedy, all of
 * them at once.
 */
import { readFile } from 'node:fs/promises';
import { isMap, isPair, isScalar, LineCounter, type Node, type Pair, parseDocument } from 'yaml';
import type { z } from 'zod';
import { SyncError } from '../service/errors.ts';
import { compileMapping, type Mistake } from './compile.ts';
import { mappingFile } from './file.ts';
import type { Mapping } from './mapping.ts';

export type { Mapping } from './mapping.ts';

export interface MappingIssue {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly col: number;
  /** `tables.0.properties.amount.type` */
  readonly path: string;
  readonly message: string;
  readonly remedy: string;
}

/** One line per mistake: `sync.yaml:12:7 tables.0.object: … Remedy.` */
export class MappingError extends SyncError {
  override name = 'MappingError';
  readonly issues: readonly MappingIssue[];

  constructor(issues: readonly MappingIssue[]) {
    const lines = issues.map(
      ({ file, line, col, path, message, remedy }) =>
        `${file}:${line}:${col} ${path === '' ? '' : `${path}: `}${message}. ${remedy}`,
    );
    super('MAPPING_INVALID', lines.join('\n'), {
      disposition: 'stop',
      advice: 'Correct the mapping file at the lines named.',
      facts: { file: issues[0]?.file, mistakes: issues.length },
    });
    this.issues = issues;
  }
}

/** @throws MappingError with every mistake. */
export async function loadMapping(file: string): Promise<Mapping> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new MappingError([
      {
        file,
        line: 1,
        col: 1,
        path: '',
        message: `the file can't be read (${(error as NodeJS.ErrnoException).code})`,
        remedy: 'Name another file with MAPPING_FILE, or make this one readable',
      },
    ]);
  }
  return parseMapping(text, file);
}

/** @throws MappingError with every mistake; `file` only names it. */
export function parseMapping(text: string, file: string): Mapping {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const issueAt = (offset: number, path: string, message: string, remedy: string): MappingIssue => {
    const { line, col } = lines.linePos(offset);
    return { file, line: line || 1, col: col || 1, path, message, remedy };
  };
  const broken = [...document.errors].map((error) =>
    issueAt(error.pos[0], '', error.message.split('\n')[0] ?? 'not YAML', 'Correct the YAML'),
  );
  if (broken.length > 0) throw new MappingError(broken);
  const offsetOf = (path: readonly PropertyKey[], wantKey: boolean) =>
    findOffset(document.contents as Node | null, path, wantKey);
  const parsed = mappingFile.safeParse(document.toJS() ?? {});
  if (!parsed.success) {
    const issues = parsed.error.issues.flatMap((issue) => flatten(issue));
    throw new MappingError(
      issues.map(({ path, message, remedy, atKey }) =>
        issueAt(offsetOf(path, atKey), path.join('.'), message, remedy),
      ),
    );
  }
  const { mapping, mistakes } = compileMapping(parsed.data);
  if (mistakes.length > 0) {
    throw new MappingError(
      mistakes.map(({ path, message, remedy }: Mistake) =>
        issueAt(offsetOf(path, false), path.join('.'), message, remedy.replace(/\.$/, '')),
      ),
    );
  }
  return mapping;
}

/** Where a path stands in the text; the deepest part that exists. */
function findOffset(root: Node | null, path: readonly PropertyKey[], wantKey: boolean): number {
  let node: unknown = root;
  let offset = root?.range?.[0] ?? 0;
  for (const [depth, part] of path.entries()) {
    let next: unknown;
    if (isMap(node)) {
      const pair = node.items.find(
        (item): item is Pair =>
          isPair(item) && isScalar(item.key) && String(item.key.value) === String(part),
      );
      const last = depth === path.length - 1;
      const key = pair?.key as Node | undefined;
      if (key?.range) offset = key.range[0];
      next = pair?.value;
      if (last && wantKey) return offset;
    } else {
      next = (node as { items?: unknown[] } | null)?.items?.[Number(part)];
    }
    if (!next) return offset;
    node = next;
    offset = (next as Node).range?.[0] ?? offset;
  }
  return offset;
}

interface FlatIssue {
  readonly path: PropertyKey[];
  readonly message: string;
  readonly remedy: string;
  readonly atKey: boolean;
}

function flatten(issue: z.core.$ZodIssue, above: PropertyKey[] = []): FlatIssue[] {
  const path = [...above, ...issue.path];
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({
        path: [...path, key],
        message: `there is no setting \`${key}\` here`,
        remedy: suggestion(key, path),
        atKey: true,
      }));
    case 'invalid_union': {
      // A property is a column's name or an object: what is wrong is said of the form that was used.
      const branches = issue.errors ?? [];
      const fitting = branches.find((branch) =>
        branch.some((one) => one.path.length > 0 || one.code === 'unrecognized_keys'),
      );
      if (fitting) return fitting.flatMap((one) => flatten(one, path));
      return [
        {
          path,
          message: 'this is neither a name nor an object',
          remedy: 'Write the column’s name',
          atKey: false,
        },
      ];
    }
    case 'invalid_value':
      return [
        {
          path,
          message: 'this value is not known',
          remedy: `Write one of: ${issue.values.join(', ')}`,
          atKey: false,
        },
      ];
    case 'invalid_type': {
      const missing = /received undefined/.test(issue.message);
      return [
        {
          path,
          message: missing
            ? `\`${String(path.at(-1))}\` is missing`
            : `a ${issue.expected} is expected here`,
          remedy: missing ? 'Add it' : `Write a ${issue.expected}`,
          atKey: false,
        },
      ];
    }
    default:
      return [{ path, message: issue.message, remedy: 'Correct it', atKey: false }];
  }
}

const settings = {
  file: ['zone', 'tables'],
  table: [
    'table',
    'object',
    'key',
    'idProperty',
    'id',
    'hubspotIdColumn',
    'properties',
    'associations',
    'deletes',
    'defaults',
    'automation',
  ],
  property: [
    'column',
    'type',
    'as',
    'separator',
    'zone',
    'values',
    'direction',
    'policy',
    'required',
    'personal',
    'sendWith',
  ],
  association: ['column', 'to', 'type'],
  deletes: ['outbound', 'inbound', 'markColumn'],
} as const;

function suggestion(key: string, path: readonly PropertyKey[]): string {
  const known: readonly string[] =
    path.length === 0
      ? settings.file
      : path.at(-1) === 'deletes'
        ? settings.deletes
        : path.at(-2) === 'properties'
          ? settings.property
          : path.at(-2) === 'associations'
            ? settings.association
            : settings.table;
  const near = known
    .map((name) => ({ name, distance: editDistance(key.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0];
  return near && near.distance <= Math.max(2, key.length / 3)
    ? `Did you mean \`${near.name}\`?`
    : `Known here: ${known.join(', ')}`;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next[j] = Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1);
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
