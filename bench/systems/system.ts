import type { EventData } from './payload.ts'

/** What the bench needs of a system that it measures. */
export interface System {
  /** As the tables name it. */
  name: string
  /** File in this folder that exports `startWorker`. */
  module: string
  tuning: Tuning
  /** Options of Node.js that its own command starts a worker with. */
  execArgv?: readonly string[]
  /** Makes the schema in an empty database. */
  install(connectionString: string): Promise<void>
  /** Makes the endpoints known, and answers how to publish to them, in that database or in a copy of it. */
  subscribe(connectionString: string, endpoints: readonly Endpoint[]): Promise<OpenPublisher>
}

/** How a peer is set up. Postrider runs as it ships, whatever is measured. */
export interface Tuning {
  /** What it is made good at; what it does well with the same settings is measured with the same. */
  for: 'throughput' | 'latency' | 'isolation'
  /** The worker writes a row for each attempt, as Postrider does. */
  recordsAttempts: boolean
}

/** Where the events of one topic of one tenant go. Several endpoints may have the same of both: fan-out. */
export interface Endpoint {
  tenant: string
  /** The events' type. */
  topic: string
  url: string
  /** Of a webhook of Postrider, where it is not the usual one. */
  policy?: { retry_seconds?: number[]; ordered?: boolean; rate_per_second?: number }
}

export interface Message {
  /** What the receiver sees as `webhook-id`. */
  id: string
  tenant: string
  topic: string
  data: EventData
}

export type OpenPublisher = (target: PublishTarget) => Promise<Publisher>

export interface PublishTarget {
  connectionString: string
  /** At most so many connections. */
  connections: number
}

export interface Publisher {
  publish(message: Message): Promise<void>
  publishMany(messages: readonly Message[]): Promise<void>
  close(): Promise<void>
}

/** All that a worker process is told, as JSON. */
export interface WorkerSetup {
  module: string
  connectionString: string
  tuning: Tuning
  execArgv?: readonly string[] | undefined
}

export interface RunningWorker {
  stop(): Promise<void>
}

/** Requests in flight in one worker, of every system. */
export const concurrency = 64

/** Deadline of one request, of every system. */
export const timeoutMs = 10_000
