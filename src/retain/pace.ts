/** A statement that takes longer holds its locks for longer than others should wait, or notice. */
const wantedMs = 25
const fewest = 10
const most = 1_000

/**
 * How many rows one statement takes: more after a quick one, fewer after one that took long, on whatever machine and however
 * large the rows are.
 */
export class Pace {
  #size = 100

  get size(): number {
    return this.#size
  }

  async measured<Result>(step: (size: number) => Promise<Result>): Promise<Result> {
    const startMs = performance.now()
    try {
      return await step(this.#size)
    } finally {
      const factor = wantedMs / Math.max(performance.now() - startMs, 1)
      const next = this.#size * Math.min(Math.max(factor, 0.2), 2)
      this.#size = Math.round(Math.min(Math.max(next, fewest), most))
    }
  }
}
