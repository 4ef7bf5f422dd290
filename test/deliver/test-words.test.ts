import { describe, expect, test } from 'vitest'
import type { Answer, SendError } from '../../src/deliver/answer.ts'
import type { Sender } from '../../src/deliver/send.ts'
import { sendTest } from '../../src/deliver/test-send.ts'
import { MovedClock } from '../support/clock.ts'
import { createTestDatabase } from '../support/database.ts'
import { insertProject } from '../support/seed.ts'

/** What the answer to a test says, for each thing that can happen: enough to repair it, and nothing to look around with. */

const { database } = await createTestDatabase()
const target = {
  projectId: await insertProject(database),
  url: 'https://example.com/',
  secrets: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
  headers: {},
  application_id: null,
  environment_name: null,
  timeout_ms: 10_000,
  shape: { payload_template: null, filter: null },
}

function resultOf(answer: Answer | SendError): ReturnType<typeof sendTest> {
  const sender = { send: () => Promise.resolve(answer) } as unknown as Sender
  return sendTest(database, target, {}, { sender, clock: new MovedClock() })
}

describe('a test that was answered', () => {
  test.each<[number, string]>([
    [200, 'The endpoint accepted the test event.'],
    [299, 'The endpoint accepted the test event.'],
    [301, 'http 301'],
    [404, 'http 404'],
    [410, 'http 410'],
    [429, 'http 429'],
    [500, 'http 500'],
  ])('with %i says "%s"', async (status, words) => {
    const answer = {
      kind: 'answer',
      status,
      headers: {},
      body: '',
      bodyTruncated: false,
      durationMs: 7,
    } as const
    const isSuccess = status < 300
    expect(await resultOf(answer)).toEqual({
      success: isSuccess,
      response_status: status,
      response_time_ms: 7,
      ...(isSuccess ? { message: words } : { error: words }),
    })
  })
})

describe('a test that got no answer', () => {
  test.each<[SendError['class'], string]>([
    ['timeout', 'timeout: no whole answer within the deadline'],
    ['refused', 'connection refused'],
    ['network', 'the connection failed'],
    ['tls', 'TLS failed: the certificate or the protocol of the endpoint was not accepted'],
    ['blocked', 'blocked: the address is not one that webhooks may be sent to'],
    ['dns', 'host not found: the name does not resolve'],
    ['proxy', 'the egress proxy did not let the connection through'],
    ['protocol', 'the answer is no valid HTTP'],
    ['request', 'the request could not be sent'],
    ['aborted', 'stopped before an answer'],
  ])('because of %s says "%s"', async (failureClass, words) => {
    const error = 'db.internal is 10.0.0.7, port 5432: PostgreSQL'
    expect(await resultOf({ kind: 'error', class: failureClass, error, durationMs: 7 })).toEqual({
      success: false,
      response_status: null,
      response_time_ms: 7,
      error: words,
    })
  })
})
