/**
 * Log sequence numbers: byte positions in the WAL. Held as bigint and compared as such; as text
 * `0/9FFFFFF` would sort behind `0/10000000`, and libraries pad them differently.
 */

export type Lsn = bigint;

/** Parses `16/B374D848`. @throws RangeError on anything else. */
export function parseLsn(text: string): Lsn {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  if (!match) throw new RangeError(`not an LSN: ${JSON.stringify(text)}`);
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`);
}

/** As the server prints it: upper case, no padding. */
export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffffffffn).toString(16)}`.toUpperCase();
}
