import { Link } from 'wouter'
import { usePath } from '../api/project.ts'
import type { EventDetails, Webhook } from '../api/types.ts'
import { Empty } from '../parts/states.tsx'
import { WebhookState } from '../parts/status.tsx'
import { type Column, Table } from '../parts/table.tsx'
import { useCurl, useWebhooks } from '../parts/webhook-name.tsx'
import { matches } from './webhook-form.ts'

const shown = 20

/** Why an event went nowhere: what each webhook wants instead, as it stands now. */
export function WhyNothing({ event }: { event: EventDetails }) {
  const path = usePath()
  const curl = useCurl()
  const isFiltered = new Set(event.filtered.map(({ webhook_id }) => webhook_id))
  const others = [...useWebhooks().values()].filter(({ id }) => !isFiltered.has(id))
  if (others.length === 0) {
    return (
      <Empty
        icon="webhooks"
        title="It matched no webhook"
        curl={curl('POST', '/webhooks', {
          name: 'Billing',
          url: 'https://example.com/webhooks',
          event_types: [event.type],
        })}
      >
        There is no {isFiltered.size > 0 && 'other '}webhook yet. One that is made now can be given it from
        its page, by <em>Replay from a time</em>.
      </Empty>
    )
  }
  const columns: Column<Webhook>[] = [
    {
      name: 'name',
      head: 'Webhook',
      cell: ({ id, name }) => (
        <Link href={path(`/webhooks/${id}`)} className="row-title anywhere">
          {name}
        </Link>
      ),
    },
    { name: 'state', head: 'State', cell: (webhook) => <WebhookState webhook={webhook} /> },
    {
      name: 'why',
      head: 'Did not match, because',
      isWide: 'most',
      cell: (webhook) => <span className="anywhere">{whyNot(webhook, event)}</span>,
    },
  ]
  return (
    <>
      <Table
        label="Why nothing was sent"
        columns={columns}
        rows={others.slice(0, shown)}
        keyOf={({ id }) => id}
        to={({ id }) => path(`/webhooks/${id}`)}
      />
      <p className="soft small card-foot">
        As the webhooks stand now
        {others.length > shown && `, the newest ${shown} of ${others.length}`}. One that should have got it is
        given it from its page, by <em>Replay from a time</em>.
      </p>
    </>
  )
}

/** The first of the conditions that does not hold; all of them hold where the webhook was another one then. */
function whyNot(webhook: Webhook, event: EventDetails): string {
  const { event_types, application_id, environment_name } = webhook
  if (!event_types.some((pattern) => matches(pattern, event.type)))
    return `it wants ${event_types.slice(0, 5).join(', ')}${event_types.length > 5 ? ' …' : ''}`
  if (application_id !== null && application_id !== event.application_id)
    return 'it is for another application'
  if (environment_name !== null && environment_name !== event.environment_name)
    return `it is for the environment ${environment_name} alone`
  if (Date.parse(webhook.created_at) > Date.parse(event.created_at))
    return 'it was created after the event was published'
  return webhook.is_active ? 'it was inactive or wanted other events then' : 'it is inactive'
}
