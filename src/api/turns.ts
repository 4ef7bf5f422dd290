import { PostriderError } from '../contract/errors.ts'

/** Of the ten connections that callers have on the database, so that there are some for the others. */
const maxAtOnce = 6
/** As long as for a connection. */
const patienceMs = 5_000

interface Line {
  running: number
  waiting: Set<() => void>
}

/**
 * Calls of one project, so many at a time; more wait for those before them. Limits by the second do not hold this: a
 * dozen batches for a thousand webhooks keep every connection for ten seconds.
 */
export class Turns {
  readonly #lines = new Map<string, Line>()

  /** @throws {PostriderError} `rate_limited`, if it was not its turn within five seconds */
  async take<Result>(projectId: string, work: () => Promise<Result>): Promise<Result> {
    const line = this.#lines.get(projectId) ?? { running: 0, waiting: new Set() }
    this.#lines.set(projectId, line)
    if (line.running < maxAtOnce) line.running += 1
    else await turn(line)
    try {
      return await work()
    } finally {
      const [next] = line.waiting
      // The place goes from hand to hand.
      if (next) next()
      else if ((line.running -= 1) === 0) this.#lines.delete(projectId)
    }
  }
}

function turn({ waiting }: Line): Promise<void> {
  return new Promise((resolve, reject) => {
    const come = (): void => {
      waiting.delete(come)
      clearTimeout(patience)
      resolve()
    }
    const patience = setTimeout(() => {
      waiting.delete(come)
      reject(
        new PostriderError('rate_limited', 'Too many calls of this project take long. Try again in 1 s.', {
          retryAfterSeconds: 1,
        }),
      )
    }, patienceMs)
    waiting.add(come)
  })
}
