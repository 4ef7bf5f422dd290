import { Button } from '@mantine/core'
import { useState } from 'react'
import { Link } from 'wouter'
import { usePath } from '../api/project.ts'
import { useProjectQuery } from '../api/queries.ts'
import type { EventType, EventTypeVolumes } from '../api/types.ts'
import { RangeControl, useRange, useSince } from '../parts/filters.tsx'
import { Icon } from '../parts/icons.tsx'
import { Page } from '../parts/page.tsx'
import { Sparkline } from '../parts/sparkline.tsx'
import { Empty, Loaded } from '../parts/states.tsx'
import { type Column, Table } from '../parts/table.tsx'
import { useCurl } from '../parts/webhook-name.tsx'
import { exactCount, plural } from '../parts/words.ts'
import { useMay } from '../shell/project.ts'
import { EventTypeForm } from './event-type-form.tsx'
import { EventTypePage } from './event-type.tsx'
import { RegisteredBadge, useRegistered } from './event-type-registered.tsx'

/** The types that were published, and those that are registered. */
export default function EventTypes({ name }: { name: string | undefined }) {
  return name === undefined ? <EventTypeList /> : <EventTypePage key={name} name={name} />
}

type Volume = EventTypeVolumes['event_types'][number]
type Row = Volume & { registered: EventType | undefined }

function EventTypeList() {
  const mayManage = useMay('manage')
  const [isRegistering, setRegistering] = useState(false)
  return (
    <Page
      title="Event types"
      actions={
        <>
          <RangeControl />
          {mayManage && (
            <Button leftSection={<Icon name="plus" size={14} />} onClick={() => setRegistering(true)}>
              Register event type
            </Button>
          )}
        </>
      }
    >
      <Types />
      {isRegistering && <EventTypeForm close={() => setRegistering(false)} />}
    </Page>
  )
}

function Types() {
  const path = usePath()
  const curl = useCurl()
  const since = useSince(useRange())
  const volumes = useProjectQuery<EventTypeVolumes>('/statistics/event-types', { query: { since } })
  const registered = useRegistered()
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
          {row.registered?.description && (
            <span className="muted truncate">{row.registered.description}</span>
          )}
        </div>
      ),
    },
    {
      name: 'registered',
      head: 'Registered',
      narrow: 'hidden',
      cell: ({ registered }) => <RegisteredBadge type={registered} />,
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
        const rows = rowsOf(event_types, registered ?? new Map())
        if (rows.length === 0) {
          return (
            <Empty
              icon="events"
              title="No event types in this time"
              curl={curl('POST', '/events', { type: 'config.deployed', data: { version: 7 } })}
            >
              A type is named when an event is published. Registered with a schema, data that does not fit is
              refused.
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

/** Those that were not published stand at the end. */
function rowsOf(volumes: Volume[], registered: Map<string, EventType>): Row[] {
  const seen = new Set(volumes.map(({ name }) => name))
  const unused = Array.from(registered.keys())
    .filter((name) => !seen.has(name))
    .toSorted()
    .map((name) => ({ name, published: 0, deliveries: 0, bars: Array<number>(24).fill(0) }))
  return [...volumes, ...unused].map((volume) => ({ ...volume, registered: registered.get(volume.name) }))
}
