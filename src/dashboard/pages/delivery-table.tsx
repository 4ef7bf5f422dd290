import { Checkbox } from '@mantine/core'
import { Link } from 'wouter'
import { usePath } from '../api/project.ts'
import type { Delivery } from '../api/types.ts'
import { Id } from '../parts/copy.tsx'
import { AnswerCode, DeliveryState } from '../parts/status.tsx'
import { type Column, Table } from '../parts/table.tsx'
import { Ago } from '../parts/time.tsx'
import { useWebhooks, WebhookName } from '../parts/webhook-name.tsx'
import { durationWords } from '../parts/words.ts'

interface DeliveryTableProps {
  rows: Delivery[]
  /** Left out where all are of one webhook. */
  withWebhook?: boolean
  /** Left out where all are of one event. */
  withType?: boolean
  /** Beside something else: without the ids. */
  isCompact?: boolean
  /** The ids that are chosen, and how to choose others; without it none can be. */
  chosen?: { ids: Set<string>; choose: (ids: Set<string>) => void }
}

export function DeliveryTable({
  rows,
  withWebhook = true,
  withType = true,
  isCompact = false,
  chosen,
}: DeliveryTableProps) {
  const path = usePath()
  const webhooks = useWebhooks()
  const to = ({ id }: Delivery) => path(`/deliveries/${id}`)
  const columns: (Column<Delivery> | false | undefined)[] = [
    chosen && choosing(rows, chosen),
    { name: 'status', head: 'Status', cell: (row) => <DeliveryState delivery={row} /> },
    withType && {
      name: 'type',
      head: 'Event type',
      isWide: true,
      cell: (row) => (
        <Link href={to(row)} className="row-title mono">
          {row.event_type}
        </Link>
      ),
    },
    withWebhook && {
      name: 'webhook',
      head: 'Webhook',
      isWide: !withType,
      cell: (row) =>
        withType ? (
          <WebhookName id={row.webhook_id} name={webhooks.get(row.webhook_id)?.name} />
        ) : (
          <Link href={to(row)} className="row-title">
            {webhooks.get(row.webhook_id)?.name ?? row.webhook_id}
          </Link>
        ),
    },
    {
      name: 'attempts',
      head: 'Attempts',
      align: 'right',
      narrow: 'hidden',
      cell: (row) => (
        <span className="num" title={`${row.attempts} of at most ${row.max_attempts}`}>
          {row.attempts}
          <span className="muted"> / {row.max_attempts}</span>
        </span>
      ),
    },
    {
      name: 'answer',
      head: 'Last answer',
      cell: (row) => (
        <AnswerCode
          status={row.last_response_status}
          error={row.status === 'delivered' ? null : row.last_error}
        />
      ),
    },
    {
      name: 'took',
      head: 'Delivered in',
      align: 'right',
      narrow: 'hidden',
      cell: (row) => <TookFor delivery={row} />,
    },
    !isCompact && { name: 'id', head: 'Id', narrow: 'hidden', cell: (row) => <Id id={row.id} /> },
    { name: 'created', head: 'Created', align: 'right', cell: (row) => <Ago at={row.created_at} /> },
  ]
  return (
    <Table
      label="Deliveries"
      rows={rows}
      keyOf={({ id }) => id}
      to={to}
      columns={columns.filter((column): column is Column<Delivery> => Boolean(column))}
    />
  )
}

function choosing(
  rows: Delivery[],
  { ids, choose }: NonNullable<DeliveryTableProps['chosen']>,
): Column<Delivery> {
  const isAll = rows.length > 0 && rows.every(({ id }) => ids.has(id))
  return {
    name: 'choose',
    head: (
      <Checkbox
        size="xs"
        aria-label="Select all that are shown"
        checked={isAll}
        indeterminate={!isAll && ids.size > 0}
        onChange={() => choose(isAll ? new Set() : new Set(rows.map(({ id }) => id)))}
      />
    ),
    cell: ({ id, event_type }) => (
      <Checkbox
        size="xs"
        aria-label={`Select ${event_type} ${id}`}
        checked={ids.has(id)}
        onChange={() => {
          const next = new Set(ids)
          if (!next.delete(id)) next.add(id)
          choose(next)
        }}
      />
    ),
  }
}

/** From its creation to the answer that delivered it. */
function TookFor({ delivery: { created_at, delivered_at } }: { delivery: Delivery }) {
  if (!delivered_at) return <span className="muted">–</span>
  return (
    <span className="num nowrap">
      {durationWords(Math.max(0, Date.parse(delivered_at) - Date.parse(created_at)))}
    </span>
  )
}
