import { useState } from 'react'
import type { Attempt, DeliveryDetails, Webhook } from '../api/types.ts'
import { Icon, type IconName } from '../parts/icons.tsx'
import { AnswerCode, statusLooks, type Tone } from '../parts/status.tsx'
import { Ago, Countdown, useNow } from '../parts/time.tsx'
import { durationWords } from '../parts/words.ts'
import { AttemptDetails } from './attempt-details.tsx'

interface TimelineProps {
  delivery: DeliveryDetails
  attempts: Attempt[]
  webhook: Webhook | undefined
}

/** published → claimed → attempt 1: 503 in 212 ms → waiting 00:04:10 → attempt 2: 200. */
export function Timeline({ delivery, attempts, webhook }: TimelineProps) {
  const inOrder = attempts.toSorted((one, other) => one.attempt - other.attempt)
  return (
    <ol className="timeline">
      <Step tone="grey" icon="send" at={delivery.created_at}>
        Published
      </Step>
      {inOrder[0] && <Claimed delivery={delivery} first={inOrder[0]} />}
      {inOrder.map((attempt, index) => (
        <AttemptStep
          key={attempt.id}
          attempt={attempt}
          next={inOrder[index + 1]}
          delivery={delivery}
          webhook={webhook}
          isLast={index === inOrder.length - 1}
        />
      ))}
      <End delivery={delivery} attempts={attempts} webhook={webhook} />
    </ol>
  )
}

/** A worker takes what it sends at once: that it did is told by when it sent it. */
function Claimed({ delivery, first }: { delivery: DeliveryDetails; first: Attempt }) {
  const waitedMs = Math.max(0, Date.parse(first.started_at) - Date.parse(delivery.created_at))
  const words =
    first.outcome === 'interrupted'
      ? `by a worker that was cut off, ${durationWords(waitedMs)} later`
      : `by a worker, which sent it ${durationWords(waitedMs)} later`
  return (
    <Step tone="grey" icon="delivering" at={first.started_at}>
      Claimed <span className="muted">{words}</span>
    </Step>
  )
}

interface StepProps {
  tone: Tone
  icon: IconName
  at?: string
  children: React.ReactNode
}

function Step({ tone, icon, at, children }: StepProps) {
  return (
    <li className="step">
      <span className={`step-mark ${tone}`}>
        <Icon name={icon} size={12} />
      </span>
      <div className="step-line">
        <div className="grow">{children}</div>
        {at && <Ago at={at} />}
      </div>
    </li>
  )
}

const outcomeLooks: Record<Attempt['outcome'], { tone: Tone; icon: IconName; word: string }> = {
  delivered: { tone: 'green', icon: 'delivered', word: 'delivered' },
  retry: { tone: 'red', icon: 'failed', word: 'failed, to be tried again' },
  failed: { tone: 'red', icon: 'failed', word: 'failed' },
  interrupted: { tone: 'grey', icon: 'inactive', word: 'interrupted: the sender was cut off' },
}

interface AttemptStepProps {
  attempt: Attempt
  next: Attempt | undefined
  delivery: DeliveryDetails
  webhook: Webhook | undefined
  isLast: boolean
}

function AttemptStep({ attempt, next, delivery, webhook, isLast }: AttemptStepProps) {
  const [isOpen, setOpen] = useState(isLast)
  const { tone, icon, word } = outcomeLooks[attempt.outcome]
  const endedMs = Date.parse(attempt.started_at) + (attempt.duration_ms ?? 0)
  return (
    <>
      <li className="step">
        <span className={`step-mark ${tone}`}>
          <Icon name={icon} size={12} />
        </span>
        <details
          open={isOpen}
          onToggle={(event) => setOpen(event.currentTarget.open)}
          className="step-details"
        >
          <summary className="step-line">
            <span className="grow row wrap step-words">
              <span className="strong">Attempt {attempt.attempt}</span>
              <AnswerCode status={attempt.response_status} error={attempt.error ?? 'no answer'} />
              {attempt.duration_ms !== null && (
                <span className="soft num">in {durationWords(attempt.duration_ms)}</span>
              )}
              <span className="muted">{word}</span>
            </span>
            <Ago at={attempt.started_at} />
            <span className="step-open">
              <Icon name="right" size={14} />
            </span>
          </summary>
          {isOpen && <AttemptDetails attempt={attempt} payload={delivery.payload} webhook={webhook} />}
        </details>
      </li>
      {next && (
        <Step tone="grey" icon="pending">
          <span className="muted">
            waited {durationWords(Math.max(0, Date.parse(next.started_at) - endedMs))}
          </span>
        </Step>
      )}
    </>
  )
}

/** Tries that were cut off have numbers too. */
function nextAttempt({ attempts: counted }: DeliveryDetails, attempts: Attempt[]): number {
  return Math.max(counted, ...attempts.map(({ attempt }) => attempt)) + 1
}

/** What comes next, or that nothing does. */
function End({ delivery, attempts, webhook }: TimelineProps) {
  const { status, place } = delivery
  if (status === 'delivered') return null
  if (status === 'delivering' || place === 'worker') {
    const { tone, icon } = statusLooks.delivering
    return (
      <Step tone={tone} icon={icon}>
        <span className="strong">Claimed</span>{' '}
        <span className="soft">
          by a worker, which is making attempt {nextAttempt(delivery, attempts)} now
        </span>
      </Step>
    )
  }
  return (
    <Step tone={statusLooks[status].tone} icon={statusLooks[status].icon}>
      {status === 'failed' && (
        <>
          <span className="strong">Failed</span>{' '}
          <span className="soft anywhere">{failedBecause(delivery)}</span>
        </>
      )}
      {status === 'pending' && <Waiting delivery={delivery} attempts={attempts} webhook={webhook} />}
    </Step>
  )
}

function Waiting({ delivery, attempts, webhook }: TimelineProps) {
  const nowMs = useNow()
  if (webhook && !webhook.is_active) return 'Waiting until the webhook is active again'
  if (delivery.place === 'line') return 'In line: those that were published before it go first'
  if (Date.parse(delivery.scheduled_at) <= nowMs) return 'Due: waiting for a worker'
  return (
    <>
      Waiting{' '}
      <span className="strong">
        <Countdown to={delivery.scheduled_at} />
      </span>{' '}
      for attempt {nextAttempt(delivery, attempts)}
    </>
  )
}

function failedBecause({ last_error, attempts, max_attempts }: DeliveryDetails): string {
  if (last_error === null) return ''
  return attempts >= max_attempts ? `after ${attempts} attempts: ${last_error}` : last_error
}
