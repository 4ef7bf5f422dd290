/** What each page of the dashboard asks the server for, as it does, and what its buttons count first. */

export interface Call {
  /** Below the project. */
  path: string
  /** Sent by POST. */
  body?: object
}

export interface Ids {
  webhook: string
  delivery: string
  event: string
}

const ranges = { '1 h': 1, '24 h': 24, '7 d': 168, '30 d': 720 }

export function pagesOf({ webhook, delivery, event }: Ids, now: Date): Record<string, Call[]> {
  const ago = (hours: number) => new Date(now.getTime() - hours * 3_600_000).toISOString()
  const calls = (...paths: string[]): Call[] => paths.map((path) => ({ path }))
  const list = (filter: string) => `deliveries?limit=50&${filter}`
  const count = (job: object): Call => ({ path: 'jobs', body: { ...job, dry_run: true } })
  const overTime = Object.entries(ranges).flatMap(([name, hours]) => [
    [`Overview, ${name}`, calls(`statistics?since=${ago(hours)}`, `statistics/failures?since=${ago(hours)}`)],
    [
      `Webhooks, ${name}`,
      calls(
        `statistics/webhooks?limit=25&since=${ago(hours)}`,
        `statistics/webhooks?limit=100&since=${ago(hours)}`,
      ),
    ],
    [`One webhook, ${name}`, calls(`webhooks/${webhook}/statistics?since=${ago(hours)}`)],
    [`Event types, ${name}`, calls(`statistics/event-types?since=${ago(hours)}`)],
  ])
  return {
    ...Object.fromEntries(overTime),
    Deliveries: calls(
      list(''),
      list(`since=${ago(720)}`),
      list('status=failed'),
      list('status=pending'),
      list('status=delivering'),
      list('status=delivered'),
      list('code=2xx'),
      list('code=4xx'),
      list('code=5xx'),
      list('code=none'),
      list('event_type=type.0'),
      list('event_type=type.rare'),
      list('event_type=type.never'),
      list(`since=${ago(240)}&until=${ago(239)}`),
      list(`webhook_id=${webhook}`),
      list(`webhook_id=${webhook}&status=failed`),
      list(`webhook_id=${webhook}&code=5xx&event_type=type.1`),
      'jobs?limit=5',
    ),
    'One delivery': calls(`deliveries/${delivery}`, `deliveries/${delivery}/attempts`, `webhooks/${webhook}`),
    'Webhooks and one of them': calls(
      'webhooks?limit=50',
      'webhooks?limit=100',
      `webhooks/${webhook}/deliveries?limit=10`,
      `webhooks/${webhook}/filtered-deliveries?limit=50`,
    ),
    Events: calls(
      'events?limit=50',
      'events?limit=100',
      'events?limit=50&type=type.rare',
      'events?limit=50&type=type.never',
      `events/${event}`,
    ),
    Find: calls(
      `search?q=${delivery.slice(0, 8)}`,
      `search?q=${delivery}`,
      'search?q=hook',
      'search?q=nothing',
    ),
    'Applications, keys, people, audit': calls('applications', 'api-keys', 'members', 'audit-log?limit=50'),
    'Counting before a job': [
      count({ kind: 'retry', filter: { status: 'failed' } }),
      count({ kind: 'retry', filter: { status: 'failed', code: '5xx', event_type: 'type.1' } }),
      count({ kind: 'retry', filter: { status: 'delivered', since: ago(24) } }),
      count({ kind: 'retry', filter: { delivery_ids: [delivery] } }),
      count({ kind: 'cancel' }),
      count({ kind: 'send_waiting_now', filter: { webhook_id: webhook } }),
      count({ kind: 'backfill', filter: { webhook_id: webhook, since: ago(48) } }),
    ],
  }
}
