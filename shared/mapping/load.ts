/**
 * Reads sync.yaml. Every mistake is told with its place in the file, its path and a remedy, all of
 * them at once.
 */
import { readFile } from 'node:fs/promises';
import {
  type Document,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseDocument,
  visit,
  type YAMLMap,
} from 'yaml';
import { SyncError } from '../service/errors.ts';
import { compileMapping } from './compile.ts';
import { explain } from './explain.ts';
import { mappingFile } from './file.ts';
import type { Mapping } from './mapping.ts';
import type { Mistake } from './mistake.ts';

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
        `${file}:${line}:${col} ${path === '' ? '' : `${path}: `}${message}. ${remedy}${/[.?!]$/.test(remedy) ? '' : '.'}`,
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
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, merge: true });
  const tell = (mistakes: readonly (Mistake & { readonly offset: number })[]): never => {
    const issues = mistakes.map(({ path, message, remedy, offset }): MappingIssue => {
      const { line, col } = lines.linePos(offset);
      return { file, line: line || 1, col: col || 1, path: path.join('.'), message, remedy };
    });
    throw new MappingError(issues.sort((a, b) => a.line - b.line || a.col - b.col));
  };
  const place = (mistake: Mistake) => ({ ...mistake, offset: offsetOf(document, mistake) });
  if (document.errors.length > 0) {
    tell(
      document.errors.map((error) => ({
        path: [],
        message: explainYaml(error.code, error.message),
        remedy: 'Correct the YAML',
        offset: error.pos[0],
      })),
    );
  }
  const unknown: (Mistake & { readonly offset: number })[] = [];
  visit(document, {
    Alias(_, node) {
      if (node.resolve(document) !== undefined) return;
      unknown.push({
        path: [],
        message: `there is no anchor &${node.source} before this`,
        remedy: `Write \`&${node.source}\` where what is meant stands, or put a text that begins with * in quotes`,
        offset: node.range?.[0] ?? 0,
      });
    },
  });
  if (unknown.length > 0) tell(unknown);
  takeTextsAsWritten(document);
  let plain: unknown;
  try {
    plain = document.toJS() ?? {};
  } catch (error) {
    const message = (error as Error).message;
    return tell([{ path: [], message, remedy: 'Write it without aliases', offset: 0 }]);
  }
  const parsed = mappingFile.safeParse(plain);
  if (!parsed.success) {
    const valueAt = (path: readonly PropertyKey[]) =>
      path.reduce((part, name) => (part as Record<PropertyKey, unknown> | null)?.[name], plain);
    return tell(explain(parsed.error.issues, valueAt).map(place));
  }
  const { mapping, mistakes } = compileMapping(parsed.data);
  if (mistakes.length > 0) return tell(mistakes.map(place));
  return mapping;
}

/** The parser's own words end in the position, which is told already, and in calls of its API. */
function explainYaml(code: string, message: string): string {
  if (code === 'MULTIPLE_DOCS') return 'the file holds several documents (`---`)';
  if (code === 'DUPLICATE_KEY') return 'this name stands here twice';
  return (message.split('\n')[0] ?? '').replace(/ at line \d+, column \d+:?$/, '');
}

/**
 * Ids of options look like numbers or booleans (`66894120`, `007`, `true`), and are texts: what stands
 * in a map of texts is taken as it is written, quoted or not.
 */
function takeTextsAsWritten(document: Document): void {
  const tables = document.getIn(['tables'], true);
  for (const table of isSeq(tables) ? tables.items : []) {
    if (!isMap(table)) continue;
    takeMapAsWritten(table, 'defaults');
    const properties = table.get('properties', true);
    for (const { value } of isMap(properties) ? properties.items : []) {
      if (!isMap(value)) continue;
      takeMapAsWritten(value, 'values');
      takeMapAsWritten(value, 'sendWith');
    }
  }
}

function takeMapAsWritten(parent: YAMLMap, name: string): void {
  const texts = parent.get(name, true);
  for (const { value } of isMap(texts) ? texts.items : []) {
    if (!isScalar(value) || value.source === undefined) continue;
    if (typeof value.value === 'number' || typeof value.value === 'boolean') {
      value.value = value.source;
    }
  }
}

/** Where a mistake stands in the text: at the deepest part of its path that exists. */
function offsetOf(document: Document, { path, atKey }: Mistake): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const [depth, part] of path.entries()) {
    if (isMap(node)) {
      const pair: Pair | undefined = node.items.find(
        ({ key }) => isScalar(key) && String(key.value) === String(part),
      );
      if (pair === undefined) return offset;
      offset = startOf(pair.key) ?? offset;
      if (atKey && depth === path.length - 1) return offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(part)];
    }
    offset = startOf(node) ?? offset;
  }
  return offset;
}

function startOf(node: unknown): number | undefined {
  return (node as { range?: [number, number, number] | null } | null | undefined)?.range?.[0];
}
