import { Link } from 'wouter'
import { usePath } from '../api/project.ts'
import { useProjectQuery } from '../api/queries.ts'
import type { EventDetails } from '../api/types.ts'
import { Id } from '../parts/copy.tsx'
import { Card, Facts, Page } from '../parts/page.tsx'
import { Payload } from '../parts/payload.tsx'
import { Loaded } from '../parts/states.tsx'
import { Ago } from '../parts/time.tsx'
import { plural } from '../parts/words.ts'
import { DeliveryTable } from './delivery-table.tsx'
import { FilteredTable } from './filtered.tsx'
import { WhyNothing } from './why-nothing.tsx'

export default function EventPage({ eventId }: { eventId: string }) {
  const path = usePath()
  const event = useProjectQuery<EventDetails>(`/events/${eventId}`, { everyMs: 5_000 })
  return (
    <Page
      title={event.data?.type ?? 'Event'}
      parent={{ word: 'Events', to: path('/events') }}
      about={<Id id={eventId} whole />}
    >
      <Loaded query={event}>
        {(known) => (
          <div className="split">
            <div className="stack">
              <Card title={plural(known.deliveries.length, 'delivery', 'deliveries')} flush>
                {known.deliveries.length === 0 ? (
                  <WhyNothing event={known} />
                ) : (
                  <DeliveryTable rows={known.deliveries} withType={false} isCompact />
                )}
              </Card>
              {known.filtered.length > 0 && (
                <Card title={`Kept back by ${plural(known.filtered.length, 'filter')}`} flush>
                  <FilteredTable rows={known.filtered} withWebhook />
                </Card>
              )}
              <Payload of={known} />
            </div>
            <Card title="Event">
              <Facts
                facts={[
                  [
                    'Type',
                    <Link key="type" className="mono anywhere" href={path(`/event-types/${known.type}`)}>
                      {known.type}
                    </Link>,
                  ],
                  ['Published', <Ago key="created" at={known.created_at} />],
                  ['Happened', <Ago key="timestamp" at={known.timestamp} />],
                  [
                    'Application',
                    known.application_id ? <Id key="application" id={known.application_id} /> : 'none',
                  ],
                  ['Environment', known.environment_name ?? 'none'],
                ]}
              />
            </Card>
          </div>
        )}
      </Loaded>
    </Page>
  )
}
