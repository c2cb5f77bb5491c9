// Writes docs/config.md from the table of options; run it after `npm run build`.
import { writeFileSync } from 'node:fs';
import { printConfigPage } from '../dist/shared/service/config-page.js';

writeFileSync(new URL('../docs/config.md', import.meta.url), printConfigPage());
