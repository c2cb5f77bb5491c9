/**
 * First step inwards: whether a request was signed by HubSpot for this address, just now. Nothing of
 * the body is parsed before this says yes.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

/** HubSpot's page on request validation: an older request is to be rejected. */
export const MAX_AGE_MS = 300_000;

/** How far HubSpot's clock may be ahead of ours. */
export const MAX_AHEAD_MS = 30_000;

export type Verdict =
  | { readonly ok: true }
  | {
      readonly ok: false;
      readonly reason: 'unsigned' | 'timestamp' | 'too-old' | 'from-the-future' | 'signature';
    };

export interface SignedRequest {
  readonly method: string;
  /** `X-HubSpot-Signature-v3`. */
  readonly signature: string | undefined;
  /** `X-HubSpot-Request-Timestamp`: epoch milliseconds as text. */
  readonly timestamp: string | undefined;
  readonly body: Uint8Array;
}

export interface VerifyOptions {
  /**
   * The whole URL that HubSpot calls, with scheme and query: it is what HubSpot signs. Never made
   * from the request, whose host and scheme are a proxy's.
   */
  readonly publicUrl: string;
  /** Two while the secret is rotated. */
  readonly secrets: readonly string[];
}

/** Escapes that HubSpot undoes in the URL before it signs (its page on request validation). */
const UNDONE_ESCAPES = /%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)/gi;

/** The URL as it goes into the signature. */
export function signedUrl(url: string): string {
  return url.replace(UNDONE_ESCAPES, decodeURIComponent);
}

/** What can be refused before the body is read. @param now epoch milliseconds */
export function verifyTime(
  { signature, timestamp }: Pick<SignedRequest, 'signature' | 'timestamp'>,
  now: number,
): Verdict {
  if (!signature || !timestamp) return { ok: false, reason: 'unsigned' };
  if (!/^\d{1,15}$/.test(timestamp)) return { ok: false, reason: 'timestamp' };
  const age = now - Number(timestamp);
  if (age > MAX_AGE_MS) return { ok: false, reason: 'too-old' };
  if (age < -MAX_AHEAD_MS) return { ok: false, reason: 'from-the-future' };
  return { ok: true };
}

/**
 * Version 3: base64(HMAC-SHA256(secret, METHOD + URL + raw body + timestamp)). Every secret is
 * tried, and each comparison takes the same time wherever it differs.
 */
export function verifySignature(request: SignedRequest, options: VerifyOptions): Verdict {
  const given = Buffer.from(request.signature ?? '');
  let matches = false;
  for (const secret of options.secrets) {
    const due = Buffer.from(
      createHmac('sha256', secret)
        .update(request.method + signedUrl(options.publicUrl))
        .update(request.body)
        .update(request.timestamp ?? '')
        .digest('base64'),
    );
    if (due.length === given.length && timingSafeEqual(due, given)) matches = true;
  }
  return matches ? { ok: true } : { ok: false, reason: 'signature' };
}
