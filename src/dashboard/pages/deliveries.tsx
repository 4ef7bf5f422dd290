import { Button } from '@mantine/core'
import { useState } from 'react'
import { useLiveRefresh } from '../api/live.ts'
import { useProjectList } from '../api/queries.ts'
import type { Delivery, DeliveryStatus, JobKind } from '../api/types.ts'
import { LiveSwitch, RangeControl, useLive, useRange, useSince } from '../parts/filters.tsx'
import { Page } from '../parts/page.tsx'
import { Empty, Loading, Problem } from '../parts/states.tsx'
import { More } from '../parts/table.tsx'
import { useCurl, useWebhooks } from '../parts/webhook-name.tsx'
import { plural } from '../parts/words.ts'
import { useMay } from '../shell/project.ts'
import { DeliveryFilters, useDeliveryFilters } from './delivery-filters.tsx'
import { DeliveryTable } from './delivery-table.tsx'
import { JobButton, RunningJobs } from './jobs.tsx'

/** In one job. */
const mostChosen = 1_000

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
          isFiltered
            ? curl('GET', `/deliveries?${queryOf({ ...filters, since })}`)
            : curl('POST', '/events', { type: 'config.deployed', data: { version: 7 } })
        }
      >
        {isFiltered
          ? 'Look at a longer range, or take a filter away. The same as a call:'
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

function queryOf(fields: Record<string, string | null>): string {
  const given = Object.entries(fields).filter((field): field is [string, string] => field[1] !== null)
  return new URLSearchParams(given).toString()
}

interface ChosenProps {
  ids: Set<string>
  rows: Delivery[]
  choose: (ids: Set<string>) => void
}

/** What can be done with those that were selected, as one job for all of them. */
function Chosen({ ids, rows, choose }: ChosenProps) {
  const chosen = rows.filter(({ id }) => ids.has(id))
  if (chosen.length === 0) return null
  const job = (kind: JobKind, word: string, statuses: DeliveryStatus[], isDanger = false) => {
    const delivery_ids = chosen.filter(({ status }) => statuses.includes(status)).map(({ id }) => id)
    if (delivery_ids.length === 0) return null
    const filter = { delivery_ids: delivery_ids.slice(0, mostChosen) }
    const started = () => choose(new Set())
    return <JobButton kind={kind} filter={filter} word={word} isDanger={isDanger} onStarted={started} />
  }
  return (
    <div className="chosen">
      <span role="status">{plural(chosen.length, 'delivery', 'deliveries')} selected</span>
      {job('retry', 'Retry', ['failed', 'delivered'])}
      {job('send_waiting_now', 'Send waiting now', ['pending'])}
      {job('cancel', 'Cancel', ['pending'], true)}
      <Button variant="subtle" onClick={() => choose(new Set())}>
        Clear
      </Button>
    </div>
  )
}
