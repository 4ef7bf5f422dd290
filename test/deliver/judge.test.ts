import { describe, expect, it } from 'vitest'
import { judge, type RetryRules } from '../../src/deliver/judge.ts'
import type { Answer, SendError } from '../../src/deliver/send.ts'

const now = new Date('2026-11-24T12:00:00.000Z')
const rules: RetryRules = { now, retrySeconds: [60, 300, 900, 3_600, 14_400], random: () => 0 }

describe('judge, row by row', () => {
  type Row = [
    received: string,
    answer: Answer | SendError,
    attempts: number,
    outcome: string,
    seconds?: number,
  ]
  const rows: Row[] = [
    // What was received, after how many tries, and what it means: the outcome and the seconds until the next try.
    ['200', answer(200), 0, 'delivered'],
    ['201', answer(201), 3, 'delivered'],
    ['204', answer(204), 5, 'delivered'],
    ['299', answer(299), 0, 'delivered'],
    ['199', answer(199), 0, 'retry: http 199', 60],
    ['300', answer(300), 0, 'retry: http 300', 60],
    ['301', answer(301, { location: 'https://example.org' }), 0, 'retry: http 301', 60],
    ['302', answer(302), 1, 'retry: http 302', 300],
    ['303', answer(303), 1, 'retry: http 303', 300],
    ['304', answer(304), 1, 'retry: http 304', 300],
    ['307', answer(307), 1, 'retry: http 307', 300],
    ['308', answer(308), 1, 'retry: http 308', 300],
    ['400', answer(400), 0, 'retry: http 400', 60],
    ['401', answer(401), 0, 'retry: http 401', 60],
    ['404', answer(404), 2, 'retry: http 404', 900],
    ['409', answer(409), 0, 'retry: http 409', 60],
    ['500', answer(500), 0, 'retry: http 500', 60],
    ['500', answer(500), 1, 'retry: http 500', 300],
    ['500', answer(500), 2, 'retry: http 500', 900],
    ['500', answer(500), 3, 'retry: http 500', 3_600],
    ['500', answer(500), 4, 'retry: http 500', 14_400],
    ['500', answer(500), 5, 'failed: http 500'],
    ['999', answer(999), 0, 'retry: http 999', 60],
    ['302 at the last try', answer(302), 5, 'failed: http 302'],
    ['410', answer(410), 0, 'gone: http 410'],
    ['410 at the last try', answer(410), 5, 'gone: http 410'],
    ['410 with Retry-After', answer(410, { 'retry-after': '60' }), 0, 'gone: http 410'],
    ['429', answer(429), 0, 'retry: http 429', 60],
    [
      '429, Retry-After later than the schedule',
      answer(429, { 'retry-after': '120' }),
      0,
      'retry: http 429',
      120,
    ],
    [
      '429, Retry-After sooner than the schedule',
      answer(429, { 'retry-after': '5' }),
      0,
      'retry: http 429',
      60,
    ],
    [
      '503, Retry-After later than the schedule',
      answer(503, { 'retry-after': '7200' }),
      0,
      'retry: http 503',
      7_200,
    ],
    ['503, a date', answer(503, { 'retry-after': in10Minutes() }), 0, 'retry: http 503', 600],
    ['503, a date gone by', answer(503, { 'retry-after': now.toUTCString() }), 1, 'retry: http 503', 300],
    ['503, Retry-After beyond a day', answer(503, { 'retry-after': '1e18' }), 0, 'retry: http 503', 86_400],
    ['503, Retry-After of -5', answer(503, { 'retry-after': '-5' }), 0, 'retry: http 503', 60],
    ['503, Retry-After of NaN', answer(503, { 'retry-after': 'NaN' }), 0, 'retry: http 503', 60],
    ['503 at the last try', answer(503, { 'retry-after': '5' }), 5, 'failed: http 503'],
    ['500 with Retry-After', answer(500, { 'retry-after': '7200' }), 0, 'retry: http 500', 60],
    ['200 with Retry-After', answer(200, { 'retry-after': '7200' }), 0, 'delivered'],
    ['no answer', error('timeout after 10000 ms', 'timeout'), 0, 'retry: timeout after 10000 ms', 60],
    ['no connection', error('connection refused', 'network'), 1, 'retry: connection refused', 300],
    [
      'no connection at the last try',
      error('connection refused', 'network'),
      5,
      'failed: connection refused',
    ],
    [
      'a bad certificate',
      error('tls: certificate has expired', 'tls'),
      0,
      'retry: tls: certificate has expired',
      60,
    ],
    [
      'a blocked address',
      error('blocked address 10.0.0.7', 'blocked'),
      4,
      'retry: blocked address 10.0.0.7',
      14_400,
    ],
    [
      'a blocked address at the last try',
      error('blocked address ::1', 'blocked'),
      5,
      'failed: blocked address ::1',
    ],
  ]

  it.each(rows)('%s after %2$i tries: %3$s', (_, received, attempts, wanted, seconds) => {
    const outcome = judge(received, { attempts, maxAttempts: 6 }, rules)
    expect(outcome.error === null ? outcome.kind : `${outcome.kind}: ${outcome.error}`).toBe(wanted)
    expect(outcome.responseStatus).toBe(received.kind === 'answer' ? received.status : null)
    const retryAt = outcome.kind === 'retry' ? outcome.retryAt : undefined
    expect(retryAt).toEqual(seconds === undefined ? undefined : new Date(now.getTime() + seconds * 1_000))
  })
})

describe('judge', () => {
  it('adds at most a tenth to a delay', () => {
    const outcome = judge(answer(500), { attempts: 4, maxAttempts: 6 }, { ...rules, random: () => 0.999 })
    expect(outcome).toMatchObject({ retryAt: new Date(now.getTime() + 15_838_560) })
  })

  it('begins the schedule anew after a manual retry, and ends when it is used up', () => {
    const kinds = [6, 7, 8, 9, 10, 11].map((attempts) =>
      judge(answer(500), { attempts, maxAttempts: 12 }, rules),
    )
    expect(
      kinds.map((outcome) => (outcome.kind === 'retry' ? +outcome.retryAt - +now : outcome.kind)),
    ).toEqual([60_000, 300_000, 900_000, 3_600_000, 14_400_000, 'failed'])
  })

  it('keeps the note of an answer that was cut off, which is delivered all the same', () => {
    const cut: Answer = {
      ...answer(200),
      bodyTruncated: true,
      note: 'answer body incomplete: connection reset',
    }
    expect(judge(cut, { attempts: 0, maxAttempts: 6 }, rules)).toEqual({
      kind: 'delivered',
      responseStatus: 200,
      error: null,
      note: 'answer body incomplete: connection reset',
    })
  })

  it('fails a delivery that has more tries behind it than it may have', () => {
    expect(judge(answer(500), { attempts: 9, maxAttempts: 6 }, rules).kind).toBe('failed')
  })
})

function answer(status: number, headers: Record<string, string> = {}): Answer {
  return { kind: 'answer', status, headers, body: '', bodyTruncated: false, durationMs: 12 }
}

function error(words: string, failureClass: SendError['class']): SendError {
  return { kind: 'error', error: words, class: failureClass, durationMs: 12 }
}

function in10Minutes(): string {
  return new Date(now.getTime() + 600_000).toUTCString()
}
