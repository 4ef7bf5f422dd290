/** As much of PostgreSQL's frontend/backend protocol 3.0 as it takes to see where a statement and a transaction end. */

export interface Frame {
  /** One letter; empty for the startup message, which has none. */
  type: string
  body: Buffer
  /** All of it, as it goes over the wire. */
  raw: Buffer
}

/** Cuts a stream into its messages: a letter, a length that counts itself, and the rest. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0)
  #headerLength: number

  /** The first message of a client has no letter. */
  constructor({ startsWithoutType }: { startsWithoutType: boolean }) {
    this.#headerLength = startsWithoutType ? 4 : 5
  }

  read(chunk: Buffer): Frame[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const frames: Frame[] = []
    while (this.#rest.length >= this.#headerLength) {
      const typeLength = this.#headerLength - 4
      const length = typeLength + this.#rest.readInt32BE(typeLength)
      if (this.#rest.length < length) break
      const raw = this.#rest.subarray(0, length)
      frames.push({
        type: raw.toString('latin1', 0, typeLength),
        body: raw.subarray(this.#headerLength),
        raw,
      })
      this.#rest = this.#rest.subarray(length)
      this.#headerLength = 5
    }
    return frames
  }
}

/** Work that ended with a ReadyForQuery outside of any transaction: what it did is committed, or nothing is. */
export interface Committed {
  /** The texts of its statements, all since the transaction began. */
  statements: readonly string[]
  /** Command tags as in CommandComplete: `UPDATE 3`, `COMMIT`. */
  tags: readonly string[]
}

/**
 * Follows one connection: which statements a client asked for, and which replies of the server belong to them.
 * `fromClient` must hear a request before `fromServer` hears its reply.
 */
export class Conversation {
  readonly #texts = new Map<string, string>()
  readonly #portals = new Map<string, string>()
  #asked: string[] = []
  readonly #rounds: string[][] = []
  #statements: string[] = []
  #tags: string[] = []

  /** A request is open: what the server sends now answers it. */
  get isWaiting(): boolean {
    return this.#rounds.length > 0
  }

  fromClient({ type, body }: Frame): void {
    switch (type) {
      case 'P': {
        const [name, text] = zeroEnded(body, 2)
        this.#texts.set(name!, text!)
        return
      }
      case 'B': {
        const [portal, name] = zeroEnded(body, 2)
        this.#portals.set(portal!, this.#texts.get(name!) ?? '')
        return
      }
      case 'E':
        this.#asked.push(this.#portals.get(zeroEnded(body, 1)[0]!) ?? '')
        return
      case 'Q':
        this.#rounds.push([...this.#asked, zeroEnded(body, 1)[0]!])
        this.#asked = []
        return
      case 'S':
        this.#rounds.push(this.#asked)
        this.#asked = []
        return
      default:
    }
  }

  /** Answers what has just been committed, when this frame says that something has. */
  fromServer({ type, body }: Frame): Committed | undefined {
    if (type === 'C') this.#tags.push(zeroEnded(body, 1)[0]!)
    if (type !== 'Z') return undefined
    this.#statements.push(...(this.#rounds.shift() ?? []))
    const isOutsideTransaction = body.toString('latin1', 0, 1) === 'I'
    if (!isOutsideTransaction) return undefined
    const committed = { statements: this.#statements, tags: this.#tags }
    this.#statements = []
    this.#tags = []
    return committed
  }
}

function zeroEnded(body: Buffer, count: number): string[] {
  const texts: string[] = []
  let from = 0
  while (texts.length < count) {
    const to = body.indexOf(0, from)
    if (to === -1) return [...texts, ...Array.from({ length: count - texts.length }, () => '')]
    texts.push(body.toString('utf8', from, to))
    from = to + 1
  }
  return texts
}
