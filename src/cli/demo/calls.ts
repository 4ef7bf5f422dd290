import { setTimeout as delay } from 'node:timers/promises'
import type { NewEventType } from '../../contract/event-types.ts'
import { Failure } from '../failure.ts'

export interface NewEvent {
  id: string
  type: string
  data: unknown
  application_id?: string
}

/** What the demo shows of a delivery and its attempts; the whole rows are in the contract. */
export interface Delivery {
  id: string
  status: string
  attempts: number
  max_attempts: number
  scheduled_at: string
  delivered_at: string | null
  last_response_status: number | null
  last_error: string | null
}

export interface Attempt {
  attempt: number
  started_at: string
  duration_ms: number
  response_status: number | null
  outcome: string
}

/** The calls of the HTTP API that the demo makes, as anybody could make them with curl. */
export class ApiCalls {
  readonly url: string
  readonly #key: string

  constructor(url: string, key: string) {
    this.url = url
    this.#key = key
  }

  createProject(name: string): Promise<{ id: string }> {
    return this.#call('POST', '/api/projects', { name })
  }

  createApplication(projectId: string, name: string): Promise<{ id: string }> {
    return this.#call('POST', `/api/projects/${projectId}/applications`, { name })
  }

  createEventType(projectId: string, definition: NewEventType): Promise<{ name: string }> {
    return this.#call('POST', `/api/projects/${projectId}/event-types`, definition)
  }

  createWebhook(projectId: string, webhook: object): Promise<{ id: string; secret: string }> {
    return this.#call('POST', `/api/projects/${projectId}/webhooks`, webhook)
  }

  publish(projectId: string, event: NewEvent): Promise<{ id: string; deliveries: number }> {
    return this.#call('POST', `/api/projects/${projectId}/events`, event)
  }

  /** The one delivery of an event, as soon as the outcome of its latest attempt is recorded. */
  async recordedDelivery(projectId: string, eventId: string): Promise<Delivery> {
    for (;;) {
      const path = `/api/projects/${projectId}/deliveries?event_id=${eventId}`
      const { deliveries } = await this.#call<{ deliveries: Delivery[] }>('GET', path)
      const recorded = deliveries.find(({ attempts, status }) => attempts > 0 && status !== 'delivering')
      if (recorded) return recorded
      await delay(50)
    }
  }

  async attempts(projectId: string, deliveryId: string): Promise<Attempt[]> {
    const path = `/api/projects/${projectId}/deliveries/${deliveryId}/attempts`
    return (await this.#call<{ attempts: Attempt[] }>('GET', path)).attempts
  }

  async #call<Answer>(method: string, path: string, body?: object): Promise<Answer> {
    const response = await fetch(this.url + path, {
      method,
      headers: { authorization: `Bearer ${this.#key}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Failure(`${method} ${path} answered ${response.status}: ${text}`)
    return JSON.parse(text) as Answer
  }
}
