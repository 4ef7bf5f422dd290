import { setImmediate as nextTurn } from 'node:timers/promises'
import { PostriderError } from '../contract/errors.ts'

/**
 * Room for bodies of batches. Once it is parsed, one takes many times its bytes, and the event loop for as long as a
 * second: many at once would take the memory of the process and the time of all other calls. So few are in hand at once,
 * by bytes; the others wait in the order in which they came, unparsed, and when there are too many of those, the next is
 * refused.
 */
export class LargeBodies {
  readonly #mostInHand: number
  readonly #mostHeld: number
  #inHand = 0
  #held = 0
  readonly #waiting: { bytes: number; begin: () => void }[] = []

  /** In bytes: what is worked on at once, and what is held in all, that which is still coming in too. */
  constructor({ mostInHand, mostHeld }: { mostInHand: number; mostHeld: number }) {
    this.#mostInHand = mostInHand
    this.#mostHeld = mostHeld
  }

  /**
   * Room for what is coming in; what it answers gives it back.
   *
   * @throws {PostriderError} `rate_limited` if there is none
   */
  hold(bytes: number): () => void {
    if (this.#held + bytes > this.#mostHeld) {
      throw new PostriderError(
        'rate_limited',
        'Too many large bodies are coming in. Try again in 1 s, or send smaller batches.',
        { retryAfterSeconds: 1 },
      )
    }
    this.#held += bytes
    return once(() => (this.#held -= bytes))
  }

  /** Waits until it is the turn of a body that has come in; what it answers ends the turn. */
  async turn(bytes: number): Promise<() => void> {
    const begun = new Promise<void>((resolve) => this.#waiting.push({ bytes, begin: resolve }))
    this.#next()
    await begun
    // Whoever else waits for the event loop goes first.
    await nextTurn()
    return once(() => {
      this.#inHand -= bytes
      this.#next()
    })
  }

  #next(): void {
    for (let first = this.#waiting[0]; first && this.#hasRoomFor(first.bytes); first = this.#waiting[0]) {
      this.#waiting.shift()
      this.#inHand += first.bytes
      first.begin()
    }
  }

  #hasRoomFor(bytes: number): boolean {
    return this.#inHand === 0 || this.#inHand + bytes <= this.#mostInHand
  }
}

function once(act: () => void): () => void {
  let isDone = false
  return () => {
    if (!isDone) act()
    isDone = true
  }
}
