/**
 * Requests as they go over the wire, right at the edge of HTTP and beyond it: what answers come back on the connection, in
 * order. `{events}` stands for the path of a project's events, `{key}` for a key that may publish.
 */

export interface RawRequest {
  title: string
  /** One character for each byte. */
  request: string
  statuses: number[]
}

const event = '{"type":"a","data":1}'

function request(line: string, headers: string[], body = ''): string {
  return [line, ...headers, '', body].join('\r\n')
}
const get = (path: string, ...headers: string[]): string =>
  request(`GET ${path} HTTP/1.1`, ['host: a', 'connection: close', ...headers])
const post = (headers: string[], body: string): string =>
  request(
    'POST {events} HTTP/1.1',
    ['host: a', 'authorization: Bearer {key}', 'content-type: application/json', ...headers],
    body,
  )
const closing = (headers: string[], body: string): string => post(['connection: close', ...headers], body)
const chunked = (body: string, encoding = 'chunked'): string =>
  closing([`transfer-encoding: ${encoding}`], body)
const announced = (length: string): string => closing([`content-length: ${length}`], event)
const lengthOf = (text: string): string => `content-length: ${text.length}`

function answered(statuses: number[], requests: Record<string, string>): RawRequest[] {
  return Object.entries(requests).map(([title, text]) => ({ title, request: text, statuses }))
}

const methods: RawRequest[] = [
  ...answered([405], {
    PUT: request('PUT {events} HTTP/1.1', ['host: a', 'connection: close']),
    OPTIONS: request('OPTIONS {events} HTTP/1.1', ['host: a', 'connection: close']),
    TRACE: request('TRACE /healthz HTTP/1.1', ['host: a', 'connection: close']),
    'DELETE of a list': request('DELETE {events} HTTP/1.1', ['host: a', 'connection: close']),
  }),
  ...answered([400], {
    'a method that is none': request('FOO / HTTP/1.1', ['host: a', 'connection: close']),
    'a method in lower case': request('get /healthz HTTP/1.1', ['host: a', 'connection: close']),
    'OPTIONS *': request('OPTIONS * HTTP/1.1', ['host: a', 'connection: close']),
    'HTTP/2 without asking': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'HTTP/3': request('GET /healthz HTTP/3.0', ['host: a', 'connection: close']),
    TLS: '\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03',
  }),
  // There is nothing to tunnel to: the connection is closed without a word.
  ...answered([], { CONNECT: request('CONNECT example.com:443 HTTP/1.1', ['host: a']) }),
  ...answered([200], {
    'HTTP/1.0 without a Host': 'GET /healthz HTTP/1.0\r\n\r\n',
    'line breaks before the request': `\r\n\r\n${get('/healthz')}`,
    'the whole URL of another host': get('http://evil.example/healthz'),
  }),
]

const paths: RawRequest[] = [
  ...answered([200], {
    'a path that climbs': get('/api/projects/../../healthz'),
    'a path that climbs, encoded': get('/api/%2e%2e/healthz'),
    'a fragment': get('/healthz#fragment'),
  }),
  ...answered([404], {
    'two slashes': get('//evil.example/healthz'),
    'an encoded slash': get('/api%2Fprojects', 'authorization: Bearer {key}'),
    'an encoded slash in an id': get('{events}%2F..', 'authorization: Bearer {key}'),
    'an encoded NUL': get('{events}/%00', 'authorization: Bearer {key}'),
    'half an encoding': get('{events}/%', 'authorization: Bearer {key}'),
    'an encoding that is no UTF-8': get('{events}/%ff%fe', 'authorization: Bearer {key}'),
    'a path of 15,000 characters': get(`/${'a'.repeat(15_000)}`),
  }),
  ...answered([400], {
    'a backslash': get('\\healthz'),
    'a space': get('/a b'),
    'a tab': get('/a\tb'),
    'a NUL': get('/\0'),
    'bytes over 127': get('/\xc3\xa4'),
    'the URL of another scheme': get('ftp://evil.example/healthz'),
    'a URL that is none': get('http://[::1/'),
  }),
  ...answered([431], { 'a path of 20,000 characters': get(`/${'a'.repeat(20_000)}`) }),
]

