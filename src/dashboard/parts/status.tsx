import type { Delivery, DeliveryStatus, Webhook } from '../api/types.ts'
import { Icon, type IconName } from './icons.tsx'
import { Countdown, useNow } from './time.tsx'

/** Colour, icon and word: never colour alone. */

export type Tone = 'green' | 'blue' | 'amber' | 'red' | 'orange' | 'grey'

export function Badge({ tone, icon, children }: { tone: Tone; icon?: IconName; children: React.ReactNode }) {
  return (
    <span className={`badge ${tone}`}>
      {icon && <Icon name={icon} size={12} />}
      <span>{children}</span>
    </span>
  )
}

export const statusLooks: Record<DeliveryStatus, { tone: Tone; icon: IconName; word: string }> = {
  delivered: { tone: 'green', icon: 'delivered', word: 'Delivered' },
  delivering: { tone: 'blue', icon: 'delivering', word: 'Delivering' },
  pending: { tone: 'amber', icon: 'pending', word: 'Pending' },
  failed: { tone: 'red', icon: 'failed', word: 'Failed' },
}

export function StatusBadge({ status }: { status: DeliveryStatus }) {
  const { tone, icon, word } = statusLooks[status]
  return (
    <Badge tone={tone} icon={icon}>
      {word}
    </Badge>
  )
}

/** A delivery's status; one that waits counts down to its next try. */
export function DeliveryState({ delivery }: { delivery: Pick<Delivery, 'status' | 'scheduled_at'> }) {
  const nowMs = useNow()
  if (delivery.status !== 'pending' || Date.parse(delivery.scheduled_at) <= nowMs)
    return <StatusBadge status={delivery.status} />
  return (
    <Badge tone="amber" icon="pending">
      Pending <Countdown to={delivery.scheduled_at} />
    </Badge>
  )
}

const reasons: Record<string, string> = {
  gone: 'the receiver answered 410 Gone',
  failing: 'every attempt failed for days',
  application_deleted: 'its application was deleted',
  invalid_url: 'its URL has no host',
}

export function reasonWords({ disabled_reason }: Pick<Webhook, 'disabled_reason'>): string | null {
  return disabled_reason === null ? null : (reasons[disabled_reason] ?? disabled_reason)
}

export function WebhookState({ webhook }: { webhook: Pick<Webhook, 'is_active' | 'disabled_reason'> }) {
  if (webhook.is_active) {
    return (
      <Badge tone="green" icon="delivered">
        Active
      </Badge>
    )
  }
  const reason = reasonWords(webhook)
  return (
    <span title={reason ? `Inactive: ${reason}` : undefined}>
      <Badge tone="grey" icon="inactive">
        Inactive
      </Badge>
    </span>
  )
}

/** What was answered: 2xx green, 3xx and 4xx orange, 5xx and what is no answer red. */
export function AnswerCode({ status, error }: { status: number | null; error?: string | null }) {
  if (status === null && !error) return <span className="muted">–</span>
  if (status === null) return <span className="answer red">{error}</span>
  return <span className={`answer mono ${toneOfCode(status)}`}>{status}</span>
}

export function toneOfCode(status: number): Tone {
  if (status >= 200 && status < 300) return 'green'
  return status >= 300 && status < 500 ? 'orange' : 'red'
}
