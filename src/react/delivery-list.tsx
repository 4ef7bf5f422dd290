import { useId, useState } from 'react'
import { DeliveryDetails } from './delivery-details.tsx'
import { type DeliveriesOptions, type Delivery, useDeliveries, useRetry, useWebhooks } from './hooks.ts'
import { DeliveryStatus, LastAnswer, Problem, When } from './parts.tsx'

export interface DeliveryListProps extends DeliveriesOptions {
  /** What the table is called. `Deliveries` by default. */
  label?: string
  /** Deliveries can be sent again, which needs a key that may manage the project. True by default. */
  canRetry?: boolean
}

/**
 * Deliveries as a table, newest first: their state, what was answered, and on demand each attempt and what is sent. It has
 * class names and no style: `postrider/react/style.css` is one, made of variables.
 *
 *     <DeliveryList event_type="order.paid" canRetry={isAdmin} />
 */
export function DeliveryList({ label = 'Deliveries', canRetry = true, ...options }: DeliveryListProps) {
  const { deliveries, error, isLoading, hasMore, loadMore, reload } = useDeliveries(options)
  const { webhooks } = useWebhooks()
  const { run: retry, running, error: retryError } = useRetry()
  const [told, setTold] = useState('')
  const names = new Map(webhooks?.map(({ id, name }) => [id, name]))
  const retryAndTell = async ({ id, event_type }: Delivery): Promise<void> => {
    if (await retry(id)) setTold(`${event_type} is sent again.`)
  }
  return (
    <section className="postrider" aria-label={label} aria-busy={isLoading}>
      <p role="status" className="postrider-told">
        {isLoading ? 'Loading deliveries…' : told}
      </p>
      {error && <Problem error={error} onRetry={reload} />}
      {retryError && <Problem error={retryError} />}
      {deliveries?.length === 0 && <p className="postrider-empty">There are no deliveries.</p>}
      {deliveries && deliveries.length > 0 && (
        <table>
          <caption>{label}</caption>
          <thead>
            <tr>
              <th scope="col">Status</th>
              <th scope="col">Event</th>
              <th scope="col">Webhook</th>
              <th scope="col">Attempts</th>
              <th scope="col">Last answer</th>
              <th scope="col">Created</th>
              {canRetry && <th scope="col">Actions</th>}
            </tr>
          </thead>
          <tbody>
            {deliveries.map((delivery) => (
              <DeliveryRows
                key={delivery.id}
                delivery={delivery}
                webhookName={names.get(delivery.webhook_id) ?? delivery.webhook_id}
                isRetrying={running.has(delivery.id)}
                {...(canRetry && { onRetry: () => void retryAndTell(delivery) })}
              />
            ))}
          </tbody>
        </table>
      )}
      {hasMore && (
        <button type="button" className="postrider-more" onClick={loadMore}>
          Show more
        </button>
      )}
    </section>
  )
}

interface DeliveryRowsProps {
  delivery: Delivery
  webhookName: string
  isRetrying: boolean
  onRetry?: () => void
}

/** The row of a delivery, and under it what it holds, once somebody asks. */
function DeliveryRows({ delivery, webhookName, isRetrying, onRetry }: DeliveryRowsProps) {
  const [isOpen, setOpen] = useState(false)
  const detailsId = useId()
  const { id, event_type, status, attempts, max_attempts, created_at } = delivery
  return (
    <>
      <tr>
        <td>
          <DeliveryStatus status={status} />
        </td>
        <th scope="row">
          <button
            type="button"
            className="postrider-open"
            aria-expanded={isOpen}
            aria-controls={detailsId}
            onClick={() => setOpen(!isOpen)}
          >
            {event_type}
          </button>
        </th>
        <td>
          <bdi>{webhookName}</bdi>
        </td>
        <td>
          {attempts} of {max_attempts}
        </td>
        <td>
          <LastAnswer delivery={delivery} />
        </td>
        <td>
          <When at={created_at} />
        </td>
        {onRetry && (
          <td>
            {status !== 'delivering' && (
              <button
                type="button"
                aria-label={`Send again: ${event_type} ${id}`}
                disabled={isRetrying}
                onClick={onRetry}
              >
                Send again
              </button>
            )}
          </td>
        )}
      </tr>
      <tr id={detailsId} hidden={!isOpen}>
        <td colSpan={onRetry ? 7 : 6}>{isOpen && <DeliveryDetails id={id} />}</td>
      </tr>
    </>
  )
}
