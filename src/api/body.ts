import { type FieldError, PostriderError } from '../contract/errors.ts'
import { maxBatchBodyBytes, maxDataDepth, maxEventBodyBytes } from '../contract/limits.ts'
import type { Body } from '../contract/routes.ts'
import { invalid, validate } from '../contract/validate.ts'
import { LargeBodies } from './large-bodies.ts'
import { pathOf } from './raw-json.ts'

/** A body as it was sent, and what it says. */
export interface JsonBody {
  text: string
  value: unknown
}

/** A body that somebody works on: `done` gives back the room that it took. */
export interface BodyInHand extends JsonBody {
  done: () => void
}

/** Reads, parses and checks the body of a call. What is wrong with it is a problem of the caller, in the order read. */
export async function readBody(request: Request, body: Body): Promise<BodyInHand> {
  const room = new Room()
  try {
    return { ...(await read(request, body, room)), done: () => room.leave() }
  } catch (error) {
    room.leave()
    throw error
  }
}

async function read(
  request: Request,
  { shape, maxBytes, isOptional, levelsAboveData }: Body,
  room: Room,
): Promise<JsonBody> {
  const bytes = await readBytes(request, maxBytes, room)
  if (bytes.length === 0 && isOptional) return { text: '{}', value: {} }
  if (bytes.length === 0) throw new PostriderError('bad_json', 'The body is empty: send a JSON object.')
  checkMediaType(request)
  await room.begin(bytes.length)
  const text = decode(bytes)
  const value = parse(text)
  const problem = findUnstorable(text, value, levelsAboveData)
  if (problem) throw invalid([problem])
  validate(shape, value)
  return { text, value }
}

/** Of this process: what is in memory is so for all who serve in it. */
const largeBodies = new LargeBodies({ mostInHand: 2 * maxBatchBodyBytes, mostHeld: 32 * maxBatchBodyBytes })

/** What one body takes of the room for large ones; the others take none. */
class Room {
  readonly #taken: (() => void)[] = []

  /** Before more than a single event may have comes in. */
  enter(bytes: number): void {
    if (bytes > maxEventBodyBytes) this.#taken.push(largeBodies.hold(bytes))
  }

  async begin(bytes: number): Promise<void> {
    if (bytes > maxEventBodyBytes) this.#taken.push(await largeBodies.turn(bytes))
  }

  leave(): void {
    for (const giveBack of this.#taken) giveBack()
  }
}

async function readBytes(request: Request, maxBytes: number, room: Room): Promise<Uint8Array> {
  const announced = request.headers.get('content-length')
  if (announced !== null && Number(announced) > maxBytes) throw tooLarge(maxBytes)
  try {
    // A server holds the sender to the length it announced; whoever calls us without one is read piece by piece.
    if (announced === null) return await readPieces(request, maxBytes, room)
    room.enter(Number(announced))
    const bytes = new Uint8Array(await request.arrayBuffer())
    if (bytes.length > maxBytes) throw tooLarge(maxBytes)
    return bytes
  } catch (error) {
    if (error instanceof PostriderError) throw error
    throw new PostriderError('bad_request', 'The body did not arrive whole.', { cause: error })
  }
}

async function readPieces(request: Request, maxBytes: number, room: Room): Promise<Uint8Array> {
  if (!request.body) return new Uint8Array()
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const piece of request.body) {
    const isLarge = length <= maxEventBodyBytes && length + piece.length > maxEventBodyBytes
    if (isLarge) room.enter(maxBytes)
    length += piece.length
    if (length > maxBytes) throw tooLarge(maxBytes)
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

function tooLarge(maxBytes: number): PostriderError {
  return new PostriderError('too_large', `The body must have at most ${maxBytes.toLocaleString('en')} bytes.`)
}

function checkMediaType({ headers }: Request): void {
  const [mediaType = '', ...parameters] = (headers.get('content-type') ?? '')
    .split(';')
    .map((part) => part.trim())
  const charset = parameters.find((parameter) => /^charset=/i.test(parameter))
  const isUtf8 = charset === undefined || /^charset="?utf-?8"?$/i.test(charset)
  if (mediaType.toLowerCase() !== 'application/json' || !isUtf8) {
    throw new PostriderError(
      'unsupported_media_type',
      'Send the body as content-type: application/json, in UTF-8.',
    )
  }
  const encoding = headers.get('content-encoding') ?? 'identity'
  if (encoding.toLowerCase() !== 'identity') {
    throw new PostriderError('unsupported_media_type', 'Send the body without a content-encoding.')
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decode(bytes: Uint8Array): string {
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch (error) {
    throw new PostriderError('bad_json', 'The body is not UTF-8.', { cause: error })
  }
  if (text.startsWith('\ufeff')) {
    throw new PostriderError(
      'bad_json',
      'The body begins with a byte order mark, which is no JSON (RFC 8259, 8.1).',
    )
  }
  return text
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    throw new PostriderError('bad_json', `The body is not JSON: ${detail}`, { cause: error })
  }
}

/** Only an escape can bring these into a string: the bytes were UTF-8. */
const maybeUnstorable = /\\u(?:0000|d[89a-f])/i

/**
 * What PostgreSQL could not store, if there is any: `\u0000`, half of a surrogate pair, or containers in containers
 * without end. `data` stands `levelsAboveData` containers deep.
 */
export function findUnstorable(text: string, value: unknown, levelsAboveData = 1): FieldError | undefined {
  const isTextChecked = maybeUnstorable.test(text)
  const path: (string | number)[] = []
  return findAt(value)

  function findAt(member: unknown): FieldError | undefined {
    if (typeof member === 'string') return isTextChecked ? textProblem(member) : undefined
    if (typeof member !== 'object' || member === null) return undefined
    if (path.length - levelsAboveData >= maxDataDepth) {
      path.length = levelsAboveData
      return { path: pathOf(path), message: `is nested deeper than ${maxDataDepth} levels` }
    }
    return Array.isArray(member) ? findInArray(member) : findInObject(member as Record<string, unknown>)
  }

  function findInArray(members: readonly unknown[]): FieldError | undefined {
    for (const [index, member] of members.entries()) {
      path.push(index)
      const problem = findAt(member)
      if (problem) return problem
      path.pop()
    }
    return undefined
  }

  function findInObject(members: Record<string, unknown>): FieldError | undefined {
    for (const name of Object.keys(members)) {
      path.push(name)
      const problem = (isTextChecked && textProblem(name)) || findAt(members[name])
      if (problem) return problem
      path.pop()
    }
    return undefined
  }

  function textProblem(text: string): FieldError | undefined {
    if (text.includes('\0'))
      return { path: pathOf(path), message: 'contains \\u0000, which PostgreSQL cannot store' }
    if (text.isWellFormed()) return undefined
    return { path: pathOf(path), message: 'contains half of a surrogate pair, such as \\ud800' }
  }
}
