/** Chance with a seed: the same run each time, on every machine. */
export class Random {
  #a: number
  #b: number
  #c: number
  #counter = 1
  #spare: number | undefined

  constructor(seed: number) {
    this.#a = seed | 0
    this.#b = 0x9e3779b9
    this.#c = 0x243f6a88
    // The first numbers of seeds that are near each other are near each other too.
    for (let round = 0; round < 15; round += 1) this.next()
  }

  /** 0 up to 1, as `Math.random`: sfc32 of Chris Doty-Humphrey's PractRand. */
  readonly next = (): number => {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return (sum >>> 0) / 4_294_967_296
  }

  /** A whole number from 0, less than `end`. */
  below(end: number): number {
    return Math.floor(this.next() * end)
  }

  /** Half of them below `median`; of 100 one is above `median · e^(2.33 · sigma)`. */
  logNormal(median: number, sigma: number): number {
    return median * Math.exp(sigma * this.#normal())
  }

  /** How many come in a time in which `mean` are to be expected. */
  poisson(mean: number): number {
    if (mean > 30) return Math.max(Math.round(mean + Math.sqrt(mean) * this.#normal()), 0)
    const limit = Math.exp(-mean)
    let count = -1
    for (let product = 1; product > limit; count += 1) product *= this.next()
    return Math.max(count, 0)
  }

  /** Box and Muller's: two at a time. */
  #normal(): number {
    if (this.#spare !== undefined) {
      const spare = this.#spare
      this.#spare = undefined
      return spare
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()))
    const angle = 2 * Math.PI * this.next()
    this.#spare = radius * Math.sin(angle)
    return radius * Math.cos(angle)
  }
}
