/**
 * What clients send by mistake or on purpose. Each entry says what must come of it; none may be a 500.
 */

export interface BadBody {
  title: string
  body: string | Uint8Array
  status: number
  code: string
  /** Of the first error, where there are any. */
  path?: string
  message?: RegExp
  headers?: Record<string, string>
}

const bytes = (...parts: (string | number[])[]): Uint8Array =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))))

const nested = (levels: number, inner = '1'): string => '['.repeat(levels) + inner + ']'.repeat(levels)

const event = (data: string, rest = ''): string => `{"type":"a.b","data":${data}${rest}}`

/** For `POST …/events`. */
export const badEvents: BadBody[] = [
  { title: 'no body', body: '', status: 400, code: 'bad_json' },
  { title: 'white space alone', body: ' \n ', status: 400, code: 'bad_json' },
  { title: 'half a body', body: '{"type":"a.b","data":', status: 400, code: 'bad_json' },
  { title: 'something behind the body', body: `${event('1')} x`, status: 400, code: 'bad_json' },
  { title: 'two bodies', body: event('1') + event('2'), status: 400, code: 'bad_json' },
  { title: 'a comma too many', body: '{"type":"a.b","data":1,}', status: 400, code: 'bad_json' },
  { title: 'a comment', body: '{"type":"a.b","data":1 /* one */}', status: 400, code: 'bad_json' },
  { title: 'single quotes', body: "{'type':'a.b','data':1}", status: 400, code: 'bad_json' },
  { title: 'NaN', body: event('NaN'), status: 400, code: 'bad_json' },
  { title: 'a leading zero', body: event('01'), status: 400, code: 'bad_json' },
  { title: 'a raw line break in a string', body: event('"a\nb"'), status: 400, code: 'bad_json' },
  { title: 'a raw NUL in a string', body: event('"a\0b"'), status: 400, code: 'bad_json' },
  {
    title: 'a byte order mark',
    body: bytes([0xef, 0xbb, 0xbf], event('1')),
    status: 400,
    code: 'bad_json',
    message: /byte order mark/,
  },
  { title: 'UTF-16', body: Buffer.from(event('1'), 'utf16le'), status: 400, code: 'bad_json' },
  {
    title: 'a byte that is no UTF-8',
    body: bytes('{"type":"a.b","data":"', [0xff], '"}'),
    status: 400,
    code: 'bad_json',
  },
  {
    title: 'a surrogate in UTF-8',
    body: bytes('{"type":"a.b","data":"', [0xed, 0xa0, 0x80], '"}'),
    status: 400,
    code: 'bad_json',
  },
  {
    title: 'an overlong slash',
    body: bytes('{"type":"a.b","data":"', [0xc0, 0xaf], '"}'),
    status: 400,
    code: 'bad_json',
  },

  { title: 'an array', body: '[]', status: 422, code: 'validation_failed', path: '' },
  { title: 'null', body: 'null', status: 422, code: 'validation_failed', path: '' },
  { title: 'a string', body: '"a"', status: 422, code: 'validation_failed', path: '' },
  {
    title: 'no type',
    body: '{"data":1}',
    status: 422,
    code: 'validation_failed',
    path: 'type',
    message: /is missing/,
  },
  {
    title: 'no data',
    body: '{"type":"a"}',
    status: 422,
    code: 'validation_failed',
    path: 'data',
    message: /is missing/,
  },
  {
    title: 'an unknown field',
    body: '{"typ":"a","type":"a","data":1}',
    status: 422,
    code: 'validation_failed',
    path: 'typ',
    message: /^unknown field `typ`: did you mean `type`\?$/,
  },
  {
    title: '__proto__',
    body: event('1', ',"__proto__":{"isAdmin":true}'),
    status: 422,
    code: 'validation_failed',
    path: '__proto__',
  },
  {
    title: 'constructor',
    body: event('1', ',"constructor":1'),
    status: 422,
    code: 'validation_failed',
    path: 'constructor',
  },
  {
    title: 'a type of another type',
    body: '{"type":5,"data":1}',
    status: 422,
    code: 'validation_failed',
    path: 'type',
  },
  {
    title: 'an empty type',
    body: '{"type":"","data":1}',
    status: 422,
    code: 'validation_failed',
    path: 'type',
  },
  ...[
    '*',
    'a.*',
    '.a',
    'a.',
    'a..b',
    'a b',
    'ä',
    "a';DROP TABLE webhooks;--",
    'a\\u0000',
    'x'.repeat(256),
  ].map((type) => ({
    title: `the type ${type.slice(0, 30)}`,
    body: `{"type":"${type}","data":1}`,
    status: 422,
    code: 'validation_failed',
    path: 'type',
  })),
  ...[
    '"x"',
    '""',
    '5',
    '"019a8c2e7d107c3a9f620b6a54c0e1d7"',
    '"{019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7}"',
    '"urn:uuid:019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7"',
  ].map((id) => ({
    title: `the id ${id}`,
    body: event('1', `,"id":${id}`),
    status: 422,
    code: 'validation_failed',
    path: 'id',
  })),
  ...[
    '"infinity"',
    '"-infinity"',
    '"now"',
    '"epoch"',
    '"2026-02-30T00:00:00Z"',
    '"2026-11-24"',
    '"2026-11-24T09:30:00"',
    '"294277-01-01T00:00:00Z"',
    '"+12026-11-24T09:30:00Z"',
    '"0000-01-01T00:00:00Z"',
    '"2026-11-24T24:00:00Z"',
    '"2026-11-24T09:30:60Z"',
    '1764000000',
    '"2026-11-24T09:30:00+99:00"',
    '"2026-11-24T09:30:00Z[Europe/Paris]"',
  ].map((time) => ({
    title: `the timestamp ${time}`,
    body: event('1', `,"timestamp":${time}`),
    status: 422,
    code: 'validation_failed',
    path: 'timestamp',
  })),
  {
    title: 'an application that does not exist',
    body: event('1', ',"application_id":"019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7"'),
    status: 422,
    code: 'validation_failed',
    path: 'application_id',
  },
  {
    title: 'a control character in the environment',
    body: event('1', ',"environment_name":"a\\nb"'),
    status: 422,
    code: 'validation_failed',
    path: 'environment_name',
  },

  {
    title: '\\u0000 in data',
    body: event('{"a":["x\\u0000"]}'),
    status: 422,
    code: 'validation_failed',
    path: 'data.a[0]',
    message: /\\u0000/,
  },
  { title: '\\u0000 in a key', body: event('{"a\\u0000":1}'), status: 422, code: 'validation_failed' },
  {
    title: 'half of a pair in data',
    body: event('"\\ud83d"'),
    status: 422,
    code: 'validation_failed',
    path: 'data',
    message: /surrogate/,
  },
  {
    title: 'the other half of a pair',
    body: event('["\\uDE00"]'),
    status: 422,
    code: 'validation_failed',
    path: 'data[0]',
  },
  {
    title: 'a pair the wrong way round',
    body: event('"\\ude00\\ud83d"'),
    status: 422,
    code: 'validation_failed',
    path: 'data',
  },
  {
    title: 'half of a pair in a member that a later one hides',
    body: '{"type":"a","data":"\\ud83d","data":1}',
    status: 422,
    code: 'validation_failed',
  },
  {
    title: '\\u0000 in a member that a later one hides',
    body: '{"type":"a","data":"\\u0000","data":1}',
    status: 422,
    code: 'validation_failed',
  },

  {
    title: 'data of 65 levels',
    body: event(nested(65)),
    status: 422,
    code: 'validation_failed',
    path: 'data',
    message: /64 levels/,
  },
  {
    title: 'data of 100,000 levels',
    body: event(nested(100_000)),
    status: 422,
    code: 'validation_failed',
    path: 'data',
  },
  {
    title: 'depth in a member that a later one hides',
    body: `{"type":"a","data":${nested(60_000)},"data":1}`,
    status: 422,
    code: 'validation_failed',
  },
  {
    title: 'depth in an unknown field',
    body: event('1', `,"more":${nested(50_000)}`),
    status: 422,
    code: 'validation_failed',
  },

  {
    title: 'a number of 1,001 digits',
    body: event('1'.repeat(1_001)),
    status: 422,
    code: 'validation_failed',
    path: 'data',
    message: /1,000 digits/,
  },
  {
    title: 'a number of 1,001 digits behind the point',
    body: event(`{"n":0.${'1'.repeat(1_000)}}`),
    status: 422,
    code: 'validation_failed',
    path: 'data',
  },
  {
    title: 'a number that is 1,001 digits written out',
    body: event('[0,1e1000]'),
    status: 422,
    code: 'validation_failed',
    path: 'data[1]',
  },
  {
    title: 'a small number of 1,001 digits',
    body: event('1e-1000'),
    status: 422,
    code: 'validation_failed',
    path: 'data',
  },
  {
    title: 'digits and an exponent below a thousand',
    body: event('12345e999'),
    status: 422,
    code: 'validation_failed',
    path: 'data',
  },
  {
    title: 'the greatest number that PostgreSQL could write out',
    body: event('1e131071'),
    status: 422,
    code: 'validation_failed',
    path: 'data',
  },
  { title: 'one beyond it', body: event('1E+131072'), status: 422, code: 'validation_failed', path: 'data' },
  {
    title: 'an exponent of a hundred digits',
    body: event(`1e${'9'.repeat(100)}`),
    status: 422,
    code: 'validation_failed',
    path: 'data',
  },
  {
    title: 'a small one of a hundred digits',
    body: event(`1e-${'9'.repeat(100)}`),
    status: 422,
    code: 'validation_failed',
    path: 'data',
  },
  {
    title: 'an exponent with zeros in front',
    body: event('1e0000001000'),
    status: 422,
    code: 'validation_failed',
    path: 'data',
  },
  {
    title: 'a long number in a member that a later one hides',
    body: '{"type":"a","data":1e131071,"data":1}',
    status: 422,
    code: 'validation_failed',
  },

  {
    title: 'data over 256 KiB',
    body: event(`"${'x'.repeat(262_143)}"`),
    status: 413,
    code: 'too_large',
    path: 'data',
  },
  {
    title: 'data over 256 KiB by white space',
    body: event(`[${' '.repeat(262_143)}]`),
    status: 413,
    code: 'too_large',
    path: 'data',
  },
  {
    title: 'data over 256 KiB in bytes, not in characters',
    body: event(`"${'ä'.repeat(131_072)}"`),
    status: 413,
    code: 'too_large',
    path: 'data',
  },
  { title: 'a body over the limit', body: event(`"${'x'.repeat(300_000)}"`), status: 413, code: 'too_large' },

  {
    title: 'a form',
    body: 'type=a&data=1',
    status: 415,
    code: 'unsupported_media_type',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  },
  {
    title: 'text/plain',
    body: event('1'),
    status: 415,
    code: 'unsupported_media_type',
    headers: { 'content-type': 'text/plain' },
  },
  {
    title: 'a type that only begins like JSON',
    body: event('1'),
    status: 415,
    code: 'unsupported_media_type',
    headers: { 'content-type': 'application/jsonp' },
  },
  {
    title: 'another charset',
    body: event('1'),
    status: 415,
    code: 'unsupported_media_type',
    headers: { 'content-type': 'application/json; charset=latin1' },
  },
  {
    title: 'a compressed body',
    body: event('1'),
    status: 415,
    code: 'unsupported_media_type',
    headers: { 'content-encoding': 'gzip' },
  },
  {
    title: 'an id and an Idempotency-Key',
    body: event('1', ',"id":"019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7"'),
    status: 422,
    code: 'validation_failed',
    path: 'id',
    headers: { 'idempotency-key': 'k' },
  },
  {
    title: 'an empty Idempotency-Key',
    body: event('1'),
    status: 422,
    code: 'validation_failed',
    path: 'Idempotency-Key',
    headers: { 'idempotency-key': '' },
  },
  {
    title: 'an Idempotency-Key of 256 characters',
    body: event('1'),
    status: 422,
    code: 'validation_failed',
    path: 'Idempotency-Key',
    headers: { 'idempotency-key': 'k'.repeat(256) },
  },
]

