/** A minute: longer than any request, lease or look. What waits longer than that waits in the schedule. */
const spanMs = 65_536

/**
 * The time of a run, which jumps from one thing that happens to the next, by milliseconds. What happens at the same
 * moment happens in the order in which it was planned.
 */
export class Timeline {
  readonly #slots: (() => void)[][] = Array.from({ length: spanMs }, () => [])
  #nowMs = 0
  #isRunning = false

  get nowMs(): number {
    return this.#nowMs
  }

  /** @param ms more than 0 is at least 1 */
  after(ms: number, act: () => void): void {
    const wait = Math.max(Math.ceil(ms), 1)
    if (wait >= spanMs) throw new RangeError(`${ms} ms are beyond ${spanMs} ms`)
    this.#slots[(this.#nowMs + wait) % spanMs]!.push(act)
  }

  /** In this very millisecond, once what is planned for it has happened. */
  soon(act: () => void): void {
    if (this.#isRunning) this.#slots[this.#nowMs % spanMs]!.push(act)
    else this.after(1, act)
  }

  /** From now on every `ms`, for as long as it answers true. */
  every(ms: number, act: () => boolean): void {
    this.after(ms, () => {
      if (act()) this.every(ms, act)
    })
  }

  runUntil(endMs: number): void {
    this.#isRunning = true
    while (this.#nowMs < endMs) {
      this.#nowMs += 1
      const slot = this.#slots[this.#nowMs % spanMs]!
      if (slot.length === 0) continue
      // What happens soon is added while this goes on.
      for (const act of slot) act()
      slot.length = 0
    }
    this.#isRunning = false
  }
}
