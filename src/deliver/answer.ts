import type { FailureClass } from './failure.ts'

/** A receiver answered: its status came in whole, whatever became of the body. */
export interface Answer {
  kind: 'answer'
  status: number
  /** Lower-case names, about 8 KiB at most. */
  headers: Record<string, string>
  /** At most 16 KiB of text without NUL. */
  body: string
  /** `body` is not all of it. */
  bodyTruncated: boolean
  /** Why the body was not read to its end. */
  note?: string
  durationMs: number
}

/** There was no answer. */
export interface SendError {
  kind: 'error'
  /** In words: `timeout after 10000 ms`, `connection refused`, `blocked address 10.0.0.7`. */
  error: string
  class: FailureClass
  durationMs: number
}

/** Read of a body at most; whoever sends more is cut off. */
export const maxBodyReadBytes = 65_536
/** Kept of a body at most. */
export const maxBodyStoredBytes = 16_384
const maxHeadersStoredBytes = 8_192

/** The body of an answer as it comes in, without trust: capped, and in the end text that PostgreSQL can hold. */
export class AnswerBody {
  readonly #chunks: Buffer[] = []
  #storedBytes = 0
  #readBytes = 0

  /** False when no more should be read. */
  take(chunk: Buffer): boolean {
    this.#readBytes += chunk.length
    const kept = chunk.subarray(0, maxBodyStoredBytes - this.#storedBytes)
    if (kept.length > 0) this.#chunks.push(kept)
    this.#storedBytes += kept.length
    return this.#readBytes < maxBodyReadBytes
  }

  get truncated(): boolean {
    return this.#readBytes > this.#storedBytes
  }

  /** At most 16 KiB of text; what is no UTF-8, and NUL, is replaced. */
  text(): string {
    return cut(clean(decode(Buffer.concat(this.#chunks), this.truncated)), maxBodyStoredBytes)
  }
}

/** The headers of an answer as the history keeps them: repeated ones joined, about 8 KiB at most. */
export function storedHeaders(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string> {
  const kept: [string, string][] = []
  let size = 0
  for (const [name, values] of Object.entries(headers)) {
    const value = clean(Array.isArray(values) ? values.join(', ') : (values ?? ''))
    size += Buffer.byteLength(name) + Buffer.byteLength(value)
    if (size > maxHeadersStoredBytes) break
    kept.push([name, value])
  }
  return Object.fromEntries(kept)
}

/** PostgreSQL refuses NUL in text. */
function clean(text: string): string {
  return text.replaceAll('\0', '\uFFFD')
}

function decode(bytes: Buffer, truncated: boolean): string {
  if (!truncated) return bytes.toString()
  // `stream` leaves out the first half of a character that the cut went through.
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes, { stream: true })
}

/** Replacement characters take three bytes where there was one. */
function cut(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text
  return decode(Buffer.from(text).subarray(0, maxBytes), true)
}
