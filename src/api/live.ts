import { PostriderError } from '../contract/errors.ts'
import type { LiveDelivery, LiveGap } from '../contract/live.ts'
import { routes } from '../contract/routes.ts'
import { strict } from '../contract/text.ts'
import type { Gate } from './gate.ts'
import type { App } from './context.ts'
import type { Changes } from './engine.ts'
import { LiveStream } from './live-stream.ts'
import { addStreamCall, type StreamAsked, streamAnswer, tooManyStreams } from './stream-calls.ts'

/** What happened in a project since a moment, and until when that is known. */
export type Watch = (since: Date | undefined) => Promise<Changes>

interface Subscriber extends Pick<StreamAsked<unknown>, 'projectId' | 'caller' | 'lastEventId' | 'check'> {
  /** Reads what is new. */
  watch: Watch
}

const pollMs = 1_000
/** What was written this long before a look may have been committed after it. */
const overlapMs = 3_000
const oldestResumeMs = 300_000
const mostForCaller = 10
const mostForProject = 100

/**
 * The streams of one process. Each project that somebody watches is looked at once a second, for all who watch it here:
 * any number of processes can write what is seen. NOTIFY would tell at once, but every result of every project would pay
 * for it, with a lock that all committing transactions of the server share.
 */
export class LiveStreams {
  readonly #feeds = new Map<string, Feed>()

  /**
   * A stream of one more client.
   *
   * @throws {PostriderError} `rate_limited` for too many streams
   */
  open({ projectId, caller, lastEventId, watch, check }: Subscriber): Response {
    const feed = this.#feeds.get(projectId) ?? new Feed(() => this.#feeds.delete(projectId))
    const ofCaller = [...this.#feeds.values()]
      .flatMap(({ members }) => [...members])
      .filter((each) => each.caller === caller)
    if (ofCaller.length >= mostForCaller || feed.members.size >= mostForProject) {
      throw tooManyStreams()
    }
    this.#feeds.set(projectId, feed)
    const stream = new LiveStream()
    feed.add({ stream, caller, watch, check, resumeAt: resumeFrom(lastEventId) })
    return streamAnswer(stream)
  }

  /** Ends them all: a server that stops waits for none. */
  close(): void {
    for (const feed of this.#feeds.values()) feed.close()
  }
}

interface Member {
  stream: LiveStream
  caller: string
  watch: Watch
  check: () => Promise<unknown>
  resumeAt: Date | undefined
}

/** One project, and who watches it. */
class Feed {
  readonly members = new Set<Member>()
  readonly #onEmpty: () => void
  /** What was sent of the time that is looked at again. */
  readonly #sent = new Map<string, number>()
  #knownUntil: Date | undefined
  #timer: NodeJS.Timeout | undefined
  /** The first look: what is written after it will be told. */
  #begun: Promise<void> | undefined

  constructor(onEmpty: () => void) {
    this.#onEmpty = onEmpty
  }

  add(member: Member): void {
    this.members.add(member)
    member.stream.onEnd = () => this.#remove(member)
    this.#begun ??= this.#look()
    void this.#begin(member)
  }

  close(): void {
    for (const { stream } of this.members) stream.end()
  }

  #remove(member: Member): void {
    this.members.delete(member)
    if (this.members.size > 0) return
    clearTimeout(this.#timer)
    this.#onEmpty()
  }

  /** From where it stopped, for one that comes back. */
  async #begin({ stream, watch, resumeAt }: Member): Promise<void> {
    await this.#begun
    stream.comment('open')
    if (!resumeAt) return
    try {
      const { at, changes, limit } = await watch(new Date(resumeAt.getTime() - overlapMs))
      if (at.getTime() - resumeAt.getTime() > oldestResumeMs)
        stream.gap({ since: resumeAt, reason: 'too_old' })
      else {
        if (changes.length >= limit) stream.gap({ since: resumeAt, reason: 'too_many' })
        for (const change of changes) stream.send(eventOf(change), at)
      }
    } catch {
      stream.end()
    }
  }

  async #look(): Promise<void> {
    await Promise.all(Array.from(this.members, (member) => this.#check(member)))
    const [first] = this.members
    if (first) {
      try {
        await this.#tell(first.watch)
      } catch {
        // The database is away, or who asked lost the right meanwhile: the next look tells what is missed now.
      }
    }
    if (this.members.size > 0) this.#timer = setTimeout(() => void this.#look(), pollMs)
  }

  async #check(member: Member): Promise<void> {
    member.stream.beat()
    try {
      await member.check()
    } catch (error) {
      const isRefused = error instanceof PostriderError && [401, 403, 404].includes(error.status)
      if (isRefused) member.stream.end()
    }
  }

  async #tell(watch: Watch): Promise<void> {
    const since = this.#knownUntil && new Date(this.#knownUntil.getTime() - overlapMs)
    const { at, changes, limit } = await watch(since)
    const fresh = changes.filter(({ id }) => !this.#sent.has(id))
    const gap: LiveGap | undefined =
      fresh.length >= limit ? { since: this.#knownUntil ?? null, reason: 'too_many' } : undefined
    for (const { stream } of this.members) {
      if (gap) stream.gap(gap)
      for (const change of fresh) stream.send(eventOf(change), at)
    }
    for (const { id } of fresh) this.#sent.set(id, at.getTime())
    for (const [id, sentMs] of this.#sent) if (sentMs < at.getTime() - 4 * overlapMs) this.#sent.delete(id)
    this.#knownUntil = at
  }
}

function eventOf({ change, delivery, attempt }: LiveDelivery): LiveDelivery {
  return { change, delivery, attempt }
}

/** An id of ours is the moment until which everything was sent; any other means nothing. */
function resumeFrom(lastEventId: string | null): Date | undefined {
  return lastEventId !== null && /^\d{13}$/.test(lastEventId) ? new Date(Number(lastEventId)) : undefined
}

export function addLive(app: App, gate: Gate, streams: LiveStreams): void {
  addStreamCall(app, gate, {
    route: routes.streamDeliveries,
    query: noQuery,
    open: ({ projectId, caller, lastEventId, check, calls }) =>
      streams.open({
        projectId: projectId.toLowerCase(),
        caller,
        lastEventId,
        check,
        watch: (since) => calls.changes(projectId, since),
      }),
  })
}

const noQuery = strict({})
