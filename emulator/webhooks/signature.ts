// Signs a webhook request the way HubSpot does, so that a receiver can check it with its real code.
import { createHash, createHmac } from 'node:crypto';

/** Percent escapes that HubSpot undoes in the URI before it signs; the `?` before the query stays as it is. */
const UNESCAPED = /%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)/gi;

/**
 * `base64(HMAC-SHA256(secret, METHOD + URI + body + timestamp))`; the URI is the full public URL with its
 * query, `timestamp` epoch milliseconds. Source: HubSpot's page on request validation, version 3.
 */
export function signV3(
  secret: string,
  method: string,
  uri: string,
  body: string,
  timestamp: number,
): string {
  const plain = uri.replace(UNESCAPED, (escaped) => decodeURIComponent(escaped));
  return createHmac('sha256', secret)
    .update(`${method}${plain}${body}${timestamp}`)
    .digest('base64');
}

/** `hex(SHA-256(secret + body))`, version 1 of the same page; CRM webhooks carry it beside version 3. */
export function signV1(secret: string, body: string): string {
  return createHash('sha256')
    .update(secret + body)
    .digest('hex');
}

/** All signature headers of one attempt. */
export function signatureHeaders(
  secret: string,
  uri: string,
  body: string,
  timestamp: number,
): Record<string, string> {
  return {
    'X-HubSpot-Signature': signV1(secret, body),
    'X-HubSpot-Signature-Version': 'v1',
    'X-HubSpot-Signature-v3': signV3(secret, 'POST', uri, body, timestamp),
    'X-HubSpot-Request-Timestamp': String(timestamp),
  };
}