const headers: RawRequest[] = [
  ...answered([400], {
    'no Host': request('GET /healthz HTTP/1.1', ['connection: close']),
    'a Host with a path': request('GET /healthz HTTP/1.1', ['host: a/../b?c#d', 'connection: close']),
    'a Host with a user': request('GET /healthz HTTP/1.1', ['host: a@b', 'connection: close']),
    'a Host with a space': request('GET /healthz HTTP/1.1', ['host: a b', 'connection: close']),
    'a port over 65535': request('GET /healthz HTTP/1.1', ['host: a:99999', 'connection: close']),
    'a NUL in a header': get('/healthz', 'x: a\0b'),
    'a header without a colon': get('/healthz', 'nonsense'),
    'a folded header': get('/healthz', 'x: a', ' b'),
    'a space before the colon': get('/healthz', 'x : a'),
    'a name over 127': get('/healthz', '\xe4: a'),
    'LF alone': 'GET /healthz HTTP/1.1\nhost: a\n\n',
    'CR alone': 'GET /healthz HTTP/1.1\rhost: a\r\r',
  }),
  ...answered([431], {
    '3,000 headers': get('/healthz', ...Array<string>(3_000).fill('x: y')),
    'a header of 20,000 characters': get('/healthz', `x: ${'y'.repeat(20_000)}`),
  }),
  ...answered([401], {
    'no key': get('{events}'),
    'two keys': get('{events}', 'authorization: Bearer {key}', 'authorization: Bearer b'),
    'a key in another scheme': get('{events}', 'authorization: Basic YTpi'),
    'a key of 15,000 characters': get('{events}', `authorization: Bearer ${'x'.repeat(15_000)}`),
    'a key with a byte over 127': get('{events}', 'authorization: Bearer \xff{key}'),
  }),
  ...answered([417], { 'an expectation that is none': closing(['expect: tea', lengthOf(event)], event) }),
]

const lengths: RawRequest[] = [
  ...answered([400], {
    'a length below zero': announced('-1'),
    'a length with a plus': announced(`+${event.length}`),
    'a length in hexadecimal': announced('0x15'),
    'a length with an exponent': announced('2e1'),
    'two lengths in one': announced('21, 21'),
    'two lengths': closing([lengthOf(event), 'content-length: 5'], event),
    'no digits': announced(''),
    'a length over 2^64': announced('99999999999999999999999'),
    'a length and chunks': closing([lengthOf(event), 'transfer-encoding: chunked'], '0\r\n\r\n'),
    'chunks and more': chunked(`15\r\n${event}\r\n0\r\n\r\n`, 'chunked, identity'),
    'chunks twice': closing(['transfer-encoding: chunked', 'transfer-encoding: chunked'], '0\r\n\r\n'),
    'an encoding that is none': chunked(`15\r\n${event}\r\n0\r\n\r\n`, 'xchunked'),
    'a chunk of zz': chunked(`zz\r\n${event}\r\n0\r\n\r\n`),
    'a chunk of -1': chunked(`-1\r\n${event}\r\n0\r\n\r\n`),
    'a chunk over 2^64': chunked(`fffffffffffffffff\r\n${event}\r\n0\r\n\r\n`),
    'a chunk that is longer': chunked(`5\r\n${event}\r\n0\r\n\r\n`),
    'an extension of 30,000 characters': chunked(`15;${'x'.repeat(30_000)}\r\n${event}\r\n0\r\n\r\n`),
    'no length at all': closing([], event),
  }),
  ...answered([413], { 'a length of 2^63 - 1': announced('9223372036854775807') }),
  ...answered([202], {
    chunks: chunked(`5\r\n${event.slice(0, 5)}\r\n10\r\n${event.slice(5)}\r\n0\r\n\r\n`),
    'chunks and a trailer': chunked(`15\r\n${event}\r\n0\r\nauthorization: Bearer x\r\n\r\n`),
  }),
  ...answered([100, 202], {
    'Expect: 100-continue': closing(['expect: 100-continue', lengthOf(event)], event),
  }),
  ...answered([100, 413], {
    'Expect: 100-continue and too much': closing(['expect: 100-continue', 'content-length: 99999999'], ''),
  }),
]

const inside = 'GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n'

/** Several requests on one connection: none is taken for a part of another. */
const pipelined: RawRequest[] = [
  ...answered([202, 200], {
    'one behind the other': post([lengthOf(event)], event) + get('/healthz'),
  }),
  // What was done is answered as done, even if what follows is nonsense.
  ...answered([202, 400], {
    'nonsense behind a request': `${post([lengthOf(event)], event)}nonsense\r\n\r\n`,
  }),
  ...answered([401, 404], {
    'a request in the body of one without a key':
      request('POST {events} HTTP/1.1', ['host: a', lengthOf(inside)], inside) + get('/nothing'),
  }),
  ...answered([200, 404], {
    'a request in the body of a GET':
      request('GET /healthz HTTP/1.1', ['host: a', lengthOf(inside)], inside) + get('/nothing'),
  }),
  ...answered([405, 404], {
    'a request in the body of another method':
      request('PUT {events} HTTP/1.1', ['host: a', lengthOf(inside)], inside) + get('/nothing'),
  }),
  ...answered([415, 404], {
    'a request in a body of another type':
      request(
        'POST {events} HTTP/1.1',
        ['host: a', 'authorization: Bearer {key}', 'content-type: text/plain', lengthOf(inside)],
        inside,
      ) + get('/nothing'),
  }),
]

export const rawRequests: RawRequest[] = [...methods, ...paths, ...headers, ...lengths, ...pipelined]
