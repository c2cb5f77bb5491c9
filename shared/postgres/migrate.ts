/** Brings the sync's schema up to date: numbered, forward-only SQL that a DBA can read. */
import { join } from 'node:path';
import { runner } from 'node-pg-migrate';
import { packageRoot } from '../service/package-root.ts';

export interface MigrateOptions {
  readonly databaseUrl: string;
  readonly schema: string;
  /** A line per step, for the log. */
  readonly onLine?: (line: string) => void;
}

/**
 * Applies what is missing; two at the same time are safe, the second waits.
 * @returns the names of the migrations that were applied now.
 */
export async function migrate({ databaseUrl, schema, onLine }: MigrateOptions): Promise<string[]> {
  const line = (text: string) => onLine?.(text);
  const done = await runner({
    databaseUrl,
    dir: join(packageRoot, 'sql', '*.sql'),
    useGlob: true,
    direction: 'up',
    schema,
    createSchema: true,
    migrationsSchema: schema,
    migrationsTable: 'migrations',
    checkOrder: true,
    singleTransaction: true,
    advisoryLockMode: 'wait',
    logger: { debug: () => undefined, info: line, warn: line, error: line },
  } as Parameters<typeof runner>[0]);
  return done.map(({ name }) => name);
}
