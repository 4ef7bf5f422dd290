import {
  type BadEvent,
  event,
  longNumbers,
  noJson,
  refused,
  type Rule,
  tooLarge,
  unstorable,
  withField,
  withType,
} from './bad-json.ts'

/**
 * Bodies that clients publish by mistake or on purpose, with what must come of each: through the API and, where they are
 * JSON, through the SQL functions too. None may be a 500, and none may leave anything behind.
 */

/** One field with one wrong value after the other; the value is its own title. */
function wrong(name: string, values: readonly string[], rule: Partial<Rule> = {}): BadEvent[] {
  return values.map((value) => ({
    title: `${name} ${value.slice(0, 40)}`,
    body: name === 'type' ? withType(value) : withField(name, value),
    code: 'validation_failed',
    path: name,
    ...rule,
  }))
}

const id = '019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7'

const noEvent: BadEvent[] = [
  ...refused(
    { code: 'validation_failed', path: '' },
    { 'an array': '[]', null: 'null', 'a string': '"a"', 'a number': '5', true: 'true' },
  ),
  ...refused(
    { code: 'validation_failed', path: 'type', message: /is missing/ },
    { 'no type': '{"data":1}', nothing: '{}' },
  ),
  ...refused(
    { code: 'validation_failed', path: 'data', message: /is missing/ },
    { 'no data': '{"type":"a"}' },
  ),
  ...refused(
    {
      code: 'validation_failed',
      path: 'typ',
      message: /unknown field `typ`: did you mean `type`\?|is not a field/,
    },
    { 'an unknown field': '{"typ":"a","type":"a","data":1}' },
  ),
  ...['__proto__', 'constructor', 'toString', 'projectId', 'project_id', 'Type', ''].map(
    (name): BadEvent => ({
      title: `the field "${name}"`,
      body: withField(name, '{"isAdmin":true}'),
      code: 'validation_failed',
      path: name,
    }),
  ),
]

const wrongFields: BadEvent[] = [
  ...wrong('type', [
    '5',
    'null',
    'true',
    '["a"]',
    '{}',
    '""',
    '"*"',
    '"a.*"',
    '".a"',
    '"a."',
    '"a..b"',
    '"a b"',
    '" a"',
    '"a\\n"',
    '"ä"',
    '"а"',
    '"a\\u200b"',
    '"a/b"',
    '"a:b"',
    `"a';DROP TABLE webhooks;--"`,
    `"${'x'.repeat(256)}"`,
    `"${'a.'.repeat(128)}a"`,
  ]),
  ...wrong('id', [
    '""',
    '"x"',
    '5',
    '{}',
    '"019a8c2e7d107c3a9f620b6a54c0e1d7"',
    `"{${id}}"`,
    `"urn:uuid:${id}"`,
    `" ${id}"`,
    `"${id}\\n"`,
    `"${id.replace('0', 'g')}"`,
    `"${id.replaceAll('-', '–')}"`,
    `"${id}' OR '1'='1"`,
  ]),
  ...wrong('timestamp', [
    '""',
    '"infinity"',
    '"-infinity"',
    '"now"',
    '"epoch"',
    '"allballs"',
    '"2026-02-30T00:00:00Z"',
    '"2025-02-29T00:00:00Z"',
    '"2026-13-01T00:00:00Z"',
    '"2026-11-24"',
    '"2026-11-24T09:30:00"',
    '"2026-11-24T09:30Z"',
    '"294277-01-01T00:00:00Z"',
    '"10000-01-01T00:00:00Z"',
    '"+12026-11-24T09:30:00Z"',
    '"-0001-11-24T09:30:00Z"',
    '"0000-01-01T00:00:00Z"',
    '"0001-01-01T00:00:00+01:00"',
    '"9999-12-31T23:59:59-01:00"',
    '"9999-12-31T23:59:59.9999999Z"',
    '"2026-11-24T09:60:00Z"',
    '"2026-11-24T09:30:00+99:00"',
    '"2026-11-24T09:30:00+16:00"',
    '"2026-11-24T09:30:00+0100"',
    '"2026-11-24T09:30:00 Europe/Paris"',
    '"2026-11-24T09:30:00Z[Europe/Paris]"',
    '"Tue, 24 Nov 2026 09:30:00 GMT"',
    '1764000000',
    '{}',
    `"2026-11-24T09:30:00.${'0'.repeat(10_000)}Z"`,
  ]),
  ...wrong('application_id', [`"${id}"`, '""', '"x"', '5', `"{${id}}"`, `["${id}"]`]),
  ...wrong('timestamp', ['"2026-11-24T24:00:00Z"', '"2026-11-24T09:30:60Z"'], { isRightInSql: true }),
  ...wrong('environment_name', ['""', '5', '"a\\nb"', '"\\u007f"', '"\\u001b[31m"', `"${'x'.repeat(256)}"`]),
  ...wrong('environment_name', ['"a\\u202eb"', '"\\u2066"', '"\\u200f"', '"\\u061c"'], {
    isRightInSql: true,
  }),
]

const wrongHeaders: BadEvent[] = [
  ...[
    { 'content-type': 'application/x-www-form-urlencoded' },
    { 'content-type': 'text/plain' },
    { 'content-type': 'application/jsonp' },
    { 'content-type': 'application/ld+json' },
    { 'content-type': 'application/json; charset=latin1' },
    { 'content-type': 'application/json; charset=utf-16' },
    { 'content-encoding': 'gzip' },
    { 'content-encoding': 'br' },
    { 'content-encoding': 'identity, gzip' },
  ].map((headers): BadEvent => ({
    title: Object.entries(headers)
      .map(([name, value]) => `${name}: ${value}`)
      .join(),
    body: event('1'),
    code: 'unsupported_media_type',
    headers,
  })),
  {
    title: 'an id and an Idempotency-Key',
    body: withField('id', `"${id}"`),
    code: 'validation_failed',
    path: 'id',
    headers: { 'idempotency-key': 'k' },
  },
  ...['', 'k'.repeat(256), '\u00e9'.repeat(256)].map((key): BadEvent => ({
    title: `an Idempotency-Key of ${key.length} characters`,
    body: event('1'),
    code: 'validation_failed',
    path: 'Idempotency-Key',
    headers: { 'idempotency-key': key },
  })),
]

export const badEvents: BadEvent[] = [
  ...noJson,
  ...noEvent,
  ...wrongFields,
  ...unstorable,
  ...longNumbers,
  ...tooLarge,
  ...wrongHeaders,
]
