import type { LiveDelivery, LiveGap } from '../contract/live.ts'

/** What one client may have unread: beyond it what happens is left out, and a gap told instead. */
const unreadBytes = 256 * 1_024
/** A client that reads nothing for so long is gone. */
const patienceMs = 60_000
const beatMs = 15_000

/** Server-sent events to one client, who may be slow. */
export class LiveStream {
  readonly body: ReadableStream<Uint8Array>
  /** Called once. */
  onEnd: () => void = () => {}
  #controller!: ReadableStreamDefaultController<Uint8Array>
  #hasEnded = false
  /** Since when what happens is left out. */
  #leftOutSinceMs: number | undefined
  #lastGiven: Date | undefined
  #writtenMs = performance.now()

  constructor() {
    this.body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller
        },
        cancel: () => this.#ended(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: unreadBytes }),
    )
  }

  /** `at`: until when all was told, once this is received. */
  send(event: LiveDelivery, at: Date): void {
    if (!this.#hasRoom()) return
    this.#write(`event: delivery\nid: ${at.getTime()}\ndata: ${JSON.stringify(event)}\n\n`)
    this.#lastGiven = at
  }

  gap(gap: LiveGap): void {
    if (this.#hasRoom()) this.#write(gapText(gap))
  }

  comment(text: string): void {
    this.#write(`: ${text}\n\n`)
  }

  /** Every second or so: sends a sign of life when nothing else was sent for long, and gives up on who reads nothing. */
  beat(): void {
    const nowMs = performance.now()
    if (this.#leftOutSinceMs !== undefined && nowMs - this.#leftOutSinceMs > patienceMs) this.end()
    else if (nowMs - this.#writtenMs >= beatMs && this.#hasRoom()) this.comment('beat')
  }

  /** For those who wait until their client has read enough, instead of leaving out what happens. */
  get mayWrite(): boolean {
    return !this.#hasEnded && (this.#controller.desiredSize ?? 0) > 0
  }

  /** One message or more as they are sent. */
  write(text: string): void {
    this.#write(text)
  }

  end(): void {
    if (this.#hasEnded) return
    this.#controller.close()
    this.#ended()
  }

  /** Whether the client has read enough to be told more; if it just has again, the gap is told first. */
  #hasRoom(): boolean {
    if (this.#hasEnded) return false
    const isFull = (this.#controller.desiredSize ?? 0) <= 0
    if (isFull) {
      this.#leftOutSinceMs ??= performance.now()
      return false
    }
    if (this.#leftOutSinceMs !== undefined) {
      this.#leftOutSinceMs = undefined
      this.#write(gapText({ since: this.#lastGiven ?? null, reason: 'slow_client' }))
    }
    return true
  }

  #write(text: string): void {
    if (this.#hasEnded) return
    this.#controller.enqueue(new TextEncoder().encode(text))
    this.#writtenMs = performance.now()
  }

  #ended(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.onEnd()
  }
}

function gapText(gap: LiveGap): string {
  return `event: gap\ndata: ${JSON.stringify(gap)}\n\n`
}
