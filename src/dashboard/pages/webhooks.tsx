import { Button, Skeleton, Switch } from '@mantine/core'
import { Link } from 'wouter'
import { useLiveRefresh } from '../api/live.ts'
import { usePath } from '../api/project.ts'
import { useProjectChange, useProjectList } from '../api/queries.ts'
import type { Webhook, WebhookSummary } from '../api/types.ts'
import { LiveSwitch, RangeControl, useLive, useRange, useSince } from '../parts/filters.tsx'
import { Icon } from '../parts/icons.tsx'
import { Page } from '../parts/page.tsx'
import { attemptsWord, Sparkline } from '../parts/sparkline.tsx'
import { Empty, Loading, Problem } from '../parts/states.tsx'
import { SickBadge } from '../parts/sickness.tsx'
import { reasonWords, WebhookState } from '../parts/status.tsx'
import { type Column, More, Table } from '../parts/table.tsx'
import { Duration } from '../parts/time.tsx'
import { tellError } from '../parts/toasts.tsx'
import { useCurl } from '../parts/webhook-name.tsx'
import { percent } from '../parts/words.ts'
import { useMay } from '../shell/project.ts'
import { LastError } from './overview.tsx'

export default function Webhooks() {
  const path = usePath()
  const mayManage = useMay('manage')
  useLiveRefresh(useLive())
  return (
    <Page
      title="Webhooks"
      actions={
        <>
          <RangeControl />
          <LiveSwitch />
          {mayManage && (
            <Button
              component={Link}
              href={path('/webhooks/new')}
              leftSection={<Icon name="plus" size={14} />}
            >
              Create webhook
            </Button>
          )}
        </>
      }
    >
      <WebhookList />
    </Page>
  )
}

/** Of each a month of hours is summed up, which takes a millisecond or two. */
const limit = 25

function WebhookList() {
  const path = usePath()
  const curl = useCurl()
  const since = useSince(useRange())
  const list = useProjectList<'webhooks', Webhook>('webhooks', '/webhooks', { query: { limit } })
  const summaries = useProjectList<'webhooks', WebhookSummary>('webhooks', '/statistics/webhooks', {
    query: { since, limit },
    everyMs: 30_000,
  })
  if (list.error && !list.items) return <Problem error={list.error} retry={() => void list.refetch()} />
  if (!list.items) return <Loading />
  if (list.items.length === 0) {
    return (
      <Empty
        icon="webhooks"
        title="No webhooks yet"
        curl={curl('POST', '/webhooks', {
          name: 'Billing',
          url: 'https://example.com/webhooks',
          event_types: ['config.*'],
        })}
        action={
          <Button component={Link} href={path('/webhooks/new')}>
            Create webhook
          </Button>
        }
      >
        A webhook is where events are sent, and which of them.
      </Empty>
    )
  }
  const both = {
    hasNextPage: list.hasNextPage,
    isFetchingNextPage: list.isFetchingNextPage,
    fetchNextPage: () => Promise.all([list.fetchNextPage(), summaries.fetchNextPage()]),
  }
  const byId = new Map(summaries.items?.map((summary) => [summary.webhook_id, summary]))
  return (
    <div className="card">
      <WebhookTable rows={list.items} summaries={byId} isLoading={summaries.isLoading} />
      <More query={both} />
    </div>
  )
}

function WebhookTable({
  rows,
  summaries,
  isLoading,
}: {
  rows: Webhook[]
  summaries: Map<string, WebhookSummary>
  isLoading: boolean
}) {
  const path = usePath()
  const mayManage = useMay('manage')
  const to = ({ id }: Webhook) => path(`/webhooks/${id}`)
  const columns: Column<Webhook>[] = [
    {
      name: 'name',
      head: 'Webhook',
      isWide: true,
      cell: (row) => (
        <div className="two-lines">
          <Link href={to(row)} className="row-title truncate">
            {row.name}
          </Link>
          <span className="mono muted truncate" title={row.url}>
            {row.url}
          </span>
        </div>
      ),
    },
    {
      name: 'state',
      head: 'State',
      cell: (row) => (
        <div className="two-lines">
          <span>
            <WebhookState webhook={row} /> <SickBadge webhook={row} />
          </span>
          {row.operational && <span className="muted small">operational</span>}
          {!row.is_active && reasonWords(row) && <span className="muted small">{reasonWords(row)}</span>}
        </div>
      ),
    },
    {
      name: 'volume',
      head: 'Attempts',
      narrow: 'hidden',
      cell: ({ id }) => {
        const summary = summaries.get(id)
        return summary === undefined && isLoading ? (
          <Skeleton className="loading-cell" height={20} width={130} />
        ) : summary ? (
          <Sparkline
            all={summary.attempts}
            failed={summary.failures}
            label={attemptsWord(summary.attempts, summary.failures)}
          />
        ) : null
      },
    },
    {
      name: 'rate',
      head: 'Success',
      align: 'right',
      cell: ({ id }) => <span className="num">{percent(summaries.get(id)?.success_rate ?? null)}</span>,
    },
    {
      name: 'p95',
      head: 'p95',
      align: 'right',
      narrow: 'hidden',
      cell: ({ id }) => <Duration ms={summaries.get(id)?.p95_ms} />,
    },
    {
      name: 'error',
      head: 'Last error',
      narrow: 'hidden',
      cell: ({ id }) => <LastError error={summaries.get(id)?.last_error ?? null} />,
    },
    {
      name: 'switch',
      head: <span className="visually-hidden">On or off</span>,
      align: 'right',
      cell: (row) => <ActiveSwitch webhook={row} isDisabled={!mayManage} />,
    },
  ]
  return <Table label="Webhooks" columns={columns} rows={rows} keyOf={({ id }) => id} to={to} />
}

export function ActiveSwitch({ webhook, isDisabled }: { webhook: Webhook; isDisabled: boolean }) {
  const change = useProjectChange<boolean, Webhook>((send, is_active) =>
    send('PATCH', `/webhooks/${webhook.id}`, { is_active }),
  )
  return (
    <Switch
      size="sm"
      aria-label={`${webhook.name} is active`}
      checked={change.isPending ? change.variables : webhook.is_active}
      disabled={isDisabled || change.isPending}
      onChange={(event) => change.mutate(event.currentTarget.checked, { onError: tellError })}
    />
  )
}
