import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { Queryable } from '../database/database.ts'
import { newId } from '../ids.ts'
import type { WebhookTarget } from '../registry/webhooks.ts'
import { compileShape, type ShapeSource } from '../shape/shape.ts'
import { ShapeError } from '../shape/shape-error.ts'
import type { FailureClass } from './failure.ts'
import { judge } from './judge.ts'
import type { Sender } from './send.ts'
import { sign } from './sign.ts'

export interface TestEvent {
  type?: string | undefined
  /** JSON text. */
  data?: string | undefined
}

export const usualTest = { type: 'webhook.test', data: '{"message":"A test from Postrider"}' }

export type TestResult = {
  success: boolean
  response_status: number | null
  response_time_ms: number | null
} & ({ message: string } | { error: string })

/**
 * Sends one event now, through the same signing and guard as any delivery, and stores nothing. One that the webhook's
 * filter keeps back is not sent. What went wrong with the
 * network is told in classes only, or a test would be a way to look around from where the server stands.
 */
export async function sendTest(
  queryable: Queryable,
  target: WebhookTarget,
  { type = usualTest.type, data = usualTest.data }: TestEvent,
  { sender, clock }: { sender: Sender; clock: Clock },
): Promise<TestResult> {
  const now = clock.now()
  const eventId = newId()
  const { rows } = await queryable.query<{ body: string }>(
    `SELECT postrider.envelope(
       $1::uuid, $2::uuid, $3::text, $4::jsonb::text, $5::uuid, $6::text, $7::timestamptz
     ) AS body`,
    [target.projectId, eventId, type, data, target.application_id, target.environment_name, now],
  )
  const sent = shaped(rows[0]!.body, target.shape)
  if ('error' in sent) return { success: false, response_status: null, response_time_ms: null, ...sent }
  const request = sign(
    {
      eventId,
      eventType: type,
      deliveryId: randomUUID(),
      attempt: 1,
      body: sent.body,
      secrets: target.secrets,
      headers: target.headers,
      url: target.url,
    },
    now,
  )
  const answer = await sender.send(request, { timeoutMs: target.timeout_ms })
  const { kind, error } = judge(
    answer,
    { attempts: 0, maxAttempts: 1 },
    { now, retrySeconds: [], random: Math.random },
  )
  const result = {
    response_status: answer.kind === 'answer' ? answer.status : null,
    response_time_ms: answer.durationMs,
  }
  if (kind === 'delivered')
    return { success: true, ...result, message: 'The endpoint accepted the test event.' }
  return { success: false, ...result, error: answer.kind === 'error' ? classWords[answer.class] : error }
}

/** The body, or why it would not be sent. */
function shaped(envelope: string, source: ShapeSource): { body: string } | { error: string } {
  const shape = compileShape(source)
  const verdict = shape.judge(envelope)
  if (!verdict.matches) return { error: `not sent: ${verdict.reason}` }
  try {
    return { body: shape.bodyOf(envelope) }
  } catch (error) {
    if (error instanceof ShapeError) return { error: `not sent: ${error.message}` }
    throw error
  }
}

/** Which kind of thing went wrong, and nothing of what was seen: no address that a name resolved to, no words of others. */
const classWords: Record<FailureClass, string> = {
  timeout: 'timeout: no whole answer within the deadline',
  refused: 'connection refused',
  network: 'the connection failed',
  tls: 'TLS failed: the certificate or the protocol of the endpoint was not accepted',
  blocked: 'blocked: the address is not one that webhooks may be sent to',
  dns: 'host not found: the name does not resolve',
  proxy: 'the egress proxy did not let the connection through',
  protocol: 'the answer is no valid HTTP',
  request: 'the request could not be sent',
  aborted: 'stopped before an answer',
}
