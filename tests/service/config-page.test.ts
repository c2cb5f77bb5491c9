import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { printConfigPage } from '../../shared/service/config-page.ts';
import { options } from '../../shared/service/options.ts';
import { packageRoot } from '../../shared/service/package-root.ts';

test('docs/config.md is what the table of options prints', async () => {
  // After a change of the table: npm run build && node scripts/print-config.mjs
  expect(await readFile(join(packageRoot, 'docs', 'config.md'), 'utf8')).toBe(printConfigPage());
});

test('every option has an explanation that is a sentence', () => {
  for (const { variable, says } of Object.values(options)) {
    expect(`${variable}: ${says}`).toMatch(/^[A-Z_]+: [A-Z].*\.$/);
  }
});
