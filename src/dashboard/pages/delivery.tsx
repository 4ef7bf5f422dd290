import { Button, Menu, ActionIcon } from '@mantine/core'
import { useEffect, useState } from 'react'
import { Link } from 'wouter'
import { usePath } from '../api/project.ts'
import { useLiveRefresh } from '../api/live.ts'
import { useProjectChange, useProjectQuery } from '../api/queries.ts'
import type { Attempt, DeliveryDetails, Webhook } from '../api/types.ts'
import { Id } from '../parts/copy.tsx'
import { Icon } from '../parts/icons.tsx'
import { Card, Facts, Page } from '../parts/page.tsx'
import { Payload } from '../parts/payload.tsx'
import { Loaded } from '../parts/states.tsx'
import { AnswerCode, DeliveryState, StatusBadge } from '../parts/status.tsx'
import { Ago } from '../parts/time.tsx'
import { tell, tellError } from '../parts/toasts.tsx'
import { durationWords } from '../parts/words.ts'
import { useMay } from '../shell/project.ts'
import { Timeline } from './timeline.tsx'

/** While it is on its way it is looked at again and again, Live or not. */
const whileUnfinishedMs = 2_000

export default function DeliveryPage({ deliveryId }: { deliveryId: string }) {
  const path = usePath()
  const [everyMs, setEveryMs] = useState<number>()
  const delivery = useProjectQuery<DeliveryDetails>(`/deliveries/${deliveryId}`, { everyMs })
  const attempts = useProjectQuery<{ attempts: Attempt[] }>(`/deliveries/${deliveryId}/attempts`, { everyMs })
  const isUnfinished = delivery.data?.status === 'pending' || delivery.data?.status === 'delivering'
  useEffect(() => setEveryMs(isUnfinished ? whileUnfinishedMs : undefined), [isUnfinished])
  useLiveRefresh(isUnfinished)
  const webhookId = delivery.data?.webhook_id ?? ''
  const webhook = useProjectQuery<Webhook>(`/webhooks/${webhookId}`, { isEnabled: webhookId !== '' }).data
  return (
    <Page
      title={delivery.data?.event_type ?? 'Delivery'}
      parent={{ word: 'Deliveries', to: path('/deliveries') }}
      mark={delivery.data && <StatusBadge status={delivery.data.status} />}
      actions={delivery.data && <Actions delivery={delivery.data} />}
      about={<Id id={deliveryId} whole />}
    >
      <Loaded query={delivery}>
        {(known) => (
          <div className="split">
            <div className="stack">
              <Card title="What happened" flush>
                <Loaded query={attempts} rows={3}>
                  {(history) => <Timeline delivery={known} attempts={history.attempts} webhook={webhook} />}
                </Loaded>
              </Card>
              <Payload of={known} />
            </div>
            <Card title="Delivery">
              <About delivery={known} webhook={webhook} />
            </Card>
          </div>
        )}
      </Loaded>
    </Page>
  )
}

function About({ delivery, webhook }: { delivery: DeliveryDetails; webhook: Webhook | undefined }) {
  const path = usePath()
  const took = delivery.delivered_at && Date.parse(delivery.delivered_at) - Date.parse(delivery.created_at)
  return (
    <Facts
      facts={[
        ['Status', <DeliveryState key="status" delivery={delivery} />],
        [
          'Webhook',
          <Link key="webhook" href={path(`/webhooks/${delivery.webhook_id}`)} className="anywhere">
            {webhook?.name ?? delivery.webhook_id}
          </Link>,
        ],
        [
          'URL',
          <span key="url" className="mono anywhere">
            {webhook?.url ?? '…'}
          </span>,
        ],
        [
          'Attempts',
          <span key="attempts" className="num">
            {delivery.attempts} of at most {delivery.max_attempts}
          </span>,
        ],
        [
          'Last answer',
          <AnswerCode key="answer" status={delivery.last_response_status} error={delivery.last_error} />,
        ],
        ['Created', <Ago key="created" at={delivery.created_at} />],
        ['Last attempt', <Ago key="last" at={delivery.last_attempt_at} />],
        [
          'Delivered',
          delivery.delivered_at ? (
            <span key="delivered">
              <Ago at={delivery.delivered_at} />{' '}
              <span className="muted">after {durationWords(Number(took))}</span>
            </span>
          ) : (
            <span key="delivered" className="muted">
              –
            </span>
          ),
        ],
        ['Event', <Id key="event" id={delivery.event_id} to={path(`/events/${delivery.event_id}`)} />],
      ]}
    />
  )
}

function Actions({ delivery: { id, status, payload_expired_at } }: { delivery: DeliveryDetails }) {
  const mayManage = useMay('manage')
  const retry = useProjectChange<void, unknown>((send) => send('POST', `/deliveries/${id}/retry`))
  const cancel = useProjectChange<void, unknown>((send) => send('POST', `/deliveries/${id}/cancel`))
  if (!mayManage) return null
  return (
    <>
      <Button
        leftSection={<Icon name="pending" size={14} />}
        loading={retry.isPending}
        disabled={status === 'delivering' || payload_expired_at !== null}
        onClick={() =>
          retry.mutate(undefined, { onSuccess: () => tell('On its way again'), onError: tellError })
        }
      >
        {status === 'pending' ? 'Send now' : 'Retry'}
      </Button>
      {status === 'pending' && (
        <Menu position="bottom-end">
          <Menu.Target>
            <ActionIcon variant="default" aria-label="More actions">
              <Icon name="more" />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item
              color="red"
              onClick={() =>
                cancel.mutate(undefined, { onSuccess: () => tell('Cancelled'), onError: tellError })
              }
            >
              Cancel this delivery
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      )}
    </>
  )
}
