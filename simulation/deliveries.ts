/** None, where the number of a delivery or of a webhook would stand. */
export const none = -1

/**
 * The unfinished deliveries of a run: columns of numbers, for millions of them. Each is in one chain at most, that of its
 * webhook in the queue or that of its time in the schedule. The place of one that has ended is used again.
 */
export class Deliveries {
  webhook: Int32Array<ArrayBuffer>
  /** `scheduled_at`. */
  dueMs: Float64Array<ArrayBuffer>
  /** Where it stands in a chain, the one behind it. */
  next: Int32Array<ArrayBuffer>
  attempts: Uint8Array<ArrayBuffer>
  rescues: Uint8Array<ArrayBuffer>
  #used = 0
  #free: number = none
  #count = 0

  constructor(capacity: number) {
    this.webhook = new Int32Array(capacity)
    this.dueMs = new Float64Array(capacity)
    this.next = new Int32Array(capacity)
    this.attempts = new Uint8Array(capacity)
    this.rescues = new Uint8Array(capacity)
  }

  /** Unfinished ones. */
  get count(): number {
    return this.#count
  }

  add(webhook: number, dueMs: number, attempts = 0): number {
    let place = this.#free
    if (place === none) {
      if (this.#used === this.webhook.length) this.#grow()
      place = this.#used
      this.#used += 1
    } else {
      this.#free = this.next[place]!
    }
    this.#count += 1
    this.webhook[place] = webhook
    this.dueMs[place] = dueMs
    this.next[place] = none
    this.attempts[place] = attempts
    this.rescues[place] = 0
    return place
  }

  remove(place: number): void {
    this.#count -= 1
    this.next[place] = this.#free
    this.#free = place
  }

  #grow(): void {
    const capacity = this.webhook.length * 2
    this.webhook = grown(this.webhook, new Int32Array(capacity))
    this.dueMs = grown(this.dueMs, new Float64Array(capacity))
    this.next = grown(this.next, new Int32Array(capacity))
    this.attempts = grown(this.attempts, new Uint8Array(capacity))
    this.rescues = grown(this.rescues, new Uint8Array(capacity))
  }
}

function grown<Column extends { set(from: Column): void }>(from: Column, to: Column): Column {
  to.set(from)
  return to
}
