import { gzipSync } from 'node:zlib'
import { drips, floods, sends, sendsAndCloses, sendsAndResets } from '../support/hostile.ts'
import {
  chunked,
  cutByDeadline,
  delivered,
  incomplete,
  invalid,
  ok,
  retry,
  type HostileTable,
} from './hostile-case.ts'

/** Which of them depends on what is seen first. */
const broken = /^answer body incomplete: connection (reset|closed)$/
const tooLong = 'answer body incomplete: cut off after 65536 bytes'
const tooMuchAround = 'answer body incomplete: chunk headers or trailers too large'
const badChunk = /^answer body incomplete: invalid http answer( \(HPE_\w+\))?$/

/** Receivers whose body has no length or two, no end or too early a one. */
export const hostileBodies: HostileTable = {
  'a length that is none, or two': [
    [
      'sends content-length and chunks',
      sends(`${ok}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`),
      retry(invalid),
    ],
    [
      'sends chunks and content-length',
      sends(`${ok}transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n`),
      retry(invalid),
    ],
    [
      'sends two content-lengths',
      sends(`${ok}content-length: 5\r\ncontent-length: 6\r\n\r\nhello!`),
      retry(invalid),
    ],
    [
      'sends one content-length twice',
      sends(`${ok}content-length: 5\r\ncontent-length: 5\r\n\r\nhello`),
      retry(invalid),
    ],
    ['sends a list of content-lengths', sends(`${ok}content-length: 5, 5\r\n\r\nhello`), retry(invalid)],
    ['sends a content-length of -1', sends(`${ok}content-length: -1\r\n\r\n`), retry(invalid)],
    ['sends a content-length of +5', sends(`${ok}content-length: +5\r\n\r\nhello`), retry(invalid)],
    ['sends a content-length of 0x5', sends(`${ok}content-length: 0x5\r\n\r\nhello`), retry(invalid)],
    ['sends no content-length', sends(`${ok}content-length:\r\n\r\nhello`), retry(invalid)],
    [
      'sends a content-length of 1e30',
      sends(`${ok}content-length: ${'9'.repeat(30)}\r\n\r\n`),
      retry(invalid),
    ],
    [
      'encodes by gzip and chunks',
      sends(`${ok}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n`),
      delivered(),
    ],
    [
      'encodes by chunks and gzip',
      sends(`${ok}transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n`),
      cutByDeadline({ body: '0\r\n\r\n' }),
    ],
    [
      'encodes by chunks twice',
      sends(`${ok}transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n`),
      delivered(),
    ],
    [
      'encodes by something unheard of',
      sends(`${ok}transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n`),
      retry(invalid),
    ],
  ],
  'a body without end': [
    [
      'drips its body',
      drips(`${ok}content-length: 9999\r\n\r\nabc`, 'd'),
      cutByDeadline({ body: /^abcd*$/ }),
    ],
    ['drips chunks', drips(chunked, '1\r\nx\r\n'), cutByDeadline({ body: /^x*$/ })],
    ['promises a body and is silent', sends(`${ok}content-length: 5\r\n\r\n`), cutByDeadline({ body: '' })],
    ['promises a chunk and is silent', sends(`${chunked}5\r\n`), cutByDeadline({ body: '' })],
    [
      'promises 2^62 bytes',
      sends(`${ok}content-length: 4611686018427387904\r\n\r\nx`),
      cutByDeadline({ body: 'x' }),
    ],
    ['sends a body without end', floods(`${ok}\r\n`, 'x'), delivered(tooLong, { body: /^x{16384}$/ })],
    ['sends a body of 1 TB', floods(`${ok}content-length: 1000000000000\r\n\r\n`, 'x'), delivered(tooLong)],
    ['sends small chunks without end', floods(chunked, '1\r\nx\r\n'), delivered(tooMuchAround)],
    ['sends a chunk extension without end', floods(`${chunked}1;`, 'x'), delivered(tooMuchAround)],
    ['sends leading zeros without end', floods(chunked, '0'), delivered(tooMuchAround)],
    ['sends trailers without end', floods(`${chunked}0\r\n`, 'a: b\r\n'), delivered(tooMuchAround)],
  ],
  'a body that breaks off': [
    [
      'resets in the middle of the body',
      sendsAndResets(`${ok}content-length: 100\r\n\r\nhalf`),
      delivered(broken),
    ],
    [
      'closes in the middle of the body',
      sendsAndCloses(`${ok}content-length: 100\r\n\r\nhalf`),
      delivered(incomplete('connection closed'), { body: 'half' }),
    ],
    [
      'closes in the middle of a chunk',
      sendsAndCloses(`${chunked}64\r\nhalf`),
      delivered(incomplete('connection closed'), { body: 'half' }),
    ],
    [
      'closes before the last chunk',
      sendsAndCloses(`${chunked}4\r\nhalf\r\n`),
      delivered(incomplete('connection closed'), { body: 'half' }),
    ],
    ['sends a bad chunk size', sends(`${chunked}zz\r\nhello`), delivered(badChunk)],
    ['sends a negative chunk size', sends(`${chunked}-5\r\nhello`), delivered(badChunk)],
    ['sends a chunk size of 2^80', sends(`${chunked}ffffffffffffffffffff\r\nhello`), delivered(badChunk)],
    [
      'sends more than its chunk',
      sends(`${chunked}2\r\nhello\r\n0\r\n\r\n`),
      delivered(badChunk, { body: /^he/ }),
    ],
  ],
  'a body that is odd, and whole': [
    [
      'sends a body to its end without a length',
      sendsAndCloses(`${ok}\r\nwhole`),
      delivered(null, { body: 'whole' }),
    ],
    [
      'sends more than its length',
      sends(`${ok}content-length: 2\r\n\r\nok and more`),
      delivered(null, { body: 'ok' }),
    ],
    ['answers twice', sends(`${ok}content-length: 2\r\n\r\nok`.repeat(2)), delivered(null, { body: 'ok' })],
    [
      'answers 1,000 times',
      sends(`${ok}content-length: 2\r\n\r\nok`.repeat(1_000)),
      delivered(null, { body: 'ok' }),
    ],
    ['answers without end', floods('', `${ok}content-length: 2\r\n\r\nok`), delivered(null, { body: 'ok' })],
    [
      'sends 204 with a body',
      sends('HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello'),
      delivered(null, { status: 204, body: '' }),
    ],
    [
      'sends 205 with a body',
      sends('HTTP/1.1 205 Reset\r\ncontent-length: 5\r\n\r\nhello'),
      delivered(null, { status: 205, body: 'hello' }),
    ],
    ['sends NUL', sends(`${ok}content-length: 3\r\n\r\na\0b`), delivered(null, { body: 'a\uFFFDb' })],
    [
      'sends bytes that are no UTF-8',
      sends(`${ok}content-length: 4\r\n\r\na\xff\xc3b`),
      delivered(null, { body: 'a\uFFFD\uFFFDb' }),
    ],
    [
      'sends the JSON of NUL',
      sends(`${ok}content-length: 8\r\n\r\n"\\u0000"`),
      delivered(null, { body: '"\\u0000"' }),
    ],
    [
      'sends a lone surrogate',
      sends(`${ok}content-length: 3\r\n\r\n\xed\xa0\x80`),
      delivered(null, { body: '\uFFFD\uFFFD\uFFFD' }),
    ],
    [
      'sends SQL',
      sends(`${ok}content-length: 14\r\n\r\n'); SELECT 1;--`),
      delivered(null, { body: "'); SELECT 1;--".slice(0, 14) }),
    ],
    ['sends a bomb of 100 MB in 100 KB of gzip', sends(gzipAnswer()), delivered(tooLong)],
  ],
}

function gzipAnswer(): Buffer {
  const body = gzipSync(Buffer.alloc(100 * 1_048_576), { level: 9 })
  const head = `${ok}content-encoding: gzip\r\ncontent-length: ${body.length}\r\n\r\n`
  return Buffer.concat([Buffer.from(head), body])
}
