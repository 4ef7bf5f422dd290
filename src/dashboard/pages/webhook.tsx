import { Tabs } from '@mantine/core'
import { Link, useLocation } from 'wouter'
import { useLiveRefresh } from '../api/live.ts'
import { usePath } from '../api/project.ts'
import { useProjectQuery } from '../api/queries.ts'
import type { Delivery, Page as PageOf, Statistics, Webhook } from '../api/types.ts'
import { Id } from '../parts/copy.tsx'
import { LiveSwitch, RangeControl, useLive, useRange, useSince } from '../parts/filters.tsx'
import { Card, Facts, Page } from '../parts/page.tsx'
import { Empty, Loaded } from '../parts/states.tsx'
import { SickNotice } from '../parts/sickness.tsx'
import { reasonWords, WebhookState } from '../parts/status.tsx'
import { Ago } from '../parts/time.tsx'
import { useCurl } from '../parts/webhook-name.tsx'
import { secondsWords } from '../parts/words.ts'
import { useMay } from '../shell/project.ts'
import { DeliveryJobs, DeliveryList } from './deliveries.tsx'
import { DeliveryFilters, useDeliveryFilters } from './delivery-filters.tsx'
import { DeliveryTable } from './delivery-table.tsx'
import { FilteredDeliveries } from './filtered.tsx'
import { RunningJobs } from './jobs.tsx'
import { Figures, StatisticsCharts } from './statistics.tsx'
import { exampleType } from './webhook-form.ts'
import { WebhookSecret } from './webhook-secret.tsx'
import { WebhookSending } from './webhook-sending.tsx'
import { WebhookSettings } from './webhook-settings.tsx'
import { ActiveSwitch } from './webhooks.tsx'

const tabs = [
  { value: 'overview', word: 'Overview' },
  { value: 'deliveries', word: 'Deliveries' },
  { value: 'filtered', word: 'Kept back' },
  { value: 'send', word: 'Test and replay' },
  { value: 'settings', word: 'Settings' },
  { value: 'secret', word: 'Secret' },
]

export default function WebhookPage({ webhookId, tab }: { webhookId: string; tab: string }) {
  const path = usePath()
  const [, navigate] = useLocation()
  const mayManage = useMay('manage')
  const webhook = useProjectQuery<Webhook>(`/webhooks/${webhookId}`)
  const isOverTime = tab === 'overview' || tab === 'deliveries'
  useLiveRefresh(useLive())
  return (
    <Page
      title={webhook.data?.name ?? 'Webhook'}
      parent={{ word: 'Webhooks', to: path('/webhooks') }}
      mark={webhook.data && <WebhookState webhook={webhook.data} />}
      about={webhook.data && <span className="mono anywhere soft">{webhook.data.url}</span>}
      actions={
        <>
          {isOverTime && <RangeControl />}
          {isOverTime && <LiveSwitch />}
          {webhook.data && (
            <span className="row">
              <span className="soft small">{webhook.data.is_active ? 'On' : 'Off'}</span>
              <ActiveSwitch webhook={webhook.data} isDisabled={!mayManage} />
            </span>
          )}
        </>
      }
    >
      <Loaded query={webhook}>
        {(known) => (
          <Tabs
            value={tab}
            keepMounted={false}
            className="tabs"
            onChange={(next) =>
              navigate(
                path(`/webhooks/${webhookId}${next === 'overview' ? '' : `/${next}`}`) + location.search,
              )
            }
          >
            <Tabs.List aria-label="Webhook">
              {tabs.map(({ value, word }) => (
                <Tabs.Tab value={value} key={value}>
                  {word}
                </Tabs.Tab>
              ))}
            </Tabs.List>
            <Tabs.Panel value="overview">
              <WebhookOverview webhook={known} />
            </Tabs.Panel>
            <Tabs.Panel value="deliveries">
              <WebhookDeliveries webhookId={webhookId} />
            </Tabs.Panel>
            <Tabs.Panel value="filtered">
              <FilteredDeliveries webhook={known} />
            </Tabs.Panel>
            <Tabs.Panel value="send">
              <WebhookSending webhook={known} />
            </Tabs.Panel>
            <Tabs.Panel value="settings">
              <WebhookSettings webhook={known} />
            </Tabs.Panel>
            <Tabs.Panel value="secret">
              <WebhookSecret webhook={known} />
            </Tabs.Panel>
          </Tabs>
        )}
      </Loaded>
    </Page>
  )
}

