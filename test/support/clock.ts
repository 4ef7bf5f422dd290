import type { Clock } from '../../src/clock.ts'

/** A clock that a test moves: it starts at the machine's time and stands still between. */
export class MovedClock implements Clock {
  #nowMs = Date.now()

  now(): Date {
    return new Date(this.#nowMs)
  }

  advance(seconds: number): void {
    this.#nowMs += seconds * 1_000
  }

  moveTo(time: Date): void {
    this.#nowMs = time.getTime()
  }
}