/** For `POST …/events`: odd, and right. */
export const oddEvents: { title: string; body: string; headers?: Record<string, string> }[] = [
  { title: 'data of null', body: event('null') },
  { title: 'data of false', body: event('false') },
  { title: 'data of 64 levels', body: event(nested(64)) },
  { title: 'data of 64 levels of objects', body: event('{"a":'.repeat(64) + '1' + '}'.repeat(64)) },
  { title: 'a number of 1,000 digits', body: event('1'.repeat(1_000)) },
  { title: 'a number that is 1,000 digits written out', body: event('1e999') },
  { title: 'zero with a great exponent', body: event('0e5000') },
  {
    title: 'what looks like a long number in a string',
    body: event(`{"n":"1e131071 ${'1'.repeat(1_100)}"}`),
  },
  { title: 'an escape of an escape', body: event('"\\\\u0000 \\\\ud83d"') },
  { title: 'a pair of surrogates', body: event('"\\ud83d\\ude00"') },
  { title: 'data of exactly 256 KiB', body: event(`"${'x'.repeat(262_142)}"`) },
  {
    title: 'null where a field may be left out',
    body: event('1', ',"id":null,"timestamp":null,"application_id":null,"environment_name":null'),
  },
  {
    title: 'null for the id and an Idempotency-Key',
    body: event('1', ',"id":null'),
    headers: { 'idempotency-key': 'odd' },
  },
  { title: 'a type of 255 characters', body: `{"type":"${'x'.repeat(255)}","data":1}` },
  { title: 'white space around', body: ` \n ${event('1')} \n ` },
  { title: '__proto__ in data', body: event('{"__proto__":{"isAdmin":true},"constructor":{"prototype":1}}') },
  { title: 'a field written with an escape', body: '{"\\u0074ype":"a","data":1}' },
  {
    title: 'a charset that is UTF-8',
    body: event('1'),
    headers: { 'content-type': 'Application/JSON; charset=UTF-8' },
  },
  {
    title: 'a time with an offset and nanoseconds',
    body: event('1', ',"timestamp":"2026-11-24t09:30:00.123456789-08:00"'),
  },
]

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
  '\u0000',
  '\ud800',
]

/** Stored as they are. */
export const oddNames = [
  'x'.repeat(255),
  '😀'.repeat(255),
  '👨‍👩‍👧',
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
  ...[
    'x',
    '',
    'bnVsbA',
    Buffer.from("1.x' OR 1=1").toString('base64url'),
    Buffer.from('99999999999999999999.019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7').toString('base64url'),
    'x'.repeat(300),
  ].map((cursor) => ({
    query: `cursor=${encodeURIComponent(cursor)}`,
    path: 'cursor',
  })),
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
    'Proxy-Authorization',
    'User-Agent',
    'webhook-id',
    'Webhook-Signature',
    'postrider-event',
    'X-Forwarded-For',
  ].map((name) => ({
    headers: { [name]: 'x' },
    path: `headers.${name}`,
  })),
  ...['', 'a b', 'a:b', 'ä', 'a\nb', 'a\u0001'].map((name) => ({
    headers: { [name]: 'x' },
    path: `headers.${name}`,
  })),
  ...['a\r\nb: c', 'a\nb', 'a\u007f', 'ä', '😀'].map((value) => ({
    headers: { 'x-a': value },
    path: 'headers.x-a',
  })),
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