function WebhookOverview({ webhook }: { webhook: Webhook }) {
  const since = useSince(useRange())
  const statistics = useProjectQuery<Statistics>(`/webhooks/${webhook.id}/statistics`, {
    query: { since },
    everyMs: 30_000,
  })
  return (
    <div className="stack">
      <SickNotice webhook={webhook} />
      <RunningJobs />
      <Loaded query={statistics}>
        {(known) => (
          <>
            <Figures statistics={known} />
            <StatisticsCharts statistics={known} />
          </>
        )}
      </Loaded>
      <div className="split">
        <Card
          title="Newest deliveries"
          end={<DeliveryJobs filters={{ ...anyOf(webhook), status: 'failed' }} />}
          flush
        >
          <NewestDeliveries webhook={webhook} />
        </Card>
        <Card title="Webhook">
          <About webhook={webhook} />
        </Card>
      </div>
    </div>
  )
}

function anyOf({ id }: Webhook) {
  return { status: null, webhook_id: id, event_type: null, code: null, event_id: null }
}

function NewestDeliveries({ webhook }: { webhook: Webhook }) {
  const path = usePath()
  const curl = useCurl()
  const newest = useProjectQuery<PageOf<'deliveries', Delivery>>(`/webhooks/${webhook.id}/deliveries`, {
    query: { limit: 10 },
    everyMs: 10_000,
  })
  return (
    <Loaded query={newest}>
      {({ deliveries }) =>
        deliveries.length === 0 ? (
          <Empty
            icon="deliveries"
            title="It has got nothing yet"
            curl={curl('POST', '/events', { type: exampleType(webhook), data: { version: 7 } })}
          >
            Publish an event that it wants:
          </Empty>
        ) : (
          <>
            <DeliveryTable rows={deliveries} withWebhook={false} isCompact />
            <div className="more">
              <Link href={path(`/webhooks/${webhook.id}/deliveries`)}>All deliveries</Link>
            </div>
          </>
        )
      }
    </Loaded>
  )
}

function About({ webhook }: { webhook: Webhook }) {
  const path = usePath()
  const { policy } = webhook
  const reason = reasonWords(webhook)
  return (
    <Facts
      facts={[
        ['Id', <Id key="id" id={webhook.id} />],
        ...(reason ? [['Inactive because', reason] as [string, string]] : []),
        ...(webhook.operational ? [['Gets', 'what Postrider tells of itself'] as [string, string]] : []),
        ...(webhook.description
          ? [
              [
                'Description',
                <span key="d" className="anywhere">
                  {webhook.description}
                </span>,
              ] as [string, React.ReactNode],
            ]
          : []),
        [
          'Event types',
          <span key="types" className="mono anywhere">
            {webhook.event_types.join(', ')}
          </span>,
        ],
        ['Environment', webhook.environment_name ?? 'all'],
        ...(webhook.filter === null
          ? []
          : [
              [
                'Filter',
                <Link key="filter" href={path(`/webhooks/${webhook.id}/filtered`)} className="mono anywhere">
                  {webhook.filter}
                </Link>,
              ] as [string, React.ReactNode],
            ]),
        [
          'Payload',
          webhook.payload_template === null ? 'the event as it is' : 'what its template makes of it',
        ],
        [
          'Retries',
          policy.retry_seconds.length === 0 ? 'none' : policy.retry_seconds.map(secondsWords).join(', '),
        ],
        ['Timeout', `${policy.timeout_ms / 1000} s`],
        [
          'Limits',
          `${policy.max_in_flight} in flight${policy.rate_per_second === null ? '' : `, ${policy.rate_per_second} per second`}${policy.ordered ? ', in order' : ''}`,
        ],
        ['Signature', webhook.signature_scheme === 'v1' ? 'HMAC-SHA256 (v1)' : 'Ed25519 (v1a)'],
        ['Created', <Ago key="created" at={webhook.created_at} />],
        ['Changed', <Ago key="changed" at={webhook.updated_at} />],
      ]}
    />
  )
}

function WebhookDeliveries({ webhookId }: { webhookId: string }) {
  const filters = { ...useDeliveryFilters(), webhook_id: webhookId }
  return (
    <div className="stack">
      <div className="toolbar">
        <DeliveryFilters />
        <DeliveryJobs filters={filters} />
      </div>
      <RunningJobs />
      <DeliveryList filters={filters} withWebhook={false} />
    </div>
  )
}
