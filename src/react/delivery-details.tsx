import { type Attempt, useDelivery } from './hooks.ts'
import { Problem, When } from './parts.tsx'

/** One delivery: each attempt with its answer, and what is sent. */
export function DeliveryDetails({ id }: { id: string }) {
  const { delivery, attempts, error, reload } = useDelivery(id)
  if (error && !delivery) return <Problem error={error} onRetry={reload} />
  if (!delivery || !attempts) return <p role="status">Loading the delivery…</p>
  return (
    <div className="postrider-details">
      {delivery.status === 'pending' && delivery.attempts > 0 && (
        <p>
          Next try <When at={delivery.scheduled_at} />
        </p>
      )}
      <h4>Attempts</h4>
      {attempts.length === 0 ? <p>None yet.</p> : <Attempts attempts={attempts} />}
      <h4>Sent</h4>
      {delivery.payload_expired_at === null ? (
        <pre role="region" tabIndex={0} aria-label="What is sent">
          {JSON.stringify(delivery.payload, undefined, 2)}
        </pre>
      ) : (
        <p>
          It is not kept any more, <When at={delivery.payload_expired_at} />.
        </p>
      )}
      {delivery.last_response_body && (
        <>
          <h4>Last answer</h4>
          <pre role="region" tabIndex={0} aria-label="Last answer">
            {delivery.last_response_body}
          </pre>
        </>
      )}
    </div>
  )
}

const outcomes: Record<Attempt['outcome'], string> = {
  delivered: 'Delivered',
  retry: 'Will be tried again',
  failed: 'Failed',
  interrupted: 'Interrupted',
}

function Attempts({ attempts }: { attempts: Attempt[] }) {
  return (
    <ol className="postrider-attempts">
      {attempts.map(({ id, attempt, started_at, duration_ms, response_status, error, outcome }) => (
        <li key={id} value={attempt}>
          {outcomes[outcome]}: <bdi>{response_status ?? error ?? 'no answer'}</bdi>
          {duration_ms !== null && ` after ${duration_ms} ms`}, <When at={started_at} />
        </li>
      ))}
    </ol>
  )
}
