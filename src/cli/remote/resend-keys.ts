import { emitKeypressEvents, type Key } from 'node:readline'
import type { ReadStream } from 'node:tty'

export type KeyAction =
  | { kind: 'end' }
  | { kind: 'resend'; number: number }
  | { kind: 'choose'; number: number }

interface Choices {
  /** The newest number; 0 for none. */
  last: number
  has: (number: number) => boolean
}

/** What the keys mean: `r` sends the last event again, or the one that digits or arrows have chosen. */
export class ResendKeys {
  #digits = ''
  #chosen: number | undefined

  press({ name = '', sequence = '', ctrl = false }: Key, { last, has }: Choices): KeyAction | undefined {
    if (name === 'q' || (ctrl && (name === 'c' || name === 'd'))) return { kind: 'end' }
    if (/^\d$/.test(sequence)) {
      // Beyond the newest there is none: the digit begins another number.
      const longer = `${this.#digits}${sequence}`
      this.#digits = Number(longer) > last ? sequence : longer
      return this.#choose(Number(this.#digits), has)
    }
    this.#digits = ''
    if (name === 'up') return this.#choose((this.#chosen ?? last + 1) - 1, has)
    if (name === 'down') return this.#choose((this.#chosen ?? last) + 1, has)
    if (name === 'r' || name === 'return' || name === 'enter') {
      const number = this.#chosen ?? last
      this.#chosen = undefined
      return has(number) ? { kind: 'resend', number } : undefined
    }
    this.#chosen = undefined
    return undefined
  }

  #choose(number: number, has: (number: number) => boolean): KeyAction | undefined {
    if (!has(number)) return undefined
    this.#chosen = number
    return { kind: 'choose', number }
  }
}

/** Reads single keys of a terminal until it is told to stop. */
export function readKeys(terminal: ReadStream, onKey: (key: Key) => void): () => void {
  emitKeypressEvents(terminal)
  const listener = (_text: string | undefined, key: Key) => onKey(key)
  terminal.setRawMode(true)
  terminal.on('keypress', listener)
  terminal.resume()
  return () => {
    terminal.off('keypress', listener)
    terminal.setRawMode(false)
    terminal.pause()
  }
}
