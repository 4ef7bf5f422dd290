import { setTimeout } from 'node:timers/promises'
import Type from 'typebox'
import { invalidField, PostriderError } from '../contract/errors.ts'
import { EventStreamQuery } from '../contract/event-stream.ts'
import { routes } from '../contract/routes.ts'
import { EventTypePattern } from '../contract/text.ts'
import { validate } from '../contract/validate.ts'
import type { App } from './context.ts'
import { EventTail, type ReadEvents, resumeFrom } from './event-tail.ts'
import type { Gate } from './gate.ts'
import { LiveStream } from './live-stream.ts'
import { addStreamCall, type StreamAsked, streamAnswer, tooManyStreams } from './stream-calls.ts'

interface Subscriber extends Pick<StreamAsked<unknown>, 'caller' | 'lastEventId' | 'check'> {
  read: ReadEvents
  matches: (type: string) => boolean
}

const pollMs = 1_000
/** Whoever hears nothing for longer may take the connection for dead. */
const silentMs = 15_000
const mostForCaller = 10
const mostInAll = 200
/** A client that reads nothing for so long is gone. */
const patienceMs = 60_000

/** The streams of events of one process: each looks by itself, and as fast as its client reads. */
export class EventStreams {
  readonly #open = new Map<LiveStream, string>()

  /**
   * A stream of one more client, who is told what is committed from now on.
   *
   * @throws {PostriderError} `rate_limited` for too many streams
   */
  async open({ caller, read, lastEventId, ...subscriber }: Subscriber): Promise<Response> {
    const ofCaller = [...this.#open.values()].filter((each) => each === caller)
    if (ofCaller.length >= mostForCaller || this.#open.size >= mostInAll) {
      throw tooManyStreams()
    }
    const stream = new LiveStream()
    const ended = new AbortController()
    this.#open.set(stream, caller)
    stream.onEnd = () => {
      this.#open.delete(stream)
      ended.abort()
    }
    try {
      const tail = new EventTail(read)
      const from = resumeFrom(lastEventId)
      const gap = await tail.begin(from)
      stream.write(`: open\n${tail.idLine}\n\n`)
      if (gap) stream.write(`event: gap\ndata: ${JSON.stringify(gap)}\n\n`)
      void run(stream, { ...subscriber, tail, isBehind: from !== undefined }, ended.signal)
    } catch (error) {
      stream.end()
      throw error
    }
    return streamAnswer(stream)
  }

  /** Ends them all: a server that stops waits for none. */
  close(): void {
    for (const stream of this.#open.keys()) stream.end()
  }
}

interface Follower extends Pick<Subscriber, 'check' | 'matches'> {
  tail: EventTail
  /** There may be something to tell at once. */
  isBehind: boolean
}

async function run(
  stream: LiveStream,
  { tail, check, matches, isBehind }: Follower,
  ended: AbortSignal,
): Promise<void> {
  let writtenMs = performance.now()
  const send = async (text: string): Promise<void> => {
    await roomIn(stream, ended)
    stream.write(text)
    writtenMs = performance.now()
  }
  if (!isBehind) await nextLook(ended)
  while (!ended.aborted) {
    try {
      await check()
      for await (const { type, payload } of tail.look()) {
        if (matches(type)) await send(`event: event\n${tail.idLine}\ndata: ${lines(payload)}\n\n`)
      }
      // All before it was sent.
      if (tail.hasMoved()) await send(`${tail.idLine}\n\n`)
      else if (performance.now() - writtenMs > silentMs) await send(': beat\n\n')
    } catch (error) {
      // Else the database is away, and the next look tells what is missed now.
      if (error instanceof PostriderError && [401, 403, 404].includes(error.status)) stream.end()
    }
    await nextLook(ended)
  }
}

function nextLook(ended: AbortSignal): Promise<void> {
  return setTimeout(pollMs, undefined, { signal: ended }).catch(() => {})
}

/** Waits until the client has read enough. */
async function roomIn(stream: LiveStream, ended: AbortSignal): Promise<void> {
  const since = performance.now()
  while (!stream.mayWrite && !ended.aborted) {
    if (performance.now() - since > patienceMs) stream.end()
    await setTimeout(20, undefined, { signal: ended }).catch(() => {})
  }
}

/** JSON as PostgreSQL writes it is one line; whatever it is, it stays one message. */
function lines(text: string): string {
  return text.replaceAll(/\r\n?|\n/g, '\ndata: ')
}

export function addEventStreams(app: App, gate: Gate, streams: EventStreams): void {
  addStreamCall(app, gate, {
    route: routes.streamEvents,
    query: EventStreamQuery,
    open: ({ projectId, query, calls, ...asked }) =>
      streams.open({
        ...asked,
        matches: matcherOf(query.types),
        read: (after) => calls.newEvents(projectId, after),
      }),
  })
}

const Types = Type.Array(EventTypePattern)

/** Matches as a webhook's `event_types` do. */
function matcherOf(types: string | undefined): (type: string) => boolean {
  const entries = (types ?? '*').split(',').map((entry) => entry.trim())
  try {
    validate(Types, entries)
  } catch {
    throw invalidField('types', 'must be event types or prefixes such as config.*, comma-separated')
  }
  return (type) =>
    entries.some(
      (entry) =>
        entry === '*' || entry === type || (entry.endsWith('.*') && type.startsWith(entry.slice(0, -1))),
    )
}
