/**
 * The marks that travel in the WAL, where the two walks meet: `webhook` and `judge` write them,
 * `consume` reads them. A transactional message has its place among the row changes, and any role
 * may emit one, so each is signed over its transaction and its content.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { Client, Queryable } from './pool.ts';
import type { Tables } from './schema.ts';

export const MARK_PREFIX = 'pg-hubspot-sync';

const text = z.string().nullable();

/** HubSpot has spoken: what was decided for these rows, never a row that was rolled back. */
const inboundRow = z.object({
  object: z.string(),
  key: z.string(),
  kind: z.enum(['insert', 'update', 'delete']),
  hubspotId: z.string().optional(),
  /** By property: canonical HubSpot value, the column's text as cast, history time in ms. */
  values: z.record(z.string(), z.object({ value: z.string(), text, time: z.number() })),
});

/**
 * A row as SQL read it under its lock, by column; null: there is no such row.
 * `compare` asks for a comparison; `link` only sets the last consumed image (first linking);
 * `complete` fills in columns that the stream could not carry (unchanged TOAST of an unknown row).
 */
const rowImage = z.object({
  object: z.string(),
  key: z.string(),
  row: z.record(z.string(), text).nullable(),
});

const markSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('inbound'), rows: z.array(inboundRow) }),
  z.object({ kind: z.literal('compare'), rows: z.array(rowImage) }),
  z.object({ kind: z.literal('link'), rows: z.array(rowImage) }),
  z.object({ kind: z.literal('complete'), rows: z.array(rowImage) }),
  z.object({ kind: z.literal('heartbeat') }),
]);

export type Mark = z.infer<typeof markSchema>;
export type InboundRow = z.infer<typeof inboundRow>;
export type RowImage = z.infer<typeof rowImage>;

const SECRET_NAME = 'mark';

/** Makes the signing key where none is stored yet, and answers it. Run by `init`. */
export async function ensureMarkSecret(client: Queryable, tables: Tables): Promise<Buffer> {
  await client.query(
    `insert into ${tables.secret} (name, value) values ($1, $2) on conflict (name) do nothing`,
    [SECRET_NAME, randomBytes(32)],
  );
  return readMarkSecret(client, tables);
}

/** @throws when `init` has not run. */
export async function readMarkSecret(client: Queryable, tables: Tables): Promise<Buffer> {
  const { rows } = await client.query(`select value from ${tables.secret} where name = $1`, [
    SECRET_NAME,
  ]);
  if (!rows[0]) throw new Error('no key for marks is stored: run `pg-hubspot-sync init`');
  return rows[0].value as Buffer;
}

/** pgoutput announces 32 bits of the transaction id; so many are signed. */
function sign(secret: Buffer, xid: number, content: string): string {
  return createHmac('sha256', secret).update(`${xid}\n`).update(content).digest('base64');
}

/** ASCII only: a message is in the server's encoding, and the decoder reads bytes. */
function toAscii(json: string): string {
  return json.replace(
    /[\u007f-\uffff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/**
 * Emits a mark inside the caller's transaction. The rows it names must be locked already: only then
 * does its place in the WAL order it against every local change of those rows.
 * @returns the mark's LSN as the server prints it.
 */
export async function emitMark(client: Client, secret: Buffer, mark: Mark): Promise<string> {
  const { rows: ids } = await client.query('select pg_current_xact_id()::text as xid');
  const xid = Number(BigInt(ids[0].xid) & 0xffffffffn);
  const content = toAscii(JSON.stringify(mark));
  const { rows } = await client.query(
    'select pg_logical_emit_message(true, $1, $2::text)::text as lsn',
    [MARK_PREFIX, `${sign(secret, xid, content)}.${content}`],
  );
  return rows[0].lsn;
}

/**
 * Reads a message of our prefix. Undefined when it isn't signed for this transaction (anybody may
 * emit one) or isn't of a known shape: the caller ignores it and says so in the log.
 */
export function readMark(secret: Buffer, xid: number, content: Uint8Array): Mark | undefined {
  const message = Buffer.from(content).toString('utf8');
  const dot = message.indexOf('.');
  if (dot < 0) return undefined;
  const body = message.slice(dot + 1);
  const given = Buffer.from(message.slice(0, dot));
  const due = Buffer.from(sign(secret, xid >>> 0, body));
  if (given.length !== due.length || !timingSafeEqual(given, due)) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return undefined;
  }
  const parsed = markSchema.safeParse(json);
  return parsed.success ? parsed.data : undefined;
}
