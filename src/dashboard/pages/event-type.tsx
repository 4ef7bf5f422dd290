import { Button } from '@mantine/core'
import { useState } from 'react'
import { Link, useLocation } from 'wouter'
import { usePath } from '../api/project.ts'
import { useProjectChange, useProjectQuery } from '../api/queries.ts'
import type {
  EventDetails,
  EventType,
  EventTypeVolumes,
  Page as PageOf,
  PublishedEvent,
} from '../api/types.ts'
import { ConfirmDelete } from '../parts/confirm.tsx'
import { Code } from '../parts/copy.tsx'
import { RangeControl, useRange, useSince } from '../parts/filters.tsx'
import { Json } from '../parts/json.tsx'
import { Card, Page } from '../parts/page.tsx'
import { Sparkline } from '../parts/sparkline.tsx'
import { Empty, Loading } from '../parts/states.tsx'
import { tell, tellError } from '../parts/toasts.tsx'
import { useCurl } from '../parts/webhook-name.tsx'
import { plural } from '../parts/words.ts'
import { useMay } from '../shell/project.ts'
import { EventTypeForm } from './event-type-form.tsx'
import { RegisteredBadge, useRegistered } from './event-type-registered.tsx'
import { interfaceOf } from './type-snippet.ts'

/** One type: what is said of it, how much of it there is, and how to write code for it. */
export function EventTypePage({ name }: { name: string }) {
  const path = usePath()
  const registered = useRegistered()
  const type = registered?.get(name)
  return (
    <Page
      title={name}
      mark={registered && <RegisteredBadge type={type} />}
      parent={{ word: 'Event types', to: path('/event-types') }}
      actions={
        <>
          <RangeControl />
          {registered && <Actions name={name} type={type} />}
        </>
      }
    >
      {registered ? <Details name={name} type={type} /> : <Loading />}
    </Page>
  )
}

function Actions({ name, type }: { name: string; type: EventType | undefined }) {
  const path = usePath()
  const [, navigate] = useLocation()
  const mayManage = useMay('manage')
  const [dialog, setDialog] = useState<'edit' | 'delete'>()
  const close = () => setDialog(undefined)
  const deprecate = useProjectChange<boolean, EventType>((send, deprecated) =>
    send('PATCH', `/event-types/${name}`, { deprecated }),
  )
  const remove = useProjectChange<void, undefined>((send) => send('DELETE', `/event-types/${name}`))
  if (!mayManage) return null
  return (
    <>
      {type && (
        <>
          <Button variant="default" onClick={() => setDialog('delete')}>
            Delete
          </Button>
          <Button
            variant="default"
            loading={deprecate.isPending}
            onClick={() =>
              deprecate.mutate(!type.deprecated, {
                onSuccess: () => tell(type.deprecated ? `${name} is current again` : `${name} is deprecated`),
                onError: tellError,
              })
            }
          >
            {type.deprecated ? 'Make current again' : 'Deprecate'}
          </Button>
        </>
      )}
      <Button onClick={() => setDialog('edit')}>{type ? 'Edit' : 'Register'}</Button>
      {dialog === 'edit' && <EventTypeForm name={name} before={type} close={close} />}
      {dialog === 'delete' && (
        <ConfirmDelete
          name={name}
          word="Delete"
          isPending={remove.isPending}
          close={close}
          confirm={() =>
            remove.mutate(undefined, {
              onSuccess: () => {
                tell(`${name} was deleted`)
                close()
                navigate(path('/event-types'))
              },
              onError: tellError,
            })
          }
        >
          With the versions of its schema. Such events can still be published, with any data.
        </ConfirmDelete>
      )}
    </>
  )
}

function Details({ name, type }: { name: string; type: EventType | undefined }) {
  const path = usePath()
  const curl = useCurl()
  const since = useSince(useRange())
  const volumes = useProjectQuery<EventTypeVolumes>('/statistics/event-types', { query: { since } })
  const newest = useProjectQuery<PageOf<'events', PublishedEvent>>('/events', {
    query: { type: name, limit: 1 },
  })
  const newestId = newest.data?.events[0]?.id
  const event = useProjectQuery<EventDetails>(`/events/${newestId}`, { isEnabled: newestId !== undefined })
  const volume = volumes.data?.event_types.find((each) => each.name === name)
  const hasExample = type !== undefined && type.example !== null
  const example = hasExample ? type.example : dataOf(event.data)
  if (newest.isLoading || (newestId !== undefined && event.isLoading)) return <Loading />
  const typescript = interfaceOf(name, { schema: type?.schema ?? null, example })
  return (
    <div className="stack">
      {type?.description && <p className="soft anywhere">{type.description}</p>}
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
        <>
          <Empty
            icon="events"
            title="No event of this type yet"
            curl={curl('POST', '/events', { type: name, data: { version: 7 } })}
          />
          {type && type.schema !== null && <Code text={typescript} label="TypeScript" />}
        </>
      ) : (
        <div className="even">
          <Json value={example} label={hasExample ? 'Example' : 'Data of the newest event'} />
          <Code text={typescript} label="TypeScript" />
        </div>
      )}
      {type && type.schema !== null ? (
        <Json value={type.schema} label={`Schema, version ${type.version}`} />
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
