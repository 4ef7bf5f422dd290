import { randomBytes } from 'node:crypto'
import type { Message } from './system.ts'

export interface EventData {
  number: number
  customer: { id: string; name: string; country: string }
  lines: { sku: string; quantity: number; price: string }[]
  note: string
}

/** What makes a request's body of all fields about 1 KiB; random, so that nothing compresses it. */
const note = randomBytes(405).toString('base64')

/** The data of an event as an application would publish it. */
export function eventData(number: number): EventData {
  return {
    number,
    customer: { id: `cus_${number}`, name: 'Ada Lovelace', country: 'GB' },
    lines: [
      { sku: 'engine-1', quantity: 1, price: '1200.00' },
      { sku: 'card-80', quantity: 500, price: '0.25' },
    ],
    note,
  }
}

/** The body of a request as the peers send it: the fields of Postrider's envelope. */
export interface Envelope {
  id: string
  timestamp: string
  type: string
  api_version: string
  project_id: string
  data: EventData
}

export function envelope({ id, tenant, topic, data }: Message): Envelope {
  return {
    id,
    timestamp: new Date().toISOString(),
    type: topic,
    api_version: 'v1',
    project_id: tenant,
    data,
  }
}
