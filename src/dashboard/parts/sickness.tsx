import type { Webhook } from '../api/types.ts'
import { Icon } from './icons.tsx'
import { Badge } from './status.tsx'
import { Ago, Countdown, Moment } from './time.tsx'

/** What is wrong with an endpoint, before its webhook becomes inactive. */

type Sickness = Pick<Webhook, 'failing_since' | 'disables_at' | 'down_since' | 'next_probe_at'>

/** Beside the state of a webhook in a list: nothing, while it is well. */
export function SickBadge({ webhook }: { webhook: Sickness }) {
  if (webhook.down_since !== null) {
    return (
      <Badge tone="red" icon="failed">
        Endpoint down
      </Badge>
    )
  }
  if (webhook.failing_since === null || !isLong(webhook.failing_since)) return null
  return (
    <Badge tone="orange" icon="failed">
      Failing <Ago at={webhook.failing_since} />
    </Badge>
  )
}

/** On the page of a webhook: since when, what is done about it, and when that ends. */
export function SickNotice({ webhook }: { webhook: Sickness }) {
  const { failing_since, disables_at, down_since, next_probe_at } = webhook
  const isFailing = failing_since !== null && isLong(failing_since)
  if (down_since === null && !isFailing) return null
  return (
    <div className="card sick" role="status">
      <span className="notice-icon red">
        <Icon name="warning" size={18} />
      </span>
      <div className="stack tight">
        {down_since !== null && (
          <p>
            <strong>The endpoint is down</strong> since <Moment at={down_since} />. Deliveries wait at their
            place, and one goes out now and then to find out whether it is back
            {next_probe_at !== null && (
              <>
                {' '}
                (next: <Countdown to={next_probe_at} due="with the next delivery" />)
              </>
            )}
            .
          </p>
        )}
        {isFailing && (
          <p>
            Every attempt has failed since <Moment at={failing_since} />.
            {disables_at !== null && (
              <>
                {' '}
                If that goes on, this webhook becomes inactive at <Moment at={disables_at} />.
              </>
            )}
          </p>
        )}
      </div>
    </div>
  )
}

/** What fails for a few minutes is tried again, and no news. */
function isLong(since: string): boolean {
  return Date.now() - Date.parse(since) > 3_600_000
}
