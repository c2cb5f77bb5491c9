/**
 * One real Postgres server for the whole run; each test file makes databases of its own in it
 * (see database.ts). TEST_DATABASE_URL points the same tests at another server.
 */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../demo/embedded-postgres.ts';
import { freePort } from './free-port.ts';

declare global {
  var embeddedPostgres: { server: EmbeddedPostgres; folder: string } | undefined;
}

export default async function setup(): Promise<void> {
  if (process.env.TEST_DATABASE_URL) return;
  const folder = await mkdtemp(join(tmpdir(), 'pg-hubspot-sync-test-'));
  const { chmod } = await import('node:fs/promises');
  await chmod(folder, 0o755); // the server runs as another user when the tests run as root
  const server = await startEmbeddedPostgres({
    dataDir: join(folder, 'pg'),
    port: await freePort(),
    settings: {
      fsync: 'off',
      max_connections: '300',
      max_replication_slots: '100',
      max_wal_senders: '100',
    },
  });
  globalThis.embeddedPostgres = { server, folder };
  process.env.TEST_DATABASE_URL = server.url('postgres');
}
