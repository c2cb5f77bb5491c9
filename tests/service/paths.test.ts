import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../shared/service/package-root.ts';

const rooms = ['cdc', 'commands', 'demo', 'docs', 'emulator', 'scripts', 'shared', 'sql', 'status']
  .concat('tests', 'webhook')
  .join('|');

/** The files and folders of the project that a text names, such as docs/config.md or `cdc/`. */
function pathsIn(text: string): string[] {
  const named = new RegExp(
    `(?<![\\w./@-])(?:${rooms})/(?:[\\w-]+/)*(?:[\\w-]+\\.(?:ts|md|sql|mjs))?`,
    'g',
  );
  return text.match(named) ?? [];
}

/** Folders that a page shows as a row of a table: `reconcile/`. */
function foldersIn(page: string): string[] {
  return [...page.matchAll(/^\| `([\w/-]+\/)` \|/gm)].map(([, folder]) => folder as string);
}

const missing = (paths: readonly string[]) =>
  [...new Set(paths)].filter((path) => !existsSync(join(packageRoot, path)));

test('every path that a page names is there', () => {
  const pages = readdirSync(join(packageRoot, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name))
    .concat('README.md', 'CHANGELOG.md');
  for (const page of pages) {
    const text = readFileSync(join(packageRoot, page), 'utf8');
    expect({ page, missing: missing([...pathsIn(text), ...foldersIn(text)]) }).toEqual({
      page,
      missing: [],
    });
  }
});

test('every path that a comment of the code names is there', () => {
  const files = rooms
    .split('|')
    .flatMap((room) =>
      readdirSync(join(packageRoot, room), { recursive: true, encoding: 'utf8' }).map((name) =>
        join(room, name),
      ),
    )
    .filter((name) => name.endsWith('.ts'));
  expect(files.length).toBeGreaterThan(100);
  for (const file of files) {
    const text = readFileSync(join(packageRoot, file), 'utf8');
    const comments = (text.match(/^\s*(?:\/?\*|\/\/).*$/gm) ?? []).join('\n');
    expect({ file, missing: missing(pathsIn(comments)) }).toEqual({ file, missing: [] });
  }
});
