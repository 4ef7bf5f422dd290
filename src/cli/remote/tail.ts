import type { LiveDelivery } from '../../client/client.ts'
import { exitCodes } from '../failure.ts'
import { connectionChanges } from './connection-changes.ts'
import { type Output, plain, statusStyle } from './output.ts'
import type { Session } from './session.ts'
import { untilSignal } from './until-signal.ts'

interface TailOptions {
  webhook?: string
  type?: string
}

/** Deliveries as they happen, until a signal. */
export async function tail(
  session: Session,
  _args: string[],
  { webhook, type }: TailOptions,
): Promise<number> {
  const { output } = session
  const project = await session.reachedProject()
  if (webhook !== undefined) await project.getWebhook(webhook)
  const { signal } = untilSignal()
  const messages = project.streamDeliveries({
    signal,
    onConnection: connectionChanges((state, error) => {
      if (state === 'open') output.note(`watching the deliveries of project ${project.id}; Ctrl-C ends it`)
      else output.note(`the connection was lost, trying again${error ? `: ${error.detail}` : ''}`)
    }),
  })
  for await (const { event, data } of messages) {
    if (event === 'gap') {
      if (output.isJson) output.jsonLine({ event, ...data })
      else output.note(`something is missing here (${data.reason}): 'postrider deliveries list' shows it`)
      continue
    }
    const { delivery } = data
    if (webhook !== undefined && delivery.webhook_id !== webhook.toLowerCase()) continue
    if (type !== undefined && delivery.event_type !== type) continue
    if (output.isJson) output.jsonLine({ event, ...data })
    else output.line(lineOf(output, data))
  }
  return exitCodes.done
}

function lineOf(output: Output, { change, delivery, attempt }: LiveDelivery): string {
  const { id, event_type, status, attempts, max_attempts } = delivery
  if (change === 'created' || !attempt) {
    const time = delivery.created_at.slice(11, 19)
    return `${time}  ${'new'.padEnd(11)}  ${event_type}  ${id}`
  }
  const outcome = output.style(statusStyle(attempt.outcome), attempt.outcome.padEnd(11))
  const answer = attempt.error ?? attempt.response_status ?? ''
  const went = status === 'pending' ? `, ${attempts} of ${max_attempts}` : ''
  const took = attempt.duration_ms === null ? '' : `  ${attempt.duration_ms} ms`
  return `${attempt.started_at.slice(11, 19)}  ${outcome}  ${event_type}  ${id}  ${plain(String(answer))}${took}${went}`
}
