import { Link } from 'wouter'
import { usePath } from '../api/project.ts'
import { useProjectList } from '../api/queries.ts'
import type { FilteredDelivery, Webhook } from '../api/types.ts'
import { Empty, Loading, Problem } from '../parts/states.tsx'
import { Badge } from '../parts/status.tsx'
import { type Column, More, Table } from '../parts/table.tsx'
import { Ago } from '../parts/time.tsx'
import { useCurl, useWebhooks, WebhookName } from '../parts/webhook-name.tsx'
import { visible } from '../parts/words.ts'
import { exampleType } from './webhook-form.ts'

/** The events that the filter of a webhook kept back, and why. */
export function FilteredDeliveries({ webhook }: { webhook: Webhook }) {
  const curl = useCurl()
  const path = usePath()
  const list = useProjectList<'filtered_deliveries', FilteredDelivery>(
    'filtered_deliveries',
    `/webhooks/${webhook.id}/filtered-deliveries`,
    { query: { limit: 50 }, everyMs: 10_000 },
  )
  if (list.error && !list.items) return <Problem error={list.error} retry={() => void list.refetch()} />
  if (!list.items) return <Loading rows={6} />
  if (list.items.length === 0) {
    return (
      <Empty
        icon="inactive"
        title={webhook.filter === null ? 'It has no filter' : 'Its filter kept nothing back'}
        curl={curl('POST', '/webhooks/preview', {
          filter: webhook.filter ?? 'event.data.amount > 100',
          event: { type: exampleType(webhook), data: { amount: 120 } },
        })}
      >
        Events that match by their type, and that the filter of the{' '}
        <Link href={path(`/webhooks/${webhook.id}/settings`)}>settings</Link> does not let through, are listed
        here with the reason. Try one:
      </Empty>
    )
  }
  return (
    <div className="card">
      <FilteredTable rows={list.items} withWebhook={false} />
      <More query={list} />
    </div>
  )
}

interface FilteredTableProps {
  rows: FilteredDelivery[]
  /** Of one webhook, or of one event. */
  withWebhook: boolean
}

export function FilteredTable({ rows, withWebhook }: FilteredTableProps) {
  const path = usePath()
  const webhooks = useWebhooks()
  const to = ({ event_id, webhook_id }: FilteredDelivery) =>
    path(withWebhook ? `/webhooks/${webhook_id}/filtered` : `/events/${event_id}`)
  const columns: Column<FilteredDelivery>[] = [
    {
      name: 'state',
      head: 'State',
      cell: () => (
        <Badge tone="grey" icon="inactive">
          Kept back
        </Badge>
      ),
    },
    withWebhook
      ? {
          name: 'webhook',
          head: 'Webhook',
          cell: (row) => <WebhookName id={row.webhook_id} name={webhooks.get(row.webhook_id)?.name} />,
        }
      : {
          name: 'type',
          head: 'Event type',
          cell: (row) => (
            <Link href={to(row)} className="row-title mono">
              {row.event_type}
            </Link>
          ),
        },
    {
      name: 'reason',
      head: 'Because',
      isWide: 'most',
      cell: (row) => (
        <div className="two-lines">
          <span className="anywhere">{visible(row.reason)}</span>
          {row.filter !== null && <span className="mono muted anywhere">{visible(row.filter)}</span>}
        </div>
      ),
    },
    { name: 'at', head: 'Published', align: 'right', cell: (row) => <Ago at={row.created_at} /> },
  ]
  return <Table label="Kept back" columns={columns} rows={rows} keyOf={({ id }) => id} to={to} />
}
