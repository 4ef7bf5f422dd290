import { none } from './deliveries.ts'

/**
 * A set of whole numbers below `end` that finds the next larger one in a few steps, however far it is: what the queue's
 * index is to the claim that steps from webhook to webhook. A tree of bits, 32 to a branch.
 */
export class Numbers {
  readonly #levels: Uint32Array<ArrayBuffer>[] = []

  constructor(end: number) {
    let size = end
    do {
      size = Math.ceil(size / 32)
      this.#levels.push(new Uint32Array(size))
    } while (size > 1)
  }

  add(number: number): void {
    let place = number
    for (const level of this.#levels) {
      const word = place >>> 5
      const before = level[word]!
      level[word] = before | (1 << (place & 31))
      if (before !== 0) return
      place = word
    }
  }

  remove(number: number): void {
    let place = number
    for (const level of this.#levels) {
      const word = place >>> 5
      level[word] = level[word]! & ~(1 << (place & 31))
      if (level[word] !== 0) return
      place = word
    }
  }

  /** The least that is larger than `number`, from -1 on; `none` if there is none. */
  after(number: number): number {
    let place = number + 1
    for (let height = 0; height < this.#levels.length; height += 1) {
      const level = this.#levels[height]!
      const word = place >>> 5
      if (word >= level.length) return none
      const rest = (level[word]! >>> (place & 31)) << (place & 31)
      if (rest !== 0) return this.#least(height, word * 32 + lowestBit(rest))
      place = word + 1
    }
    return none
  }

  #least(height: number, from: number): number {
    let place = from
    for (let below = height - 1; below >= 0; below -= 1)
      place = place * 32 + lowestBit(this.#levels[below]![place]!)
    return place
  }
}

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word)
}
