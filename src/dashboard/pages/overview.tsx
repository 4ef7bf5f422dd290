import { Link } from 'wouter'
import { useLiveRefresh } from '../api/live.ts'
import { usePath } from '../api/project.ts'
import { useProjectQuery } from '../api/queries.ts'
import type { Failures, Statistics } from '../api/types.ts'
import { LiveSwitch, RangeControl, useLive, useRange, useSince } from '../parts/filters.tsx'
import { Card, Page } from '../parts/page.tsx'
import { Empty, Loaded } from '../parts/states.tsx'
import { AnswerCode, WebhookState } from '../parts/status.tsx'
import { type Column, Table } from '../parts/table.tsx'
import { Ago } from '../parts/time.tsx'
import { useCurl } from '../parts/webhook-name.tsx'
import { exactCount, percent } from '../parts/words.ts'
import { DeliveryTable } from './delivery-table.tsx'
import { Figures, StatisticsCharts } from './statistics.tsx'

/** What keeps figures fresh where nobody switched Live on. */
const refreshMs = 30_000

export default function Overview() {
  const since = useSince(useRange())
  const statistics = useProjectQuery<Statistics>('/statistics', { query: { since }, everyMs: refreshMs })
  const failures = useProjectQuery<Failures>('/statistics/failures', { query: { since }, everyMs: refreshMs })
  useLiveRefresh(useLive())
  return (
    <Page
      title="Overview"
      actions={
        <>
          <RangeControl />
          <LiveSwitch />
        </>
      }
    >
      <Loaded query={statistics}>
        {(known) => (
          <>
            <Figures statistics={known} />
            {isQuiet(known) ? <Quiet /> : <StatisticsCharts statistics={known} />}
          </>
        )}
      </Loaded>
      <Loaded query={failures} rows={4}>
        {(known) => (
          <>
            {known.webhooks.length > 0 && (
              <Card title="Webhooks that fail most" flush>
                <FailingWebhooks webhooks={known.webhooks} />
              </Card>
            )}
            {known.deliveries.length > 0 && (
              <Card title="Newest failures" flush>
                <DeliveryTable rows={known.deliveries} />
              </Card>
            )}
          </>
        )}
      </Loaded>
    </Page>
  )
}

function isQuiet({ totals, backlog }: Statistics): boolean {
  return !totals.published && totals.delivered + totals.retry + totals.failed === 0 && backlog.count === 0
}

function Quiet() {
  const path = usePath()
  const curl = useCurl()
  return (
    <Empty
      icon="overview"
      title="Nothing happened in this time"
      curl={curl('POST', '/events', { type: 'config.deployed', data: { version: 7 } })}
    >
      <Link href={path('/webhooks/new')}>Create a webhook</Link> and a <Link href={path('/keys')}>key</Link>,
      then publish an event, by hand under <Link href={path('/events')}>Events</Link> or by a program:
    </Empty>
  )
}

type FailingWebhook = Failures['webhooks'][number]

function FailingWebhooks({ webhooks }: { webhooks: FailingWebhook[] }) {
  const path = usePath()
  const to = ({ webhook_id }: FailingWebhook) => path(`/webhooks/${webhook_id}`)
  const columns: Column<FailingWebhook>[] = [
    {
      name: 'name',
      head: 'Webhook',
      isWide: true,
      cell: (row) => (
        <div className="two-lines">
          <Link href={to(row)} className="row-title truncate">
            {row.name}
          </Link>
          <span className="mono muted truncate">{row.url}</span>
        </div>
      ),
    },
    {
      name: 'state',
      head: 'State',
      narrow: 'hidden',
      cell: (row) => <WebhookState webhook={{ is_active: row.is_active, disabled_reason: null }} />,
    },
    {
      name: 'failed',
      head: 'Failed attempts',
      align: 'right',
      cell: (row) => <span className="num">{exactCount(row.retry + row.failed)}</span>,
    },
    {
      name: 'rate',
      head: 'Success',
      align: 'right',
      cell: (row) => <span className="num">{percent(row.success_rate)}</span>,
    },
    { name: 'error', head: 'Last error', cell: (row) => <LastError error={row.last_error} /> },
    {
      name: 'at',
      head: 'When',
      align: 'right',
      narrow: 'hidden',
      cell: (row) => <Ago at={row.last_error_at} />,
    },
  ]
  return (
    <Table
      label="Webhooks that fail most"
      columns={columns}
      rows={webhooks}
      keyOf={({ webhook_id }) => webhook_id}
      to={to}
    />
  )
}

/** `http 503` is shown as its code. */
export function LastError({ error }: { error: string | null }) {
  const [, code] = /^http (\d{3})$/.exec(error ?? '') ?? []
  return <AnswerCode status={code ? Number(code) : null} error={error} />
}
