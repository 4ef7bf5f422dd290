import { Button, NativeSelect } from '@mantine/core'
import { useCallback, useState } from 'react'
import { Link } from 'wouter'
import { usePath } from '../api/project.ts'
import { type StreamMessage, type StreamState, useStream } from '../api/live.ts'
import type { LiveDelivery } from '../api/types.ts'
import { useFilters } from '../parts/filters.tsx'
import { Icon, type IconName } from '../parts/icons.tsx'
import { Page } from '../parts/page.tsx'
import { Empty } from '../parts/states.tsx'
import { AnswerCode, Badge, DeliveryState, statusLooks, type Tone } from '../parts/status.tsx'
import { Ago, Duration } from '../parts/time.tsx'
import { useCurl, useWebhooks, WebhookName } from '../parts/webhook-name.tsx'
import { matches } from './webhook-form.ts'
import { TypeFilter } from './delivery-filters.tsx'

/** How many lines are kept. */
const kept = 200

/** Deliveries as they happen: each line is one that was made, or an attempt of it. */
export default function Live() {
  const [isPaused, setPaused] = useState(false)
  const [lines, setLines] = useState<LiveDelivery[]>([])
  const [gap, setGap] = useState<string>()
  const add = useCallback((message: StreamMessage) => {
    if (message.event === 'gap') setGap(message.data.reason)
    else setLines((before) => withLine(before, message.data))
  }, [])
  const state = useStream(!isPaused, add)
  return (
    <Page
      title="Live"
      mark={<StreamMark state={isPaused ? 'paused' : state} />}
      actions={
        <>
          <Button variant="default" disabled={lines.length === 0} onClick={() => setLines([])}>
            Clear
          </Button>
          <Button
            variant={isPaused ? 'filled' : 'default'}
            leftSection={<Icon name={isPaused ? 'play' : 'pause'} size={14} />}
            onClick={() => setPaused(!isPaused)}
          >
            {isPaused ? 'Go on' : 'Pause'}
          </Button>
        </>
      }
    >
      <LiveFilters />
      {gap && (
        <p className="row amber" role="status">
          <Icon name="warning" size={14} /> Something is missing here: more happened than could be shown. The
          list of deliveries has it all.
        </p>
      )}
      <Lines lines={lines} isPaused={isPaused} />
    </Page>
  )
}

/** The newest of each delivery alone, newest first. */
function withLine(before: LiveDelivery[], line: LiveDelivery): LiveDelivery[] {
  return [line, ...before.filter(({ delivery }) => delivery.id !== line.delivery.id)].slice(0, kept)
}

const marks: Record<StreamState | 'paused', { tone: Tone; icon: IconName; word: string }> = {
  open: { tone: 'green', icon: 'live', word: 'Connected' },
  connecting: { tone: 'blue', icon: 'delivering', word: 'Connecting' },
  broken: { tone: 'red', icon: 'warning', word: 'Connecting again' },
  paused: { tone: 'grey', icon: 'inactive', word: 'Paused' },
}

function StreamMark({ state }: { state: StreamState | 'paused' }) {
  const { tone, icon, word } = marks[state]
  return (
    <span role="status">
      <Badge tone={tone} icon={icon}>
        {word}
      </Badge>
    </span>
  )
}

function LiveFilters() {
  const [filter, set] = useFilters()
  const webhooks = useWebhooks()
  return (
    <div className="filters" role="group" aria-label="Filters">
      <NativeSelect
        aria-label="Status"
        value={filter('status') ?? ''}
        onChange={(event) => set({ status: event.currentTarget.value })}
        data={[
          { value: '', label: 'Any status' },
          ...Object.entries(statusLooks).map(([value, { word }]) => ({ value, label: word })),
        ]}
      />
      <NativeSelect
        aria-label="Webhook"
        value={filter('webhook') ?? ''}
        onChange={(event) => set({ webhook: event.currentTarget.value })}
        data={[
          { value: '', label: 'Any webhook' },
          ...[...webhooks.values()].map(({ id, name }) => ({ value: id, label: name })),
        ]}
      />
      <TypeFilter />
    </div>
  )
}

function Lines({ lines, isPaused }: { lines: LiveDelivery[]; isPaused: boolean }) {
  const path = usePath()
  const curl = useCurl()
  const webhooks = useWebhooks()
  const [filter] = useFilters()
  const shown = lines.filter(
    ({ delivery }) =>
      (filter('status') === null || delivery.status === filter('status')) &&
      (filter('webhook') === null || delivery.webhook_id === filter('webhook')) &&
      (filter('type') === null || matches(filter('type')!, delivery.event_type)),
  )
  if (shown.length === 0) {
    return (
      <Empty
        icon="live"
        title={
          isPaused
            ? 'Paused'
            : lines.length > 0
              ? 'Nothing that matches yet'
              : 'Waiting for the first delivery'
        }
        curl={curl('POST', '/events', { type: 'config.deployed', data: { version: 7 } })}
      >
        Deliveries appear here as they happen. Publish an event:
      </Empty>
    )
  }
  return (
    <ol className="card live-lines" aria-label="Deliveries as they happen">
      {shown.map(({ delivery, attempt }) => (
        <li key={delivery.id} className="live-line">
          <span className="live-state">
            <DeliveryState delivery={delivery} />
          </span>
          <Link href={path(`/deliveries/${delivery.id}`)} className="row-title mono truncate">
            {delivery.event_type}
          </Link>
          <WebhookName id={delivery.webhook_id} name={webhooks.get(delivery.webhook_id)?.name} />
          <span className="live-answer">
            <AnswerCode status={attempt?.response_status ?? null} error={attempt?.error} />
          </span>
          <Duration ms={attempt?.duration_ms} />
          <Ago at={attempt?.started_at ?? delivery.created_at} />
        </li>
      ))}
    </ol>
  )
}
