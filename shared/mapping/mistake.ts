/** A mistake in the mapping file, before it is known where in the text it stands. */

export interface Mistake {
  /** From the file's top: `['tables', 0, 'object']`. */
  readonly path: readonly PropertyKey[];
  /** It is the name at the path's end that is wrong, not what stands behind it. */
  readonly atKey?: boolean;
  /** Without a full stop. */
  readonly message: string;
  /** What to do, without a full stop. */
  readonly remedy: string;
}

export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
