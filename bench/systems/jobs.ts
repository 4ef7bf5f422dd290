import { type Envelope, envelope } from './payload.ts'
import type { Endpoint, Message } from './system.ts'

/** What the peers queue for one endpoint. */
export interface Job {
  url: string
  event: Envelope
}

/** A queue knows nothing of subscriptions: the application queues a job for each endpoint itself. */
export function jobsOf(message: Message, endpoints: readonly Endpoint[]): Job[] {
  const event = envelope(message)
  return endpoints
    .filter(({ tenant, topic }) => tenant === message.tenant && topic === message.topic)
    .map(({ url }) => ({ url, event }))
}
