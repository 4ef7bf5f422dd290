/**
 * Names, queries and headers that clients send by mistake or on purpose. Each is a 422 that names the field; none may be a
 * 500, and none may leave anything behind.
 */

/** For the name of a webhook, an application, a project, a key. */
export const badNames = [
  '',
  'x'.repeat(256),
  '😀'.repeat(256),
  'a\nb',
  'a\tb',
  '\u007f',
  '\u0085',
  'a\u202eb',
  'a\u2066b',
  '\u200f',
  '\u200e',
  '\u061c',
  '\u2028',
  '\u2029',
  '\u202a',
  '\u2069',
  '\u001b[31m',
  '\u0000',
  '\ud800',
  '\udc00a',
]

/** Stored as they are. */
export const oddNames = [
  'x'.repeat(255),
  '😀'.repeat(255),
  '👨‍👩‍👧'.repeat(51),
  'e\u0301\u0327',
  'ﷺ',
  'مرحبا بالعالم',
  'שלום',
  "Robert'); DROP TABLE webhooks;--",
  '" OR ""="',
  '$1::uuid',
  '<script>alert(1)</script>',
  '%00',
  '\\u0000',
  '${7*7}',
  ' a ',
  'null',
  '0',
]

const cursorOf = (text: string): string => Buffer.from(text).toString('base64url')

/** Made by hand and of the right form: each is a place in a list, if only before its beginning or behind its end. */
export const oddCursors = [
  '0',
  '-0',
  '-1',
  '-210866803200000001',
  '-999999999999999999',
  '-9999999999999999999',
  '999999999999999999',
  '9223372036854775807',
  '9223372036854775808',
  '9999999999999999999',
  'infinity',
  '-infinity',
].map((microseconds) => cursorOf(`${microseconds}.019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7`))

/** For the query of a list. */
export const badQueries: { query: string; path: string; message?: RegExp }[] = [
  ...[
    '0',
    '101',
    '-1',
    '1.5',
    '1e1',
    ' 5',
    '5 ',
    'ten',
    '',
    'NaN',
    'Infinity',
    '99999999999999999999',
    '0x10',
    '٣',
  ].map((limit) => ({
    query: `limit=${encodeURIComponent(limit)}`,
    path: 'limit',
  })),
  { query: 'limit=1&limit=2', path: 'limit', message: /once/ },
  { query: 'limt=1', path: 'limt', message: /^unknown query parameter `limt`: did you mean `limit`\?$/ },
  { query: 'offset=1', path: 'offset', message: /^unknown query parameter `offset`$/ },
  { query: '__proto__=1', path: '__proto__' },
  { query: 'toString=1', path: 'toString' },
  { query: 'limit%5B%5D=1', path: 'limit[]' },
  { query: 'limit=1;limit=2', path: 'limit' },
  { query: 'limit=%00', path: 'limit' },
  { query: 'limit=%ff', path: 'limit' },
  { query: '%ff=1', path: '\ufffd' },
  { query: '=1', path: '' },
  { query: Array.from({ length: 1_500 }, (_, index) => `q${index}=1`).join('&'), path: 'q0' },
  ...[
    'x',
    '',
    'bnVsbA',
    cursorOf("1.x' OR 1=1"),
    cursorOf('99999999999999999999.019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7'),
    cursorOf('--infinity.019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7'),
    cursorOf('1e9.019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7'),
    cursorOf('1764000000000000.{019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7}'),
    cursorOf('1764000000000000.019a8c2e7d107c3a9f620b6a54c0e1d7'),
    cursorOf('1764000000000000.019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7\0'),
    'x'.repeat(300),
    'x'.repeat(15_000),
  ].map((cursor) => ({
    query: `cursor=${encodeURIComponent(cursor)}`,
    path: 'cursor',
  })),
]

/** For the list of deliveries. */
export const badDeliveryQueries = [
  'status=lost',
  'status=',
  'status=FAILED',
  'status=failed&status=pending',
  'webhook_id=x',
  'webhook_id=',
  'webhook_id=%00',
  'event_id=%7B019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7%7D',
  'event_id=urn:uuid:019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7',
  "event_id=019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7'--",
  'event_type=*',
  'event_type=',
  'event_type=a%00',
  `event_type=${'a.'.repeat(5_000)}`,
]

/** For the query of a list that takes a period. */
export const badPeriods = [
  'infinity',
  'now',
  'yesterday',
  '2026-02-30T00:00:00Z',
  '2026-11-24',
  '294277-01-01T00:00:00Z',
  '1764000000',
  '0000-01-01T00:00:00Z',
  '2026-11-24T24:00:00Z',
  '2026-11-24T09:30:00%00Z',
  '',
]

/** For the headers of a webhook; what each has as its first error. */
export const badHeaders: { headers: unknown; path: string }[] = [
  ...[
    'Host',
    'Content-Length',
    'content-type',
    'Transfer-Encoding',
    'Connection',
    'Keep-Alive',
    'TE',
    'Trailer',
    'Upgrade',
    'Expect',
    'Accept-Encoding',
    'Cookie',
    'Content-Encoding',
    'Proxy-Authorization',
    'Proxy-Connection',
    'User-Agent',
    'webhook-id',
    'Webhook-Signature',
    'postrider-event',
    'X-Forwarded-For',
    'x-forwarded-host',
    'Forwarded',
    'Via',
    'HTTP2-Settings',
  ].map((name) => ({
    headers: { [name]: 'x' },
    path: `headers.${name}`,
  })),
  ...['', 'a b', 'a:b', 'ä', 'hοst', 'a\nb', 'a\u0001', 'a ', ' a', 'a(', '@'].map((name) => ({
    headers: { [name]: 'x' },
    path: `headers.${name}`,
  })),
  ...['a\r\nb: c', 'a\nb', 'a\rb', 'a\0b', 'a\u0001', 'a\u007f', 'ä', '😀', ' a', 'a ', '\t'].map(
    (value) => ({
      headers: { 'x-a': value },
      path: 'headers.x-a',
    }),
  ),
  { headers: { 'X-A': 'x', 'x-a': 'y' }, path: 'headers.x-a' },
  {
    headers: Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`x-${index}`, 'x'])),
    path: 'headers',
  },
  { headers: { 'x-a': 'x'.repeat(4_096) }, path: 'headers' },
  { headers: { 'x-a': 5 }, path: 'headers.x-a' },
  { headers: { 'x-a': null }, path: 'headers.x-a' },
  { headers: [], path: 'headers' },
  { headers: 'x-a: b', path: 'headers' },
  { headers: null, path: 'headers' },
]
