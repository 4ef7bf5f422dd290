import { type Connection, guarded, pause, request, waitMs, write } from './connection.ts'
import { errorOf, PostriderApiError } from './error.ts'

export interface StreamOptions {
  /** Ends the stream. */
  signal?: AbortSignal | undefined
  /** The `id` of a message of an earlier stream: this one goes on from there. */
  lastEventId?: string | undefined
  /** Told when the connection stands, and when it was lost and is tried again. */
  onConnection?: ((state: 'open' | 'lost', error?: PostriderApiError) => void) | undefined
}

/** One message of a stream. */
export interface Message<Name extends string = string, Data = unknown> {
  event: Name
  data: Data
  /** `data` as it was sent, JSON. */
  text: string
  /** All before it was received. */
  id: string | undefined
}

/** Longer than the server is ever silent, which tells that it lives every 15 s. */
const silentMs = 45_000

/**
 * The messages of a stream, over as many connections as it takes.
 *
 * @throws {PostriderApiError} once the stream is refused, as when the key was revoked
 */
export async function* follow(
  connection: Connection,
  { path, query }: { path: string; query?: object | undefined },
  { signal, lastEventId, onConnection }: StreamOptions = {},
): AsyncGenerator<Message, void, undefined> {
  const position = { id: lastEventId }
  for (let failures = 0; ; failures += 1) {
    if (signal?.aborted) return
    let error: PostriderApiError | undefined
    let isOpen = false
    const ending = new AbortController()
    const life = new Life(() => ending.abort(new DOMException('it fell silent', 'TimeoutError')))
    try {
      const either = signal ? AbortSignal.any([signal, ending.signal]) : ending.signal
      const body = await guarded(connection, signal, () =>
        open(connection, { path, query }, position.id, either),
      )
      const onChunk = () => {
        life.sign()
        // What a server sends first says that it tells all that happens from now on.
        if (!isOpen) onConnection?.('open')
        isOpen = true
      }
      const messages = read(body, { position, onChunk, signal: either })
      for (;;) {
        const { value, done } = await guarded(connection, signal, () => messages.next())
        if (done) break
        failures = 0
        // As long as nobody reads, it is not the server that is silent.
        life.end()
        yield { ...value, data: connection.parse(value.text) }
        // What came in with the last message is not wanted any more either.
        if (signal?.aborted) return
        life.sign()
      }
    } catch (caught) {
      if (signal?.aborted) return
      if (!(caught instanceof PostriderApiError) || isRefused(caught)) throw caught
      error = caught
    } finally {
      life.end()
      ending.abort()
    }
    if (signal?.aborted) return
    onConnection?.('lost', error)
    await pause(waitMs(failures, error?.retryAfterSeconds), signal).catch(() => {})
  }
}

function isRefused({ status }: PostriderApiError): boolean {
  return status >= 400 && status < 500 && status !== 429
}

async function open(
  connection: Connection,
  { path, query }: { path: string; query?: object | undefined },
  lastEventId: string | undefined,
  signal: AbortSignal,
): Promise<ReadableStream<Uint8Array>> {
  const headers: Record<string, string> = lastEventId === undefined ? {} : { 'last-event-id': lastEventId }
  const written = write(connection, { method: 'GET', path, query, headers, isRepeatable: true })
  const response = await request(connection, written, signal)
  if (!response.ok) throw await errorOf(response)
  if (!response.body) throw new PostriderApiError('bad_answer', 'The answer is no stream.')
  return response.body
}

/** A connection that nothing comes over is taken for dead. */
class Life {
  readonly #onSilence: () => void
  #timer: ReturnType<typeof setTimeout>

  constructor(onSilence: () => void) {
    this.#onSilence = onSilence
    this.#timer = setTimeout(onSilence, silentMs)
  }

  sign(): void {
    this.end()
    this.#timer = setTimeout(this.#onSilence, silentMs)
  }

  end(): void {
    clearTimeout(this.#timer)
  }
}

interface Reading {
  position: { id: string | undefined }
  onChunk: () => void
  signal: AbortSignal
}

/** Server-sent events (HTML, 9.2.6); an id without data counts too. */
async function* read(
  body: ReadableStream<Uint8Array>,
  { position, onChunk, signal }: Reading,
): AsyncGenerator<Omit<Message, 'data'>, void, undefined> {
  const reader = body.getReader()
  const cancel = () => void reader.cancel().catch(() => {})
  // A `fetch` of one's own may end with its answer, and know nothing of the signal afterwards.
  if (signal.aborted) cancel()
  else signal.addEventListener('abort', cancel, { once: true })
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      onChunk()
      const blocks = (rest + decoder.decode(value, { stream: true })).split(/\r?\n\r?\n/)
      rest = blocks.pop()!
      for (const block of blocks) {
        const fields = fieldsOf(block)
        const text = fields['data']
        if (text !== undefined) {
          yield { event: fields['event'] ?? 'message', text, id: fields['id'] ?? position.id }
        }
        // Only now that it was taken.
        position.id = fields['id'] ?? position.id
      }
    }
  } finally {
    cancel()
  }
}

function fieldsOf(block: string): Record<string, string | undefined> {
  const fields: Record<string, string | undefined> = {}
  for (const line of block.split(/\r?\n/)) {
    const [, name, text = ''] = /^(\w+): ?(.*)$/s.exec(line) ?? []
    if (name !== undefined)
      fields[name] = name in fields && name === 'data' ? `${fields[name]}\n${text}` : text
  }
  return fields
}
