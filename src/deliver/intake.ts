import type { Socket } from 'node:net'

/** Of an answer, its headers; so much more as its body has bytes may stand around them, and then its trailers. */
export const maxHeadBytes = 16_384

/**
 * Handed to undici at once, which looks at a limit only when it is through with what it was handed. For 64 KiB of small
 * headers it would make 20,000 objects first, or 10,000 errors with their stacks, which took 40 ms of a processor.
 */
const pieceBytes = 1_024

/**
 * What comes in on one connection, on its way to undici. Of what is no body undici counts headers alone: blank lines
 * before an answer, a status line without end or chunk extensions it would read for a whole deadline, which took a
 * processor and hundreds of megabytes.
 */
export class Intake {
  #framingBytes = 0
  #bodyBytes = 0
  #onTooMuch: () => void = () => {}

  /** A request begins: `onTooMuch` is called when its answer has more around its body than in it, and than any headers. */
  begin(onTooMuch: () => void): void {
    this.#framingBytes = 0
    this.#bodyBytes = 0
    this.#onTooMuch = onTooMuch
  }

  /** So many of the bytes were of a body. */
  countBody(bytes: number): void {
    this.#bodyBytes += bytes
    this.#framingBytes -= bytes
  }

  /** From here on undici alone reads what comes in on the socket. */
  watch(socket: Socket): Socket {
    const read = socket.read.bind(socket)
    socket.read = () => {
      if (this.#framingBytes > maxHeadBytes + this.#bodyBytes) this.#onTooMuch()
      // Undici goes on reading after an error.
      if (socket.destroyed) return null
      const piece = (socket.readableLength > pieceBytes ? read(pieceBytes) : read()) as Buffer | null
      this.#framingBytes += piece?.length ?? 0
      return piece
    }
    return socket
  }
}
