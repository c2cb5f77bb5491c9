/**
 * Errors as the whole project knows them: a stable code, what happened, to which record, what to do,
 * and what the program does about it. Decisions read `disposition`, never a message.
 */

/**
 * What an error leads to:
 * `retry`   the same work again after a pause (nothing is lost, nothing is changed);
 * `split`   a batch that was refused as a whole: halve it until the bad record stands alone;
 * `bury`    this record's work becomes a dead letter, its neighbours go on;
 * `doubt`   the outcome is unknown: read back before anything else is sent for the record;
 * `property` the property leaves the mapping at run time, loudly, and the work is sent once more;
 * `stop`    the process ends: going on could lose or damage something, or the set-up is wrong.
 */
export type Disposition = 'retry' | 'split' | 'bury' | 'doubt' | 'property' | 'stop';

/** A row of an area's table of codes. */
export interface ErrorKind {
  readonly disposition: Disposition;
  /** One sentence for the operator: what to do. */
  readonly advice: string;
}

/** Facts that a decision or a reader needs; names, numbers and ids, never a customer's values. */
export type Facts = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface SyncErrorOptions extends ErrorKind {
  readonly facts?: Facts;
  readonly cause?: unknown;
}

/** The one error type. Areas with facts of their own extend it; `code` says which kind it is. */
export class SyncError extends Error {
  override name = 'SyncError';
  readonly code: string;
  readonly disposition: Disposition;
  readonly advice: string;
  readonly facts: Facts;

  constructor(code: string, message: string, options: SyncErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.disposition = options.disposition;
    this.advice = options.advice;
    this.facts = options.facts ?? {};
  }
}

/**
 * Declares an area's codes once, and answers a function that makes its errors:
 * `const slotError = errorTable({ SLOT_LOST: { disposition: 'stop', advice: '…' } })`, then
 * `throw slotError('SLOT_LOST', 'the slot … is gone', { slot })`.
 */
export function errorTable<const T extends Record<string, ErrorKind>>(
  kinds: T,
): {
  (code: keyof T & string, message: string, facts?: Facts, cause?: unknown): SyncError;
  readonly kinds: T;
} {
  const make = (code: keyof T & string, message: string, facts?: Facts, cause?: unknown) =>
    new SyncError(code, message, {
      ...(kinds[code] as ErrorKind),
      ...(facts ? { facts } : {}),
      cause,
    });
  return Object.assign(make, { kinds });
}

/** Codes of the service itself: settings, start, and what every command may meet. */
export const serviceError = errorTable({
  CONFIG_INVALID: {
    disposition: 'stop',
    advice: 'Correct the variable; docs/config.md explains each one.',
  },
  DATABASE_UNREACHABLE: {
    disposition: 'stop',
    advice: 'Check DATABASE_URL and that the server runs and lets this host in.',
  },
  HUBSPOT_UNREACHABLE: {
    disposition: 'stop',
    advice: 'Check HUBSPOT_BASE_URL and the network of this host.',
  },
  HUBSPOT_TOKEN_REFUSED: {
    disposition: 'stop',
    advice: 'Check HUBSPOT_ACCESS_TOKEN: it may be revoked, mistyped or without the scopes.',
  },
  PORT_IN_USE: {
    disposition: 'stop',
    advice: 'End the program that listens there, or choose another port.',
  },
  LISTEN_REFUSED: {
    disposition: 'stop',
    advice:
      'Correct LISTEN_HOST (127.0.0.1: this host alone, 0.0.0.0: every address), or the port.',
  },
  DATA_DIR_UNUSABLE: {
    disposition: 'stop',
    advice: 'Set DATA_DIR to a folder that this user may make and write.',
  },
  CDC_NOT_RUNNING: {
    disposition: 'stop',
    advice: 'Start `pg-hubspot-sync cdc` (or `start`), which reads them, then run reconcile again.',
  },
  EMBEDDED_POSTGRES: {
    disposition: 'stop',
    advice: 'Read the log beside the data folder, or set DATABASE_URL to a server of yours.',
  },
  NOT_INITIALISED: {
    disposition: 'stop',
    advice: 'Run `pg-hubspot-sync init`.',
  },
  ALREADY_RUNNING: {
    disposition: 'stop',
    advice: 'Stop the other one first, or give this one another DATA_DIR.',
  },
  UNEXPECTED: {
    disposition: 'stop',
    advice: 'This is a bug: please report it with the log of the last minute.',
  },
});

/**
 * Any thrown thing as a SyncError; what wasn't one is a bug and says so.
 * @param role the database's role of this command, for the advice about rights
 */
export function toSyncError(thrown: unknown, role = 'the role of DATABASE_URL'): SyncError {
  if (thrown instanceof SyncError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  if ((thrown as { code?: unknown } | null)?.code === '42501') {
    return permissionDenied(message, role, thrown);
  }
  return serviceError('UNEXPECTED', message, undefined, thrown);
}

/** Postgres' SQLSTATE 42501. Its words name the object: `permission denied for table deals`. */
function permissionDenied(message: string, role: string, cause: unknown): SyncError {
  return new SyncError('PERMISSION_DENIED', `Postgres refuses ${role}: ${message}.`, {
    disposition: 'stop',
    advice: `${grantFor(message, role)} \`pg-hubspot-sync doctor\` lists all that is missing.`,
    facts: { role },
    cause,
  });
}

function grantFor(message: string, role: string): string {
  const denied = /permission denied for (?:(large object|\w+) )?("?[^"]+"?)$/.exec(message);
  const owned = /must be owner of (?:table|relation|view|function|publication|schema) (\S+)/.exec(
    message,
  );
  if (owned) return `Make ${role} its owner: ALTER … ${owned[1]} OWNER TO ${role}.`;
  if (/replication|wal sender/i.test(message)) {
    return `Run \`ALTER ROLE ${role} REPLICATION\` as a superuser.`;
  }
  const [, kind, name] = denied ?? [];
  const rights: Readonly<Record<string, string>> = {
    table: 'SELECT, INSERT, UPDATE, DELETE ON TABLE',
    view: 'SELECT ON TABLE',
    sequence: 'USAGE, SELECT ON SEQUENCE',
    schema: 'USAGE, CREATE ON SCHEMA',
    database: 'CREATE ON DATABASE',
    function: 'EXECUTE ON FUNCTION',
  };
  const right = kind === undefined ? undefined : rights[kind];
  if (right === undefined) return 'Grant it the right as the owner or as a superuser.';
  return `Run \`GRANT ${right} ${name} TO ${role}\` as its owner.`;
}
