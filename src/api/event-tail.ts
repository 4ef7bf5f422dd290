import type { EventGap } from '../contract/event-stream.ts'
import type { EventPosition, NewEvents } from './engine.ts'

/** Reads what was committed after a position; see `publish/new-events.ts`. */
export type ReadEvents = (after: EventPosition | undefined) => Promise<NewEvents>

type Position = Pick<EventPosition, 'at' | 'xid'>

/**
 * How long before its end a transaction may have begun whose events are still found: looking that far back costs more, so
 * most looks go back only a little, and every so often one goes back far.
 */
const farSeconds = 600
const nearSeconds = 10
const leastLooksToFar = 15
/** Far looks take at most a twentieth of the time, where there is a look each second: at 1,000 events/s one takes a second. */
const looksPerSecondOfFar = 20
const oldestResumeMs = 3_600_000
/** Read after the position, and so read again: more than a stream carries between two far looks. */
const mostKnown = 50_000

/** Follows the events of one project, each of them once. */
export class EventTail {
  readonly #read: ReadEvents
  /** Behind the last far look, behind the last look. */
  #far: Position | undefined
  #near: Position | undefined
  /** What comes again, with its transaction. */
  readonly #known = new Map<string, number>()
  /** The first goes back far: it may be one that takes up an earlier stream. */
  #looksToFar = 0
  #hasMoved = false

  constructor(read: ReadEvents) {
    this.#read = read
  }

  /** From here on, or from where an earlier stream ended; answers what is missing. */
  async begin(from: Position | undefined): Promise<EventGap | undefined> {
    const here = await this.#read(undefined)
    const isTooOld = from !== undefined && here.at.getTime() - from.at.getTime() > oldestResumeMs
    this.#far = from && !isTooOld ? from : here
    this.#near = this.#far
    return isTooOld ? { since: from.at, reason: 'too_old' } : undefined
  }

  /** As `resumeFrom` reads it: all before it was answered. */
  get idLine(): string {
    return `id: ${this.#far!.at.getTime()}-${this.#far!.xid}`
  }

  /** Whether that has changed since it was asked last. */
  hasMoved(): boolean {
    const hasMoved = this.#hasMoved
    this.#hasMoved = false
    return hasMoved
  }

  /** What is new, read page by page as it is taken. */
  async *look(): AsyncGenerator<{ type: string; payload: string }> {
    const isFar = this.#looksToFar === 0
    const from = isFar ? this.#far! : this.#near!
    const known = [...this.#known].filter(([, xid]) => !precedes(xid, from.xid)).map(([id]) => id)
    let here: Position | undefined
    let behind: EventPosition['behind']
    let readMs = 0
    for (;;) {
      const backSeconds = isFar ? farSeconds : nearSeconds
      const begunMs = performance.now()
      const { events, isAll, ...position } = await this.#read({ ...from, backSeconds, known, behind })
      readMs += performance.now() - begunMs
      // What is committed while later pages are read may stand before them: the first page's position counts.
      here ??= position
      for (const event of events) {
        yield event
        this.#known.set(event.id, event.xid)
      }
      if (isAll) break
      const { published_at: publishedAt, id } = events.at(-1)!
      behind = { publishedAt, id }
    }
    this.#looksToFar -= 1
    this.#near = here
    if (isFar) {
      this.#looksToFar = Math.max(leastLooksToFar, Math.ceil((looksPerSecondOfFar * readMs) / 1_000))
      this.#moveTo(here)
    }
    this.#keepFew()
  }

  #moveTo(here: Position): void {
    this.#far = here
    this.#hasMoved = true
    for (const [id, xid] of this.#known) if (precedes(xid, here.xid)) this.#known.delete(id)
  }

  #keepFew(): void {
    for (const id of this.#known.keys()) {
      if (this.#known.size <= mostKnown) return
      this.#known.delete(id)
    }
  }
}

/** Whether one transaction began to write before another: their numbers begin again after 2^32. */
function precedes(xid: number, other: number): boolean {
  return ((xid - other) | 0) < 0
}

/** An id of ours; any other means nothing. */
export function resumeFrom(lastEventId: string | null): Position | undefined {
  const [, ms, xid] = /^(\d{13})-(\d{1,10})$/.exec(lastEventId ?? '') ?? []
  if (ms === undefined || Number(xid) >= 2 ** 32) return undefined
  return { at: new Date(Number(ms)), xid: Number(xid) }
}
