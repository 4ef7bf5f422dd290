import { type ReactNode, useEffect, useState } from 'react'
import type { Delivery } from './hooks.ts'

/** Icon and word: never colour alone. */

const states: Record<Delivery['status'], { word: string; icon: ReactNode }> = {
  delivered: { word: 'Delivered', icon: <path d="M3.2 8.6 6.4 11.8 12.8 4.6" /> },
  delivering: {
    word: 'Delivering',
    icon: (
      <>
        <circle cx="8" cy="8" r="5.6" />
        <path d="M8 2.4a5.6 5.6 0 0 0 0 11.2z" fill="currentColor" stroke="none" />
      </>
    ),
  },
  pending: {
    word: 'Pending',
    icon: (
      <>
        <circle cx="8" cy="8" r="5.6" />
        <path d="M8 4.800v3.200l2.200 1.600" />
      </>
    ),
  },
  failed: { word: 'Failed', icon: <path d="m4 4 8 8M12 4l-8 8" /> },
}

export function DeliveryStatus({ status }: { status: Delivery['status'] }) {
  const { word, icon } = states[status]
  return (
    <span className={`postrider-status postrider-${status}`}>
      <svg
        width="12"
        height="12"
        viewBox="0 0 16 16"
        fill="none"
        stroke="currentColor"
        strokeWidth="2"
        strokeLinecap="round"
        strokeLinejoin="round"
        aria-hidden="true"
      >
        {icon}
      </svg>
      {word}
    </span>
  )
}

/** How long ago, or how soon; on hover the moment in UTC. */
export function When({ at }: { at: string }) {
  const [nowMs, setNowMs] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNowMs(Date.now()), 10_000)
    return () => clearInterval(timer)
  }, [])
  return (
    <time dateTime={at} title={`${at.replace('T', ' ').replace('Z', '')} UTC`}>
      {relative(Date.parse(at), Math.max(nowMs, Date.now() - 10_000))}
    </time>
  )
}

const units: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
]
const format = new Intl.RelativeTimeFormat('en', { numeric: 'always' })

function relative(atMs: number, nowMs: number): string {
  const seconds = Math.round((atMs - nowMs) / 1_000)
  const [unit, size] = units.find(([, each]) => Math.abs(seconds) >= each) ?? (['second', 1] as const)
  if (unit === 'second' && Math.abs(seconds) < 10) return 'just now'
  return format.format(Math.trunc(seconds / size), unit)
}

/** What came back last: a status, or why there was none. */
export function LastAnswer({
  delivery: { last_response_status: code, last_error, status },
}: {
  delivery: Delivery
}) {
  if (code !== null) return <span>{code}</span>
  // A receiver's words may turn around what stands beside them.
  return <bdi>{status === 'delivered' ? '–' : (last_error ?? '–')}</bdi>
}

/** Why something is not there, with a way out. */
export function Problem({ error, onRetry }: { error: Error; onRetry?: () => void }) {
  return (
    <p role="alert" className="postrider-problem">
      <bdi>{error.message}</bdi>{' '}
      {onRetry && (
        <button type="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </p>
  )
}
