/** The sync's own tables, qualified and quoted, so that no query depends on a search_path. */

export interface Tables {
  readonly schema: string;
  readonly checkpoint: string;
  readonly record: string;
  readonly outbox: string;
  readonly hubspotId: string;
  readonly inbox: string;
  readonly deadLetter: string;
  readonly conflict: string;
  readonly syncLog: string;
  readonly control: string;
  readonly lease: string;
  readonly job: string;
  readonly secret: string;
}

/** Quotes an SQL identifier. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function tablesOf(schema: string): Tables {
  const of = (name: string) => `${quoteIdentifier(schema)}.${name}`;
  return {
    schema,
    checkpoint: of('checkpoint'),
    record: of('record'),
    outbox: of('outbox'),
    hubspotId: of('hubspot_id'),
    inbox: of('inbox'),
    deadLetter: of('dead_letter'),
    conflict: of('conflict'),
    syncLog: of('sync_log'),
    control: of('control'),
    lease: of('lease'),
    job: of('job'),
    secret: of('secret'),
  };
}
