// Writes sync.schema.json, the mapping file's schema for editors, from the one that reads the file.
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const { mappingJsonSchema } = await import(join(root, 'dist', 'shared', 'mapping', 'file.js'));
writeFileSync(join(root, 'sync.schema.json'), `${JSON.stringify(mappingJsonSchema(), null, 2)}\n`);
