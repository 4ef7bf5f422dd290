import { exitCodes } from '../failure.ts'
import { indented } from './events.ts'
import { type Output, plain, shortTime, statusStyle } from './output.ts'
import { take } from './page.ts'
import type { Session } from './session.ts'

export interface DeliveryFilter {
  webhook?: string
  type?: string
  code?: '2xx' | '3xx' | '4xx' | '5xx' | 'none'
  since?: string
  until?: string
}

interface ListOptions extends DeliveryFilter {
  status?: 'pending' | 'delivering' | 'delivered' | 'failed'
  event?: string
  limit: number
}

export async function listDeliveries(
  session: Session,
  _args: string[],
  { status, event, limit, ...filter }: ListOptions,
): Promise<number> {
  const { output } = session
  const project = await session.project()
  const asked = { ...queryOf(filter), ...(status && { status }), ...(event && { event_id: event }) }
  const page = await take((query) => project.listDeliveries({ ...query, ...asked }), limit)
  if (output.isJson) output.json(page)
  else if (page.deliveries.length === 0) output.line('no deliveries')
  else {
    output.table(page.deliveries, [
      { title: 'ID', text: ({ id }) => id },
      { title: 'EVENT TYPE', text: ({ event_type }) => event_type },
      { title: 'STATUS', text: (delivery) => delivery.status, style: (row) => statusStyle(row.status) },
      { title: 'ATTEMPTS', text: ({ attempts, max_attempts }) => `${attempts}/${max_attempts}` },
      { title: 'CREATED', text: ({ created_at }) => shortTime(created_at) },
      { title: 'LAST', text: ({ last_error, last_response_status }) => last_error ?? last_response_status },
    ])
  }
  return exitCodes.done
}

/** With the names of the API. */
export function queryOf({ webhook, type, code, since, until }: DeliveryFilter) {
  return {
    ...(webhook && { webhook_id: webhook }),
    ...(type && { event_type: type }),
    ...(code && { code }),
    ...(since && { since }),
    ...(until && { until }),
  }
}

export async function showDelivery(session: Session, [id]: string[]): Promise<number> {
  const { output } = session
  const project = await session.project()
  const [delivery, { attempts }] = await Promise.all([project.getDelivery(id!), project.listAttempts(id!)])
  if (output.isJson) {
    output.json({ ...delivery, attempt_history: attempts })
    return exitCodes.done
  }
  output.fields([
    ['id', delivery.id],
    ['webhook', delivery.webhook_id],
    ['event', `${delivery.event_id} (${delivery.event_type})`],
    ['status', delivery.status],
    ['attempts', `${delivery.attempts} of ${delivery.max_attempts}`],
    ['created', delivery.created_at],
    ...(delivery.status === 'pending' ? [['next try', delivery.scheduled_at] as const] : []),
    ['delivered', delivery.delivered_at],
    ['last error', delivery.last_error],
  ])
  const { payload_expired_at } = delivery
  if (payload_expired_at === null) output.line(`\n${indented(delivery.payload)}\n`)
  else output.line(`\nits payload has expired, ${shortTime(payload_expired_at)}\n`)
  showAttempts(output, attempts)
  return exitCodes.done
}

interface Attempt {
  attempt: number
  started_at: string
  duration_ms: number | null
  response_status: number | null
  response_body: string | null
  error: string | null
  outcome: string
}

const shownBody = 60

function showAttempts(output: Output, attempts: readonly Attempt[]): void {
  if (attempts.length === 0) output.line('not tried yet')
  else {
    output.table(attempts, [
      { title: 'ATTEMPT', text: ({ attempt }) => attempt },
      { title: 'STARTED', text: ({ started_at }) => shortTime(started_at) },
      { title: 'MS', text: ({ duration_ms }) => duration_ms },
      { title: 'OUTCOME', text: ({ outcome }) => outcome, style: ({ outcome }) => statusStyle(outcome) },
      { title: 'ANSWER', text: ({ response_status, error }) => error ?? response_status },
      { title: 'BODY', text: ({ response_body }) => plain(response_body ?? '').slice(0, shownBody) },
    ])
  }
}
