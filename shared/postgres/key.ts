/** A row's key as one text: what `record.key`, logs and marks name it by. */

/** One column: its text. Several: a JSON array, so that no two keys collide. */
export function encodeKey(columns: readonly string[]): string {
  return columns.length === 1 ? (columns[0] as string) : JSON.stringify(columns);
}

/** @param width how many key columns the table has. */
export function decodeKey(key: string, width: number): string[] {
  return width === 1 ? [key] : (JSON.parse(key) as string[]);
}
