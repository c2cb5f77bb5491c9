// Compiles the rooms to dist/. Compiled beside it first and then put in its place, so that a file
// deleted from the source doesn't live on there, and a process that runs from dist/ isn't disturbed.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
if (!existsSync(tsc)) {
  // An installed package (npm install pg-hubspot-sync) ships dist/ and has no compiler.
  process.exit(0);
}
const dist = join(root, 'dist');
const fresh = join(root, `dist.${process.pid}.new`);
const old = join(root, `dist.${process.pid}.old`);
const args = [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', fresh];
const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
const cli = join(fresh, 'cli.js');
if (existsSync(cli)) {
  chmodSync(cli, 0o755);
  if (existsSync(dist)) renameSync(dist, old);
  renameSync(fresh, dist);
}
for (const folder of [fresh, old]) rmSync(folder, { recursive: true, force: true });
process.exit(status ?? 1);
