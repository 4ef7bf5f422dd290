import { event } from './bad-json.ts'

/** Odd, and right: each is published, and `data` comes back as PostgreSQL writes it, to the digit. */

export interface OddEvent {
  title: string
  body: string
  headers?: Record<string, string>
  /** `data` as it is stored, where that is short enough to say. */
  stored?: string
}

const nested = (levels: number): string => '['.repeat(levels) + '1' + ']'.repeat(levels)

/** Values of `data`, and how each is stored. */
const values: Record<string, [sent: string, stored: string]> = {
  null: ['null', 'null'],
  false: ['false', 'false'],
  zero: ['0', '0'],
  'zero below zero': ['-0', '0'],
  'an empty string': ['""', '""'],
  'an empty name': ['{"":1}', '{"": 1}'],
  'an integer over 2^53': ['9007199254740993', '9007199254740993'],
  'an integer over 2^64': ['18446744073709551617', '18446744073709551617'],
  'more places than a double has': [
    '0.1000000000000000055511151231257827021181583404541015625',
    '0.1000000000000000055511151231257827021181583404541015625',
  ],
  'a zero at the end': ['1.10', '1.10'],
  'the greatest double, and more': ['1.8e308', `18${'0'.repeat(307)}`],
  'less than the smallest double': ['1e-400', `0.${'0'.repeat(399)}1`],
  'a member twice': ['{"a":1,"a":2}', '{"a": 2}'],
  'members that differ by case': ['{"a":1,"A":2}', '{"A": 2, "a": 1}'],
  'names from prototypes': [
    '{"__proto__":{"isAdmin":true},"constructor":{"prototype":1}}',
    '{"__proto__": {"isAdmin": true}, "constructor": {"prototype": 1}}',
  ],
  'a pair of surrogates': ['"\\ud83d\\ude00"', '"😀"'],
  'an escape of an escape': ['"\\\\u0000 \\\\ud83d"', '"\\\\u0000 \\\\ud83d"'],
  'characters that are none': ['"\\uffff\\ufffe"', '"\uffff\ufffe"'],
  'control characters': ['"\\u0001\\u001b\\u007f"', '"\\u0001\\u001b\u007f"'],
  'right to left': ['"\\u202eabc مرحبا"', '"\u202eabc مرحبا"'],
  SQL: [`"'; DROP TABLE postrider.events; --"`, `"'; DROP TABLE postrider.events; --"`],
  'what looks like a long number in a string': [
    `"1e131071 ${'1'.repeat(1_100)}"`,
    `"1e131071 ${'1'.repeat(1_100)}"`,
  ],
}

export const oddEvents: OddEvent[] = [
  ...Object.entries(values).map(([title, [sent, stored]]) => ({
    title: `data of ${title}`,
    body: event(sent),
    stored,
  })),
  { title: 'data of 64 levels', body: event(nested(64)), stored: nested(64) },
  { title: 'data of 64 levels of objects', body: event('{"a":'.repeat(64) + '1' + '}'.repeat(64)) },
  { title: 'a number of 1,000 digits', body: event('1'.repeat(1_000)), stored: '1'.repeat(1_000) },
  { title: 'a number that is 1,000 digits written out', body: event('1e999'), stored: `1${'0'.repeat(999)}` },
  { title: 'a small one of 1,000 digits', body: event('1e-999'), stored: `0.${'0'.repeat(998)}1` },
  { title: 'zero with a great exponent', body: event('0e5000'), stored: '0' },
  { title: 'data of exactly 256 KiB', body: event(`"${'x'.repeat(262_142)}"`) },
  {
    title: 'numbers of nearly 256 KiB written out',
    body: event(`[${Array<string>(261).fill('1e999').join()}]`),
  },
  {
    title: 'null where a field may be left out',
    body: event('1', ',"id":null,"timestamp":null,"application_id":null,"environment_name":null'),
  },
  {
    title: 'null for the id and an Idempotency-Key',
    body: event('1', ',"id":null'),
    headers: { 'idempotency-key': 'odd' },
  },
  {
    title: 'an Idempotency-Key of SQL',
    body: event('1'),
    headers: { 'idempotency-key': "'; DROP TABLE postrider.events; --" },
  },
  { title: 'a type of 255 characters', body: `{"type":"${'x'.repeat(255)}","data":1}` },
  { title: 'a type of 128 segments', body: `{"type":"${'a.'.repeat(127)}a","data":1}` },
  { title: 'white space around', body: ` \n\t\r${event('1')} \n ` },
  { title: 'a field written with an escape', body: '{"\\u0074ype":"a","data":1}' },
  {
    title: 'a field twice, the first time wrong',
    body: '{"type":5,"type":"a","id":"x","id":null,"data":[1],"data":1}',
    stored: '1',
  },
  { title: 'an id in upper case', body: event('1', ',"id":"019A8C2E-7D10-7C3A-9F62-0B6A54C0E1D8"') },
  { title: 'the nil id', body: event('1', ',"id":"00000000-0000-0000-0000-000000000000"') },
  { title: 'the id of all ones', body: event('1', ',"id":"ffffffff-ffff-ffff-ffff-ffffffffffff"') },
  {
    title: 'a charset that is UTF-8',
    body: event('1'),
    headers: { 'content-type': 'Application/JSON; charset=UTF-8' },
  },
  {
    title: 'a content-encoding that is none',
    body: event('1'),
    headers: { 'content-encoding': 'identity' },
  },
  {
    title: 'a time with an offset and nanoseconds',
    body: event('1', ',"timestamp":"2026-11-24t09:30:00.123456789-08:00"'),
  },
  { title: 'the first moment', body: event('1', ',"timestamp":"0001-01-01T00:00:00Z"') },
  { title: 'the last moment', body: event('1', ',"timestamp":"9999-12-31T23:59:59.999Z"') },
  {
    title: 'a name of an environment in any script',
    body: event('1', ',"environment_name":"👨‍👩‍👧 שלום \'; --"'),
  },
]
