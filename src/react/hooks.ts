import { useCallback, useEffect, useState } from 'react'
import type { AnswerOf } from '../client/client.ts'
import { type Asked, useAsked } from './asked.ts'
import { useGround } from './provider.tsx'

export type Delivery = AnswerOf<'listDeliveries'>['deliveries'][number]
export type DeliveryDetails = AnswerOf<'getDelivery'>
export type Attempt = AnswerOf<'listAttempts'>['attempts'][number]
export type Webhook = AnswerOf<'listWebhooks'>['webhooks'][number]

/** Which deliveries: those for which all of it is so. */
export interface DeliveryFilter {
  status?: Delivery['status'] | undefined
  webhook_id?: string | undefined
  event_id?: string | undefined
  event_type?: string | undefined
}

export interface DeliveriesOptions extends DeliveryFilter {
  /** How many at first, and how many more each time. 20 by default. */
  pageSize?: number | undefined
}

export interface Deliveries extends Omit<Asked<unknown>, 'data'> {
  /** The newest first; `undefined` until they are known. */
  deliveries: Delivery[] | undefined
  hasMore: boolean
  /** Adds one more page to `deliveries`. */
  loadMore: () => void
}

/** What one page of a list may hold at most. */
const mostOnPage = 100

/**
 * Deliveries of the project, newest first, kept up to date.
 *
 *     const { deliveries, error, hasMore, loadMore } = useDeliveries({ status: 'failed' })
 */
export function useDeliveries({ pageSize = 20, ...filter }: DeliveriesOptions = {}): Deliveries {
  const { project } = useGround()
  // Without what is undefined.
  const filterKey = JSON.stringify(filter)
  const [wanted, setWanted] = useState(pageSize)
  useEffect(() => setWanted(pageSize), [filterKey, pageSize])
  const { data, ...asked } = useAsked(`deliveries ${filterKey}`, async (signal) => {
    const given = JSON.parse(filterKey) as { status?: Delivery['status'] }
    const deliveries: Delivery[] = []
    let cursor: string | undefined
    do {
      const limit = Math.min(mostOnPage, wanted - deliveries.length)
      const page = await project.listDeliveries({ ...given, limit, ...(cursor && { cursor }) }, { signal })
      deliveries.push(...page.deliveries)
      cursor = page.next_cursor ?? undefined
    } while (cursor !== undefined && deliveries.length < wanted)
    return { deliveries, hasMore: cursor !== undefined }
  })
  const { reload } = asked
  const loadMore = useCallback(() => {
    setWanted((before) => before + pageSize)
    reload()
  }, [pageSize, reload])
  return { ...asked, deliveries: data?.deliveries, hasMore: data?.hasMore ?? false, loadMore }
}

/** One delivery with what is sent and what was answered, and its attempts. */
export function useDelivery(
  id: string,
): Omit<Asked<unknown>, 'data'> & { delivery: DeliveryDetails | undefined; attempts: Attempt[] | undefined } {
  const { project } = useGround()
  const { data, ...asked } = useAsked(`delivery ${id}`, async (signal) => {
    const [delivery, { attempts }] = await Promise.all([
      project.getDelivery(id, { signal }),
      project.listAttempts(id, { signal }),
    ])
    return { delivery, attempts }
  })
  return { ...asked, delivery: data?.delivery, attempts: data?.attempts }
}

/** All webhooks of the project. */
export function useWebhooks(): Omit<Asked<unknown>, 'data'> & { webhooks: Webhook[] | undefined } {
  const { project } = useGround()
  const { data, ...asked } = useAsked('webhooks', (signal) => allOf(project.listWebhooks({}, { signal })))
  return { ...asked, webhooks: data }
}

async function allOf<Item>(list: AsyncIterable<Item>): Promise<Item[]> {
  const items: Item[] = []
  for await (const item of list) items.push(item)
  return items
}

/** A change that can be asked for. */
export interface Change {
  /** Asks for it. It does not throw: what went wrong is in `error`. Answers whether it was done. */
  run: (deliveryId: string) => Promise<boolean>
  /** The deliveries that it is being asked for. */
  running: ReadonlySet<string>
  error: Error | undefined
}

/**
 * Sends a delivery again; what is shown is asked for again then. Needs a key that may manage the project.
 *
 *     const { run: retry, running, error } = useRetry()
 */
export function useRetry(): Change {
  const { project } = useGround()
  return useChange((id) => project.retryDelivery(id))
}

/** Gives up a delivery that waits for its next try. */
export function useCancel(): Change {
  const { project } = useGround()
  return useChange((id) => project.cancelDelivery(id))
}

function useChange(ask: (id: string) => Promise<unknown>): Change {
  const { changed } = useGround()
  const [running, setRunning] = useState<ReadonlySet<string>>(new Set())
  const [error, setError] = useState<Error>()
  const run = async (id: string): Promise<boolean> => {
    setRunning((before) => new Set(before).add(id))
    setError(undefined)
    try {
      await ask(id)
      changed()
      return true
    } catch (caught) {
      setError(caught as Error)
      return false
    } finally {
      setRunning((before) => new Set([...before].filter((each) => each !== id)))
    }
  }
  return { run, running, error }
}
