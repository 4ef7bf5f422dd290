import { Button, NativeSelect, TextInput } from '@mantine/core'
import { useEffect, useState } from 'react'
import type { Webhook } from '../api/types.ts'
import { useFilters } from '../parts/filters.tsx'
import { statusLooks } from '../parts/status.tsx'

const codes = [
  { value: '', label: 'Any answer' },
  { value: '2xx', label: '2xx' },
  { value: '3xx', label: '3xx' },
  { value: '4xx', label: '4xx' },
  { value: '5xx', label: '5xx' },
  { value: 'none', label: 'No answer' },
]

const statuses = [
  { value: '', label: 'Any status' },
  ...Object.entries(statusLooks).map(([value, { word }]) => ({ value, label: word })),
]

const names = ['status', 'webhook', 'type', 'code', 'event'] as const

/** The filters of deliveries as the API takes them, out of the URL. */
export function useDeliveryFilters() {
  const [filter] = useFilters()
  return {
    status: filter('status'),
    webhook_id: filter('webhook'),
    event_type: filter('type'),
    code: filter('code'),
    event_id: filter('event'),
  }
}

/** Without `webhooks` there is no choice of one. */
export function DeliveryFilters({ webhooks }: { webhooks?: Webhook[] }) {
  const [filter, set] = useFilters()
  const choice = (name: string) => (event: React.ChangeEvent<HTMLSelectElement>) =>
    set({ [name]: event.currentTarget.value })
  const isAny = names.some((name) => filter(name) !== null)
  return (
    <div className="filters" role="group" aria-label="Filters">
      <NativeSelect
        aria-label="Status"
        value={filter('status') ?? ''}
        onChange={choice('status')}
        data={statuses}
      />
      {webhooks && (
        <NativeSelect
          aria-label="Webhook"
          value={filter('webhook') ?? ''}
          onChange={choice('webhook')}
          data={[
            { value: '', label: 'Any webhook' },
            ...webhooks.map(({ id, name }) => ({ value: id, label: name })),
          ]}
        />
      )}
      <TypeFilter />
      <NativeSelect aria-label="Answer" value={filter('code') ?? ''} onChange={choice('code')} data={codes} />
      {isAny && (
        <Button variant="subtle" onClick={() => set(Object.fromEntries(names.map((name) => [name, null])))}>
          Clear
        </Button>
      )}
    </div>
  )
}

/** Asked for when it is whole: each letter of an event type matches nothing. */
export function TypeFilter() {
  const [filter, set] = useFilters()
  const given = filter('type') ?? ''
  const [text, setText] = useState(given)
  useEffect(() => setText(given), [given])
  const use = () => text !== given && set({ type: text.trim() })
  return (
    <TextInput
      className="mono-input type-filter"
      aria-label="Event type"
      placeholder="Event type"
      value={text}
      onChange={(event) => setText(event.currentTarget.value)}
      onBlur={use}
      onKeyDown={(event) => event.key === 'Enter' && use()}
    />
  )
}
