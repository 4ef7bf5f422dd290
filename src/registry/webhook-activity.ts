import type { AddressPolicy } from '../address.ts'
import { PostriderError } from '../contract/errors.ts'
import { invalid } from '../contract/validate.ts'
import type { Webhook, WebhookChanges } from '../contract/webhooks.ts'
import type { WebhookRow } from './webhook-rows.ts'
import { checkedUrl } from './webhook-rules.ts'

/** What a change makes of `is_active` and `disabled_reason`. */
export function activity(
  before: WebhookRow,
  changes: WebhookChanges,
): Pick<Webhook, 'is_active' | 'disabled_reason'> {
  const isFilterLost =
    before.disabled_reason === 'application_deleted' && changes.application_id === undefined
  if (changes.is_active === true && isFilterLost) {
    throw new PostriderError(
      'conflict',
      'The application of this webhook was deleted: name the application_id that it is for now, or null for all of them.',
    )
  }
  if (changes.is_active !== undefined) return { is_active: changes.is_active, disabled_reason: null }
  // The filter is set anew: what stopped it is settled, and it can be made active whenever its owner likes.
  const isSettled = before.disabled_reason === 'application_deleted' && !isFilterLost
  return { is_active: before.is_active, disabled_reason: isSettled ? null : before.disabled_reason }
}

/** A row from before these rules may hold what they refuse. */
export function checkReactivated(webhook: WebhookRow, policy: AddressPolicy): Pick<Webhook, 'url'> {
  if (webhook.event_types.length === 0) {
    throw invalid([{ path: 'event_types', message: 'must have at least 1 entry' }])
  }
  return { url: checkedUrl(webhook.url, policy) }
}

/** What a webhook shows that was made active or inactive, or goes elsewhere: it starts anew, see the trigger of the table. */
export const unharmed = { failing_since: null, down_since: null, next_probe_at: null }

/** When a webhook becomes inactive that goes on failing; `days` 0: never. */
export function disablesAt({ failing_since }: Pick<WebhookRow, 'failing_since'>, days: number): Date | null {
  if (failing_since === null || days === 0) return null
  return new Date(failing_since.getTime() + days * 86_400_000)
}
