import { Button } from '@mantine/core'
import { useState } from 'react'
import { useLiveRefresh } from '../api/live.ts'
import { useProjectChange, useProjectList } from '../api/queries.ts'
import type { Delivery } from '../api/types.ts'
import { LiveSwitch, RangeControl, useLive, useRange, useSince } from '../parts/filters.tsx'
import { Page } from '../parts/page.tsx'
import { Empty, Loading, Problem } from '../parts/states.tsx'
import { More } from '../parts/table.tsx'
import { tell, tellError } from '../parts/toasts.tsx'
import { useCurl, useWebhooks } from '../parts/webhook-name.tsx'
import { plural } from '../parts/words.ts'
import { useMay } from '../shell/project.ts'
import { DeliveryFilters, useDeliveryFilters } from './delivery-filters.tsx'
import { DeliveryTable } from './delivery-table.tsx'
import { JobButton, RunningJobs } from './jobs.tsx'

export default function Deliveries() {
  const webhooks = useWebhooks()
  const filters = useDeliveryFilters()
  useLiveRefresh(useLive())
  return (
    <Page
      title="Deliveries"
      actions={
        <>
          <RangeControl />
          <LiveSwitch />
        </>
      }
    >
      <div className="toolbar">
        <DeliveryFilters webhooks={[...webhooks.values()]} />
        <DeliveryJobs filters={filters} />
      </div>
      <RunningJobs />
      <DeliveryList filters={filters} />
    </Page>
  )
}

type Filters = ReturnType<typeof useDeliveryFilters>

/** What can be done with all that match: what that is depends on the status. */
export function DeliveryJobs({ filters }: { filters: Filters }) {
  const mayManage = useMay('manage')
  const since = useSince(useRange())
  if (!mayManage || filters.event_id !== null) return null
  const filter = {
    ...(filters.webhook_id !== null && { webhook_id: filters.webhook_id }),
    ...(filters.event_type !== null && { event_type: filters.event_type }),
    ...(filters.code !== null && { code: filters.code as '5xx' }),
    since,
  }
  if (filters.status === 'pending') {
    return (
      <div className="row">
        <JobButton kind="send_waiting_now" filter={filter} word="Send waiting now" />
        <JobButton kind="cancel" filter={filter} word="Cancel all" isDanger />
      </div>
    )
  }
  if (filters.status === 'delivering') return null
  const status = filters.status === 'delivered' ? 'delivered' : 'failed'
  return (
    <JobButton
      kind="retry"
      filter={{ ...filter, status }}
      word={status === 'failed' ? 'Retry all failed' : 'Send all again'}
    />
  )
}

export function DeliveryList({ filters, withWebhook = true }: { filters: Filters; withWebhook?: boolean }) {
  const since = useSince(useRange())
  const mayManage = useMay('manage')
  const [ids, choose] = useState(new Set<string>())
  const curl = useCurl()
  const list = useProjectList<'deliveries', Delivery>('deliveries', '/deliveries', {
    query: { ...filters, since, limit: 50 },
  })
  if (list.error && !list.items) return <Problem error={list.error} retry={() => void list.refetch()} />
  if (!list.items) return <Loading rows={10} />
  if (list.items.length === 0) {
    const isFiltered = Object.values(filters).some((value) => value !== null)
    return (
      <Empty
        icon="deliveries"
        title={isFiltered ? 'No delivery matches these filters' : 'No deliveries in this time'}
        curl={
          isFiltered ? undefined : curl('POST', '/events', { type: 'config.deployed', data: { version: 7 } })
        }
      >
        {isFiltered
          ? 'Look at a longer range, or take a filter away.'
          : 'An event becomes one delivery for each webhook that matches it. Publish one:'}
        <More query={list} word="Search further back" />
      </Empty>
    )
  }
  return (
    <div className="card">
      {mayManage && <Chosen ids={ids} rows={list.items} choose={choose} />}
      <DeliveryTable
        rows={list.items}
        withWebhook={withWebhook}
        chosen={mayManage ? { ids, choose } : undefined}
      />
      <More query={list} />
    </div>
  )
}

function Chosen({
  ids,
  rows,
  choose,
}: {
  ids: Set<string>
  rows: Delivery[]
  choose: (ids: Set<string>) => void
}) {
  const retryable = rows
    .filter(({ id, status }) => ids.has(id) && status !== 'delivering')
    .map(({ id }) => id)
  const retry = useProjectChange<string[], number>(async (send, chosen) => {
    const done = await Promise.allSettled(chosen.map((id) => send('POST', `/deliveries/${id}/retry`)))
    return done.filter(({ status }) => status === 'fulfilled').length
  })
  if (ids.size === 0) return null
  return (
    <div className="chosen" role="status">
      <span>{plural(ids.size, 'delivery', 'deliveries')} selected</span>
      <Button
        loading={retry.isPending}
        disabled={retryable.length === 0}
        onClick={() =>
          retry.mutate(retryable, {
            onSuccess: (done) => {
              tell(`${plural(done, 'delivery', 'deliveries')} sent again`)
              choose(new Set())
            },
            onError: tellError,
          })
        }
      >
        Retry {retryable.length}
      </Button>
      <Button variant="subtle" onClick={() => choose(new Set())}>
        Clear
      </Button>
    </div>
  )
}
