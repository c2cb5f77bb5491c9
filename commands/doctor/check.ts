/** One precondition that `doctor` looked at. */
export interface Finding {
  /** `postgres.wal_level`, `hubspot.deals.trs_id`: stable, for scripts. */
  readonly id: string;
  /** `warning`: it works, but an operator should know. */
  readonly level: 'ok' | 'warning' | 'error';
  /** What was found, in a sentence without anybody's values. */
  readonly message: string;
  /** What to do; empty when all is well. */
  readonly advice: string;
  /** Mended just now by `--fix`. */
  readonly fixed?: true;
}

export function ok(id: string, message: string): Finding {
  return { id, level: 'ok', message, advice: '' };
}

export function warning(id: string, message: string, advice: string): Finding {
  return { id, level: 'warning', message, advice };
}

export function error(id: string, message: string, advice: string): Finding {
  return { id, level: 'error', message, advice };
}
