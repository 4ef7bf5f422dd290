import { Connection } from './connection.ts'
import type { OpenOptions } from './open.ts'

/** Connections kept over all origins; more are closed after their request. */
const maxIdle = 1_000
/** A busy connection is replaced after this, so that a name that moved is followed. */
const maxAgeMs = 300_000

/**
 * The connections of a sender: one for each request that runs, and those that wait a moment for the next request to
 * their origin. Nothing queues here: how many run at once is the worker's to decide.
 */
export class Connections {
  readonly #options: OpenOptions
  readonly #idle = new Map<string, Connection[]>()
  #idleCount = 0
  #closed = false

  constructor(options: OpenOptions) {
    this.#options = options
  }

  get idleCount(): number {
    return this.#idleCount
  }

  /** A connection for one request: the one used last, whose receiver is the least likely to have closed it, or a new one. */
  take(origin: string): Connection {
    const idle = this.#idle.get(origin)?.at(-1)
    if (idle) {
      this.#forget(idle)
      return idle
    }
    const connection = new Connection(origin, this.#options)
    // Closed by the receiver or after its idle time.
    connection.client.on('disconnect', () => {
      if (this.#forget(connection)) connection.destroy()
    })
    return connection
  }

  /** Hands a connection back after a complete answer. */
  giveBack(connection: Connection): void {
    if (this.#closed || this.#idleCount >= maxIdle || connection.ageMs > maxAgeMs) {
      connection.destroy()
      return
    }
    const idle = this.#idle.get(connection.origin) ?? []
    idle.push(connection)
    this.#idle.set(connection.origin, idle)
    this.#idleCount += 1
  }

  /** Closes the idle ones now and the others when they are handed back. */
  close(): void {
    this.#closed = true
    for (const connection of [...this.#idle.values()].flat()) {
      this.#forget(connection)
      connection.destroy()
    }
  }

  /** Takes a connection out of the idle ones; false when it was not among them. */
  #forget(connection: Connection): boolean {
    const idle = this.#idle.get(connection.origin)
    const place = idle?.lastIndexOf(connection) ?? -1
    if (!idle || place === -1) return false
    idle.splice(place, 1)
    if (idle.length === 0) this.#idle.delete(connection.origin)
    this.#idleCount -= 1
    return true
  }
}
