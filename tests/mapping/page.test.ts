import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { settingsAt } from '../../shared/mapping/file.ts';
import { parseMapping } from '../../shared/mapping/load.ts';
import { packageRoot } from '../../shared/service/package-root.ts';

const page = readFileSync(join(packageRoot, 'docs', 'mapping.md'), 'utf8');
const examples = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, yaml]) => yaml as string);

test.each(examples.map((yaml, i) => [i + 1, yaml] as const))(
  'example %i of docs/mapping.md is a mapping without mistakes',
  (_, yaml) => {
    expect(parseMapping(yaml, 'docs/mapping.md').tables.length).toBeGreaterThan(0);
  },
);

test('docs/mapping.md explains every setting', () => {
  const settings = [
    [],
    ['tables', 0],
    ['tables', 0, 'properties', 'x'],
    ['tables', 0, 'associations', 0],
    ['tables', 0, 'deletes'],
  ].flatMap((path) => settingsAt(path));
  expect(settings.filter((name) => !page.includes(name))).toEqual([]);
});

test('the mistake that docs/mapping.md shows is told just so', () => {
  const [, shown] = /```text\n(.*)\n```/.exec(page) ?? [];
  const yaml = examples[0]?.replace('dealname: name', 'dealname:\n        colum: name') ?? '';
  expect(() => parseMapping(yaml, 'sync.yaml')).toThrow(shown?.replace(/^sync.yaml:\d+:\d+/, ''));
});
