import { Link } from 'wouter'
import { useLiveRefresh } from '../api/live.ts'
import { usePath } from '../api/project.ts'
import { useProjectList } from '../api/queries.ts'
import type { PublishedEvent } from '../api/types.ts'
import { Id } from '../parts/copy.tsx'
import { LiveSwitch, RangeControl, useFilters, useLive, useRange, useSince } from '../parts/filters.tsx'
import { Page } from '../parts/page.tsx'
import { Empty, Loading, Problem } from '../parts/states.tsx'
import { Badge } from '../parts/status.tsx'
import { type Column, More, Table } from '../parts/table.tsx'
import { Ago } from '../parts/time.tsx'
import { useCurl } from '../parts/webhook-name.tsx'
import { plural } from '../parts/words.ts'
import { TypeFilter } from './delivery-filters.tsx'
import { PublishEvent } from './publish-event.tsx'

/** What was published, those that matched no webhook too. */
export default function Events() {
  useLiveRefresh(useLive())
  return (
    <Page
      title="Events"
      actions={
        <>
          <RangeControl />
          <LiveSwitch />
          <PublishEvent />
        </>
      }
    >
      <div className="toolbar">
        <div className="filters" role="group" aria-label="Filters">
          <TypeFilter />
        </div>
      </div>
      <EventList />
    </Page>
  )
}

function EventList() {
  const [filter] = useFilters()
  const since = useSince(useRange())
  const curl = useCurl()
  const list = useProjectList<'events', PublishedEvent>('events', '/events', {
    query: { type: filter('type'), since, limit: 50 },
  })
  if (list.error && !list.items) return <Problem error={list.error} retry={() => void list.refetch()} />
  if (!list.items) return <Loading rows={10} />
  if (list.items.length === 0) {
    return (
      <Empty
        icon="send"
        title={filter('type') ? 'No event of this type in this time' : 'No events in this time'}
        curl={curl('POST', '/events', { type: filter('type') ?? 'config.deployed', data: { version: 7 } })}
      >
        An event is published once, and delivered to every webhook that matches it.
      </Empty>
    )
  }
  return (
    <div className="card">
      <EventTable rows={list.items} />
      <More query={list} />
    </div>
  )
}

function EventTable({ rows }: { rows: PublishedEvent[] }) {
  const path = usePath()
  const to = ({ id }: PublishedEvent) => path(`/events/${id}`)
  const columns: Column<PublishedEvent>[] = [
    {
      name: 'type',
      head: 'Event type',
      isWide: true,
      cell: (row) => (
        <Link href={to(row)} className="row-title mono">
          {row.type}
        </Link>
      ),
    },
    {
      name: 'deliveries',
      head: 'Matched',
      cell: (row) =>
        row.deliveries === 0 ? (
          <span title="It went to no webhook: open it to see why">
            <Badge tone="grey" icon="inactive">
              Nothing sent
            </Badge>
          </span>
        ) : (
          <span className="num">{plural(row.deliveries, 'webhook')}</span>
        ),
    },
    {
      name: 'environment',
      head: 'Environment',
      narrow: 'hidden',
      cell: (row) => row.environment_name ?? <span className="muted">–</span>,
    },
    { name: 'id', head: 'Id', narrow: 'hidden', cell: (row) => <Id id={row.id} /> },
    { name: 'created', head: 'Published', align: 'right', cell: (row) => <Ago at={row.created_at} /> },
  ]
  return <Table label="Events" columns={columns} rows={rows} keyOf={({ id }) => id} to={to} />
}
