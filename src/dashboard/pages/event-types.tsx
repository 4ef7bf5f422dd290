import { Link } from 'wouter'
import { usePath } from '../api/project.ts'
import { useProjectQuery } from '../api/queries.ts'
import type { EventDetails, EventTypeVolumes, Page as PageOf, PublishedEvent } from '../api/types.ts'
import { Code } from '../parts/copy.tsx'
import { RangeControl, useRange, useSince } from '../parts/filters.tsx'
import { Json } from '../parts/json.tsx'
import { Card, Page } from '../parts/page.tsx'
import { Sparkline } from '../parts/sparkline.tsx'
import { Empty, Loaded, Loading } from '../parts/states.tsx'
import { Badge } from '../parts/status.tsx'
import { type Column, Table } from '../parts/table.tsx'
import { useCurl } from '../parts/webhook-name.tsx'
import { exactCount, plural } from '../parts/words.ts'
import { interfaceOf } from './type-snippet.ts'

/** What the catalogue says of a type, where there is one. */
export interface CatalogueEntry {
  name: string
  description: string | null
  schema: unknown
  example: unknown
  deprecated: boolean
}

/** The types that were published, and those that the catalogue describes. */
export default function EventTypes({ name }: { name: string | undefined }) {
  const path = usePath()
  return (
    <Page
      title={name ?? 'Event types'}
      parent={name === undefined ? undefined : { word: 'Event types', to: path('/event-types') }}
      actions={<RangeControl />}
    >
      {name === undefined ? <Types /> : <EventType key={name} name={name} />}
    </Page>
  )
}

type Volume = EventTypeVolumes['event_types'][number]
type Row = Volume & { entry: CatalogueEntry | undefined }

function useCatalogue(): CatalogueEntry[] | undefined {
  const asked = useProjectQuery<{ event_types: CatalogueEntry[] }>('/event-types', { query: { limit: 100 } })
  return asked.error ? [] : asked.data?.event_types
}

function Types() {
  const path = usePath()
  const curl = useCurl()
  const since = useSince(useRange())
  const volumes = useProjectQuery<EventTypeVolumes>('/statistics/event-types', { query: { since } })
  const catalogue = useCatalogue()
  const to = (row: Row) => path(`/event-types/${row.name}`)
  const columns: Column<Row>[] = [
    {
      name: 'name',
      head: 'Event type',
      isWide: true,
      cell: (row) => (
        <div className="two-lines">
          <Link href={to(row)} className="row-title mono">
            {row.name}
          </Link>
          {row.entry?.description && <span className="muted truncate">{row.entry.description}</span>}
        </div>
      ),
    },
    {
      name: 'described',
      head: 'Catalogue',
      narrow: 'hidden',
      cell: ({ entry }) =>
        entry === undefined ? (
          <span className="muted">not described</span>
        ) : entry.deprecated ? (
          <Badge tone="orange" icon="warning">
            Deprecated
          </Badge>
        ) : (
          <Badge tone="green" icon="delivered">
            {entry.schema ? 'With schema' : 'Described'}
          </Badge>
        ),
    },
    {
      name: 'bars',
      head: 'Volume',
      narrow: 'hidden',
      cell: ({ bars, published }) => <Sparkline all={bars} label={plural(published, 'event')} />,
    },
    {
      name: 'published',
      head: 'Events',
      align: 'right',
      cell: ({ published }) => <span className="num">{exactCount(published)}</span>,
    },
    {
      name: 'deliveries',
      head: 'Deliveries',
      align: 'right',
      cell: ({ deliveries }) => <span className="num">{exactCount(deliveries)}</span>,
    },
  ]
  return (
    <Loaded query={volumes}>
      {({ event_types }) => {
        const rows = rowsOf(event_types, catalogue ?? [])
        if (rows.length === 0) {
          return (
            <Empty
              icon="events"
              title="No event types in this time"
              curl={curl('POST', '/events', { type: 'config.deployed', data: { version: 7 } })}
            >
              A type is named when an event is published; it needs no registration.
            </Empty>
          )
        }
        return (
          <div className="card">
            <Table label="Event types" columns={columns} rows={rows} keyOf={({ name }) => name} to={to} />
          </div>
        )
      }}
    </Loaded>
  )
}

/** Those of the catalogue that were not published stand at the end. */
function rowsOf(volumes: Volume[], catalogue: CatalogueEntry[]): Row[] {
  const entries = new Map(catalogue.map((entry) => [entry.name, entry]))
  const seen = new Set(volumes.map(({ name }) => name))
  const unused = catalogue
    .filter(({ name }) => !seen.has(name))
    .map(({ name }) => ({ name, published: 0, deliveries: 0, bars: Array<number>(24).fill(0) }))
  return [...volumes, ...unused].map((volume) => ({ ...volume, entry: entries.get(volume.name) }))
}

function EventType({ name }: { name: string }) {
  const path = usePath()
  const curl = useCurl()
  const since = useSince(useRange())
  const volumes = useProjectQuery<EventTypeVolumes>('/statistics/event-types', { query: { since } })
  const newest = useProjectQuery<PageOf<'events', PublishedEvent>>('/events', {
    query: { type: name, limit: 1 },
  })
  const newestId = newest.data?.events[0]?.id
  const event = useProjectQuery<EventDetails>(`/events/${newestId}`, { isEnabled: newestId !== undefined })
  const entry = useCatalogue()?.find((each) => each.name === name)
  const volume = volumes.data?.event_types.find((each) => each.name === name)
  const example = entry?.example ?? dataOf(event.data)
  if (newest.isLoading || (newestId !== undefined && event.isLoading)) return <Loading />
  return (
    <div className="stack">
      {entry?.description && <p className="soft anywhere">{entry.description}</p>}
      <div className="row wrap">
        {volume && <Sparkline all={volume.bars} label={plural(volume.published, 'event')} />}
        <span className="soft num">
          {plural(volume?.published ?? 0, 'event')},{' '}
          {plural(volume?.deliveries ?? 0, 'delivery', 'deliveries')} in this time
        </span>
        <Link href={path(`/events?type=${encodeURIComponent(name)}`)}>Its events</Link>
        <Link href={path(`/deliveries?type=${encodeURIComponent(name)}`)}>Its deliveries</Link>
      </div>
      {example === undefined ? (
        <Empty
          icon="events"
          title="No event of this type yet"
          curl={curl('POST', '/events', { type: name, data: { version: 7 } })}
        />
      ) : (
        <div className="even">
          <Json value={example} label={entry?.example ? 'Example' : 'Data of the newest event'} />
          <Code text={interfaceOf(name, example)} label="TypeScript" />
        </div>
      )}
      {entry?.schema ? (
        <Json value={entry.schema} label="Schema" />
      ) : (
        <Card title="Schema">
          <p className="soft">None: any JSON is accepted as data of this type.</p>
        </Card>
      )}
    </div>
  )
}

function dataOf(event: EventDetails | undefined): unknown {
  return (event?.payload as { data?: unknown } | undefined)?.data
}
