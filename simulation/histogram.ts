/** Each step is so much larger than the one before: percentiles are right to half of it. */
const step = 1.05
const slots = 400

/** Milliseconds on a logarithmic scale, up to 300,000 s. */
export class Histogram {
  readonly #counts = new Float64Array(slots)
  #count = 0
  #max = 0

  get count(): number {
    return this.#count
  }

  get max(): number {
    return this.#max
  }

  add(ms: number): void {
    const slot = ms < 1 ? 0 : Math.min(1 + Math.floor(Math.log(ms) / Math.log(step)), slots - 1)
    this.#counts[slot]! += 1
    this.#count += 1
    if (ms > this.#max) this.#max = ms
  }

  addAll(other: Histogram): void {
    other.#counts.forEach((count, slot) => (this.#counts[slot]! += count))
    this.#count += other.#count
    this.#max = Math.max(this.#max, other.#max)
  }

  /** @param share from 0 to 1; of nothing it is 0 */
  percentile(share: number): number {
    let rest = share * this.#count
    for (let slot = 0; slot < slots; slot += 1) {
      rest -= this.#counts[slot]!
      if (rest <= 0 && this.#counts[slot]! > 0)
        return slot === 0 ? 0 : Math.min(step ** (slot - 0.5), this.#max)
    }
    return this.#max
  }
}
