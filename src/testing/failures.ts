/** What a receiver does with a request. */
export type Failure =
  | { kind: 'status'; status: number; retryAfterSeconds?: number; body?: string }
  | { kind: 'hang' }
  | { kind: 'reset' }

/** The failures that were asked for and did not happen yet, in that order. */
export class Failures {
  #waiting: { failure: Failure; times: number }[] = []

  add(failure: Failure, times: number): void {
    if (!(times >= 1)) throw new RangeError(`a failure happens once or more often, not ${times} times`)
    this.#waiting.push({ failure, times })
  }

  take(): Failure | undefined {
    const [first] = this.#waiting
    if (!first) return undefined
    first.times -= 1
    if (first.times < 1) this.#waiting.shift()
    return first.failure
  }

  clear(): void {
    this.#waiting = []
  }
}
