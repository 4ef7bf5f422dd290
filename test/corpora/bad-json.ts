import type { ErrorCode } from '../../src/contract/errors.ts'

/**
 * Bodies that are no JSON, or hold what is not kept: through the API and, where they are JSON, through the SQL functions
 * too. None may be a 500, and none may leave anything behind.
 */

export interface BadEvent {
  title: string
  body: string | Uint8Array
  code: ErrorCode
  /** Of the first error, where there is one. */
  path?: string
  message?: RegExp
  headers?: Record<string, string>
  /** What PostgreSQL never sees, or sees when it is gone: through SQL it is an event as any other. */
  isRightInSql?: true
}

const bytes = (...parts: (string | number[])[]): Uint8Array =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))))

const nested = (levels: number, inner = '1'): string => '['.repeat(levels) + inner + ']'.repeat(levels)

export const event = (data: string, rest = ''): string => `{"type":"a.b","data":${data}${rest}}`
export const withType = (type: string): string => `{"type":${type},"data":1}`
export const withField = (name: string, value: string): string => event('1', `,"${name}":${value}`)

export type Rule = Omit<BadEvent, 'title' | 'body'>

export function refused(rule: Rule, bodies: Record<string, BadEvent['body']>): BadEvent[] {
  return Object.entries(bodies).map(([title, body]) => ({ title, body, ...rule }))
}

export const noJson: BadEvent[] = [
  ...refused(
    { code: 'bad_json' },
    {
      'no body': '',
      'white space alone': ' \n ',
      'half a body': '{"type":"a.b","data":',
      'something behind the body': `${event('1')} x`,
      'two bodies': event('1') + event('2'),
      'a comma too many': '{"type":"a.b","data":1,}',
      'a comment': '{"type":"a.b","data":1 /* one */}',
      'single quotes': "{'type':'a.b','data':1}",
      'a name without quotes': '{type:"a.b","data":1}',
      NaN: event('NaN'),
      Infinity: event('-Infinity'),
      undefined: event('undefined'),
      'a leading zero': event('01'),
      'a plus': event('+1'),
      'a point without digits': event('1.'),
      'an exponent without digits': event('1e'),
      hexadecimal: event('0x10'),
      'a raw line break in a string': event('"a\nb"'),
      'a raw NUL in a string': event('"a\0b"'),
      'a raw NUL behind the body': `${event('1')}\0`,
      'an escape that is none': event('"\\x41"'),
      'half an escape': event('"\\u00"'),
    },
  ),
  ...refused(
    { code: 'bad_json', message: /UTF-8/ },
    {
      'a byte that is no UTF-8': bytes('{"type":"a.b","data":"', [0xff], '"}'),
      'a surrogate in UTF-8': bytes('{"type":"a.b","data":"', [0xed, 0xa0, 0x80], '"}'),
      'an overlong slash': bytes('{"type":"a.b","data":"', [0xc0, 0xaf], '"}'),
      'an overlong NUL': bytes('{"type":"a.b","data":"', [0xc0, 0x80], '"}'),
      'half a character at the end': bytes('{"type":"a.b","data":1}', [0xf0, 0x9f, 0x98]),
    },
  ),
  ...refused(
    { code: 'bad_json' },
    { 'UTF-16': Buffer.from(event('1'), 'utf16le'), gzip: bytes([0x1f, 0x8b, 8]) },
  ),
  ...refused(
    { code: 'bad_json', message: /byte order mark/ },
    { 'a byte order mark': bytes([0xef, 0xbb, 0xbf], event('1')) },
  ),
]

