import { calls, type CallShape } from './calls.ts'
import { type Connection, send } from './connection.ts'
import { List } from './list.ts'
import { newId } from './new-id.ts'
import { follow, type StreamOptions } from './stream.ts'
import type { AnyEvents, Calls, CallOptions, ProjectCalls, PublishOptions } from './types.ts'

export { type ApiErrorCode, PostriderApiError } from './error.ts'
export type { List } from './list.ts'
export type { Message, StreamOptions } from './stream.ts'
export type {
  AnswerOf,
  AnyEvents,
  CallOptions,
  EventEnvelope,
  EventGap,
  EventInput,
  LiveDelivery,
  LiveGap,
  PublishOptions,
  StreamedEvent,
} from './types.ts'

export interface PostriderClientOptions {
  /** Where the server is reached: `https://postrider.example.com`, with the path under which it is mounted, if any. */
  baseUrl: string
  /** A project's key, or the admin key. */
  key: string
  /** Another `fetch` than the global one. */
  fetch?: typeof fetch | undefined
  /** For each try, to the end of the answer. 30,000 by default. */
  timeoutMs?: number | undefined
  /** How often a call is sent again at most, within some 6 s in all. 5 by default; 0 never. */
  retries?: number | undefined
  /** Reads JSON, for numbers that a double does not hold. `JSON.parse` by default. */
  parse?: ((text: string) => unknown) | undefined
}

/**
 * The HTTP API, typed: a method for each call, named as in the OpenAPI document, with the ids of its path, then its query or
 * body, then options. It needs nothing but `fetch`. What is refused is thrown as `PostriderApiError`.
 *
 * Calls are sent again after network errors, 502, 503 and 504 where that is safe, as it is for reading, changing, deleting
 * and publishing, and after 429 always.
 *
 * @example
 * interface Events { 'order.paid': { total: number } }
 * const client = new PostriderClient<Events>({ baseUrl, key })
 * const project = client.project(projectId)
 * await project.publishEvent({ type: 'order.paid', data: { total: 12 } })
 * for await (const delivery of project.listDeliveries({ status: 'failed' })) …
 */
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- the constructor makes a method for each call
export interface PostriderClient<Events extends object = AnyEvents> extends Calls<Events> {}

// oxlint-disable-next-line typescript/no-unsafe-declaration-merging
export class PostriderClient<Events extends object = AnyEvents> {
  /** @throws {TypeError} for a key that cannot be one, which it does not repeat */
  constructor(options: PostriderClientOptions) {
    // What a header refuses would stand in the error, and so in logs.
    if (!/^[\x21-\x7e]*$/.test(options.key)) {
      throw new TypeError('The key must be one word of visible ASCII characters.')
    }
    const connection: Connection = {
      baseUrl: options.baseUrl.replace(/\/+$/, ''),
      key: options.key,
      // Browsers refuse one that is called as a method of something else.
      fetch: options.fetch ?? ((...given) => fetch(...given)),
      timeoutMs: options.timeoutMs ?? 30_000,
      retries: options.retries ?? 5,
      parse: options.parse ?? JSON.parse,
    }
    Object.assign(this, Object.fromEntries(entries.map(([name, shape]) => [name, callOf(connection, shape)])))
  }

  /** The calls of one project, without its id in front. */
  project(id: string): ProjectClient<Events> {
    const methods = this as unknown as Record<string, (...given: unknown[]) => unknown>
    const bound = entries
      .filter(([, [, path]]) => isInProject(path))
      .map(([name]) => [name, (...given: unknown[]) => methods[name]!(id, ...given)])
    return { id, ...Object.fromEntries(bound) } as ProjectClient<Events>
  }
}

/** The calls of one project. */
export type ProjectClient<Events extends object = AnyEvents> = { readonly id: string } & ProjectCalls<Events>

const entries: [string, CallShape][] = Object.entries(calls)

function isInProject(path: string): boolean {
  return !path.startsWith('/')
}

/** The method of one call. */
function callOf(connection: Connection, [method, path, takes, is]: CallShape) {
  const template = isInProject(path) ? `/api/projects/{}${path && '/'}${path}` : path
  const countOfIds = template.split('{}').length - 1
  return (...given: unknown[]): unknown => {
    const ids = given.slice(0, countOfIds).map(escaped)
    const [taken, options] = (takes ? given.slice(countOfIds) : [undefined, given[countOfIds]]) as [
      object | undefined,
      (CallOptions & PublishOptions & StreamOptions)?,
    ]
    const filled = template.replace(/\{\}/g, () => ids.shift() ?? '')
    if (is === 'stream') return follow(connection, { path: filled, query: taken }, options)
    const { idempotencyKey } = options ?? {}
    const read = (query: object | undefined) =>
      send(connection, {
        method,
        path: filled,
        query,
        body: takes === 'body' ? identified(template, taken, idempotencyKey) : undefined,
        headers: idempotencyKey === undefined ? {} : { 'idempotency-key': inBytes(idempotencyKey) },
        isRepeatable: method !== 'POST' || is === 'twice',
        signal: options?.signal,
        timeoutMs: options?.timeoutMs,
      })
    if (takes === 'page') return new List(read, taken ?? {})
    return read(takes === 'query' ? taken : undefined)
  }
}

/** In a URL, `..` would lead to what stands above, however it is written. */
function escaped(id: unknown): string {
  if (typeof id !== 'string' || /^\.{0,2}$/.test(id))
    throw new TypeError(`This is no id: ${JSON.stringify(id)}`)
  return encodeURIComponent(id)
}

/** A header holds bytes, each written as a character: the server reads them as UTF-8. */
function inBytes(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text))
}

interface Publishable {
  id?: string | null
  events?: Publishable[]
}

/** Publishing again is safe where each event has an id. */
function identified(template: string, body: object | undefined, idempotencyKey?: string): object | undefined {
  if (!/\/events(\/batch)?$/.test(template) || idempotencyKey !== undefined || !body) return body
  const withId = (event: Publishable) => ({ ...event, id: event.id ?? newId() })
  const { events } = body as Publishable
  return template.endsWith('/events') ? withId(body) : { ...body, events: events?.map(withId) }
}
