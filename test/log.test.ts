import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { createLogger, type Logger, plainLines, silentLogger } from '../src/log.ts'

function capture(work: (log: Logger) => void, level: Parameters<typeof createLogger>[0] = 'info'): string {
  let written = ''
  work(createLogger(level, { write: (line) => void (written += line) }))
  return written
}

describe('a log line', () => {
  test('is one JSON object with its level, time, fields and message', () => {
    const written = capture((log) => log.info({ delivery_id: 'd1', duration_ms: 12 }, 'delivered'))
    expect(written.endsWith('\n')).toBe(true)
    expect(JSON.parse(written)).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      pid: process.pid,
      delivery_id: 'd1',
      duration_ms: 12,
      msg: 'delivered',
    })
  })

  test('is written from its level on', () => {
    const written = capture((log) => {
      log.debug({}, 'one')
      log.info({}, 'two')
      log.warn({}, 'three')
      log.error({}, 'four')
    }, 'warn')
    expect(written.match(/"msg":"\w+"/g)).toEqual(['"msg":"three"', '"msg":"four"'])
  })

  test('tells an error with its cause', () => {
    const error = new Error('outer', { cause: new Error('inner') })
    const { error: told } = JSON.parse(capture((log) => log.error({ error }, 'failed'))) as { error: object }
    expect(told).toMatchObject({
      type: 'Error',
      message: 'outer: inner',
      stack: expect.stringContaining('inner'),
    })
  })
})

describe('a secret', () => {
  const geheim = 'Z2VoZWlt+/=='
  test.each<[string, object]>([
    ['in a field of its name', { secret: geheim }],
    ['in a list', { encryptionKeys: [{ id: 'k1', key: Buffer.from(geheim) }] }],
    ['deep in a line', { request: { headers: { a: { authorization: geheim } } } }],
    ['with quotes in it', { a: { b: { secret: `"${geheim}\\"${geheim}` } } }],
    ['in a JSON text', { text: JSON.stringify({ secret: geheim }) }],
    ['that was the previous one', { webhook: { previous_secret: geheim } }],
    ['of a webhook in a text', { detail: `the secret whsec_${geheim} is wrong` }],
    ['that is a private key in a text', { detail: `the secret whsk_${geheim} is wrong` }],
    ['of a caller in a text', { detail: `Bearer ${geheim} is wrong` }],
    ['in a URL', { url: `postgresql://user:${geheim.replace('/', '')}@host/db` }],
    [
      'in the message of an error',
      { error: new Error(`connect https://:${geheim.replace('/', '')}@host failed`) },
    ],
  ])('%s does not reach the log', (_where, fields) => {
    const written = capture((log) => log.info({ ...fields, after: 'kept' }, 'said'))
    expect(JSON.parse(written)).toMatchObject({ after: 'kept', msg: 'said' })
    expect(written).not.toMatch(/Z2Vo/)
    expect(written).not.toContain(Buffer.from(geheim).toJSON().data.join())
    expect(written).toContain('[secret]')
  })

  test('is not seen in what is none', () => {
    const fields = { url: 'https://example.com/a@b?c=d', email: 'ada@example.com', idempotency_key: 'abc' }
    expect(JSON.parse(capture((log) => log.info(fields, 'said')))).toMatchObject(fields)
  })
})

test('at a terminal a line is plain text', () => {
  let written = ''
  const log = createLogger(
    'info',
    plainLines((text) => void (written += text)),
  )
  log.info({ delivery_id: 'd1', headers: { a: 1 } }, 'delivered')
  log.error({ error: new Error('boom') }, 'failed')
  expect(written.replace(/\d\d:\d\d:\d\d/g, 'TIME')).toBe(
    'TIME info delivered  delivery_id=d1 headers={"a":1}\nTIME error failed  error=boom\n',
  )
})

test('any pino and the silent logger are loggers', () => {
  expect.assertions(0)
  const loggers: Logger[] = [
    pino({ level: 'silent' }),
    pino({ level: 'silent' }).child({ part: 'a' }),
    silentLogger,
  ]
  for (const log of loggers) log.info({}, 'nothing')
})
