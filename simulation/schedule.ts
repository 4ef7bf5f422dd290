import { type Deliveries, none } from './deliveries.ts'

/** Workers let out what is due as often. */
const stepMs = 100

/** The table `delivery_schedule`: what waits for its next try, by the tenth of a second in which it is due. */
export class Schedule {
  readonly #deliveries: Deliveries
  readonly #first: Int32Array<ArrayBuffer>
  #step = 0
  #length = 0

  /** What is due after `endMs` never comes out. */
  constructor(deliveries: Deliveries, endMs: number) {
    this.#deliveries = deliveries
    this.#first = new Int32Array(Math.ceil(endMs / stepMs) + 2).fill(none)
  }

  get length(): number {
    return this.#length
  }

  add(delivery: number): void {
    const { dueMs, next } = this.#deliveries
    const step = Math.min(Math.max(Math.ceil(dueMs[delivery]! / stepMs), this.#step), this.#first.length - 1)
    this.#length += 1
    next[delivery] = this.#first[step]!
    this.#first[step] = delivery
  }

  /** Hands over what is due; answers how many. */
  letOut(nowMs: number, take: (delivery: number) => void): number {
    const end = Math.min(Math.floor(nowMs / stepMs), this.#first.length - 2)
    let count = 0
    for (; this.#step <= end; this.#step += 1) {
      let delivery = this.#first[this.#step]!
      this.#first[this.#step] = none
      while (delivery !== none) {
        const next = this.#deliveries.next[delivery]!
        take(delivery)
        count += 1
        delivery = next
      }
    }
    this.#length -= count
    return count
  }
}
