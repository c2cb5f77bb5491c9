import { createHmac } from 'node:crypto';
import { MAX_AGE_MS, MAX_AHEAD_MS, verifySignature, verifyTime } from '../../webhook/verify.ts';

const secret = 'yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy';
const publicUrl = 'https://www.example.com/webhook_uri';
const body = Buffer.from("{'example_field':'example_value'}");
const published = [
  ['1693657560000', 'K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y='],
  ['1700000300000', 'RnbPH7+UMKVkbV32P8bz450N4M56aPmcru1+D3kSDtw='],
] as const;

const request = { method: 'POST', timestamp: published[0][0], signature: published[0][1], body };

test.each(published)('the published signature of %s holds', (timestamp, signature) => {
  const signed = { ...request, timestamp, signature };
  expect(verifySignature(signed, { publicUrl, secrets: [secret] })).toEqual({ ok: true });
});

test.each([
  ['another body', { body: Buffer.from("{'example_field':'example_value '}") }],
  ['another time', { timestamp: '1693657560001' }],
  ['another method', { method: 'PUT' }],
  ['a cut signature', { signature: published[0][1].slice(0, -1) }],
  ['a signature of the right length', { signature: `L${published[0][1].slice(1)}` }],
  ['an empty signature', { signature: '' }],
  ['no signature', { signature: undefined }],
])('%s does not verify', (_, change) => {
  expect(verifySignature({ ...request, ...change }, { publicUrl, secrets: [secret] })).toEqual({
    ok: false,
    reason: 'signature',
  });
});

test('the URL is signed as HubSpot calls it, so another one does not verify', () => {
  const options = { publicUrl: 'http://www.example.com/webhook_uri', secrets: [secret] };
  expect(verifySignature(request, options).ok).toBe(false);
});

test('while the secret is rotated each of two verifies, and no third', () => {
  for (const secrets of [
    [secret, 'new'],
    ['new', secret],
  ]) {
    expect(verifySignature(request, { publicUrl, secrets }).ok).toBe(true);
  }
  expect(verifySignature(request, { publicUrl, secrets: ['new', 'newer'] }).ok).toBe(false);
  expect(verifySignature(request, { publicUrl, secrets: [] }).ok).toBe(false);
});

test('exactly the escapes that HubSpot undoes are undone in the URL', () => {
  const given = 'https://x.org/a%3Ab%2fc%3F%40%21%24%27%28%29%2A%2C%3B?d=%20%26%3D%C3%A9';
  const signed = `https://x.org/a:b/c?@!$'()*,;?d=%20%26%3D%C3%A9`;
  const signature = createHmac('sha256', secret)
    .update(`POST${signed}${body}${request.timestamp}`)
    .digest('base64');
  const options = { publicUrl: given, secrets: [secret] };
  expect(verifySignature({ ...request, signature }, options)).toEqual({ ok: true });
});

test('a body that is no text is compared byte by byte', () => {
  const bytes = Buffer.from([0xff, 0x00, 0xc3]);
  const sign = (content: Uint8Array) =>
    createHmac('sha256', secret)
      .update(`POST${publicUrl}`)
      .update(content)
      .update(request.timestamp)
      .digest('base64');
  const options = { publicUrl, secrets: [secret] };
  expect(verifySignature({ ...request, body: bytes, signature: sign(bytes) }, options).ok).toBe(
    true,
  );
  const other = Buffer.from([0xfe, 0x00, 0xc3]);
  expect(verifySignature({ ...request, body: other, signature: sign(bytes) }, options).ok).toBe(
    false,
  );
});

test('a timestamp is taken for five minutes and a little ahead, and no longer', () => {
  const now = 1_700_000_000_000;
  const at = (ms: number | string) => verifyTime({ signature: 'x', timestamp: String(ms) }, now);
  expect(at(now - MAX_AGE_MS)).toEqual({ ok: true });
  expect(at(now - MAX_AGE_MS - 1)).toEqual({ ok: false, reason: 'too-old' });
  expect(at(now + MAX_AHEAD_MS)).toEqual({ ok: true });
  expect(at(now + MAX_AHEAD_MS + 1)).toEqual({ ok: false, reason: 'from-the-future' });
  for (const odd of ['NaN', '1e12', '-1', '0x10', `${now}.5`, ` ${now}`]) {
    expect(at(odd)).toEqual({ ok: false, reason: 'timestamp' });
  }
  expect(at('')).toEqual({ ok: false, reason: 'unsigned' });
  expect(verifyTime({ signature: undefined, timestamp: String(now) }, now).ok).toBe(false);
});
