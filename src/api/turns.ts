import { PostriderError } from '../contract/errors.ts'

/** Of the ten connections that callers have on the database, so that there are some for the others. */
const maxAtOnce = 6
/** As long as for a connection. */
const patienceMs = 5_000

interface Line {
  running: number
  waiting: Set<() => void>
  /** When a call of the project last came to its end well. */
  answeredAtMs: number
}

/**
 * Calls of one project, so many at a time; more wait for those before them. Limits by the second do not hold this: a
 * dozen batches for a thousand webhooks keep every connection for ten seconds.
 */
export class Turns {
  readonly #lines = new Map<string, Line>()

  /**
   * @throws {PostriderError} if it was not its turn within five seconds: `rate_limited` where those before it take long,
   * `unavailable` where none of them was answered
   */
  async take<Result>(projectId: string, work: () => Promise<Result>): Promise<Result> {
    const line = this.#lines.get(projectId) ?? { running: 0, waiting: new Set(), answeredAtMs: -Infinity }
    this.#lines.set(projectId, line)
    if (line.running < maxAtOnce) line.running += 1
    else await turn(line)
    try {
      const result = await work()
      line.answeredAtMs = performance.now()
      return result
    } finally {
      const [next] = line.waiting
      // The place goes from hand to hand.
      if (next) next()
      else if ((line.running -= 1) === 0) this.#lines.delete(projectId)
    }
  }
}

function turn(line: Line): Promise<void> {
  const { waiting } = line
  const sinceMs = performance.now()
  return new Promise((resolve, reject) => {
    const come = (): void => {
      waiting.delete(come)
      clearTimeout(patience)
      resolve()
    }
    const patience = setTimeout(() => {
      waiting.delete(come)
      reject(line.answeredAtMs > sinceMs ? tooMany() : nothingAnswered())
    }, patienceMs)
    waiting.add(come)
  })
}

function tooMany(): PostriderError {
  return new PostriderError('rate_limited', 'Too many calls of this project take long. Try again in 1 s.', {
    retryAfterSeconds: 1,
  })
}

function nothingAnswered(): PostriderError {
  return new PostriderError('unavailable', 'The database answers no call of this project now. Try again.', {
    retryAfterSeconds: 1,
  })
}