export const unstorable: BadEvent[] = [
  ...refused(
    { code: 'validation_failed', path: 'data.a[0]', message: /\\u0000/ },
    { '\\u0000 in data': event('{"a":["x\\u0000"]}') },
  ),
  ...refused(
    { code: 'validation_failed', message: /\\u0000/ },
    {
      '\\u0000 in a key': event('{"a\\u0000":1}'),
      '\\u0000 in the type': withType('"a\\u0000"'),
      '\\u0000 in the name of a field': withField('\\u0000', '1'),
      '\\u0000 in a member that a later one hides': '{"type":"a","data":"\\u0000","data":1}',
    },
  ),
  ...refused(
    { code: 'validation_failed', path: 'data', message: /surrogate/ },
    {
      'half of a pair': event('"\\ud83d"'),
      'a pair the wrong way round': event('"\\ude00\\ud83d"'),
      'half of a pair and a letter': event('"\\ud83dx"'),
    },
  ),
  ...refused(
    { code: 'validation_failed', message: /surrogate/ },
    {
      'the other half of a pair': event('["\\uDE00"]'),
      'half of a pair in a key': event('{"\\ud83d":1}'),
      'half of a pair in the environment': withField('environment_name', '"\\ud83d"'),
      'half of a pair in a member that a later one hides': '{"type":"a","data":"\\ud83d","data":1}',
    },
  ),
  ...refused(
    { code: 'validation_failed', path: 'data', message: /64 levels/ },
    {
      'data of 65 levels': event(nested(65)),
      'data of 65 levels of objects': event('{"a":'.repeat(65) + '1' + '}'.repeat(65)),
      'data of 100,000 levels': event(nested(100_000)),
    },
  ),
  ...refused(
    { code: 'validation_failed', message: /64 levels/ },
    {
      'depth in a member that a later one hides': `{"type":"a","data":${nested(60_000)},"data":1}`,
      'depth in an unknown field': withField('more', nested(50_000)),
    },
  ),
]

export const longNumbers: BadEvent[] = [
  ...refused(
    { code: 'validation_failed', path: 'data', message: /1,000 digits/ },
    {
      'a number of 1,001 digits': event('1'.repeat(1_001)),
      'a negative one': event(`-${'1'.repeat(1_001)}`),
      'a small number of 1,001 digits': event('1e-1000'),
      'digits and an exponent below a thousand': event('12345e999'),
      'zero with a great many places': event('0e-1000'),
      'the greatest that PostgreSQL could write out': event('1e131071'),
      'one beyond it': event('1E+131072'),
      'an exponent of a hundred digits': event(`1e${'9'.repeat(100)}`),
      'a small one of a hundred digits': event(`1e-${'9'.repeat(100)}`),
      'an exponent with zeros in front': event('1e0000001000'),
      'a number of 200,000 digits': event('9'.repeat(200_000)),
    },
  ),
  ...refused(
    { code: 'validation_failed', path: 'data.n', message: /1,000 digits/ },
    {
      'a number of 1,001 digits behind the point': event(`{"n":0.${'1'.repeat(1_000)}}`),
      'digits on both sides': event(`{"n":${'1'.repeat(501)}.${'1'.repeat(500)}}`),
    },
  ),
  ...refused(
    { code: 'validation_failed', path: 'data[1]', message: /1,000 digits/ },
    { 'a number that is 1,001 digits written out': event('[0,1e1000]') },
  ),
  ...refused(
    { code: 'validation_failed', message: /1,000 digits/, isRightInSql: true },
    { 'a long number in a member that a later one hides': '{"type":"a","data":1e131071,"data":1}' },
  ),
  ...refused(
    { code: 'validation_failed', message: /1,000 digits|64 levels/ },
    { 'a long number behind hidden depth': `{"type":"a","data":${nested(60_000)},"data":1e131071}` },
  ),
]

export const tooLarge: BadEvent[] = [
  ...refused(
    { code: 'too_large', path: 'data', message: /256 KiB/ },
    {
      'data over 256 KiB': event(`"${'x'.repeat(262_143)}"`),
      'data over 256 KiB in bytes, not in characters': event(`"${'ä'.repeat(131_072)}"`),
    },
  ),
  ...refused(
    { code: 'too_large', path: 'data', message: /256 KiB/, isRightInSql: true },
    { 'data over 256 KiB by white space': event(`[${' '.repeat(262_143)}]`) },
  ),
  ...refused(
    { code: 'too_large', path: 'data', message: /256 KiB\) with numbers such as 1e999 written out|256 KiB$/ },
    {
      'numbers over 256 KiB written out': event(`[${Array<string>(300).fill('1e999').join()}]`),
      'small numbers over 256 KiB written out': event(`[${Array<string>(300).fill('-1.5e-990').join()}]`),
      'numbers of 3 MB written out': event(`[${Array<string>(3_000).fill('1e999').join()}]`),
    },
  ),
  ...refused({ code: 'too_large' }, { 'a body over the limit': event(`"${'x'.repeat(300_000)}"`) }),
]
