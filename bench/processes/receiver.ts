import { fileURLToPath } from 'node:url'
import { Remote } from './remote.ts'

/** The receiver, which runs in a process of its own. */
export class Receiver {
  readonly #remote: Remote
  /** `http://127.0.0.1:port`. */
  readonly origin: string

  private constructor(remote: Remote, port: number) {
    this.#remote = remote
    this.origin = `http://127.0.0.1:${port}`
  }

  static async start(): Promise<Receiver> {
    const remote = await Remote.fork(fileURLToPath(new URL('receiver-process.ts', import.meta.url)))
    return new Receiver(remote, await remote.call<number>('port'))
  }

  /** Counts from zero; with `remember`, `arrivals()` tells when each `webhook-id` first arrived. */
  reset({ remember = false } = {}): Promise<void> {
    return this.#remote.call('reset', { remember })
  }

  /** Requests below `/segment/` so far. */
  count(segment: string): Promise<{ count: number; atMs: number }> {
    return this.#remote.call('count', segment)
  }

  /** Resolves once so many requests came below `/segment/`; fails after `patienceMs`. */
  async reach(segment: string, count: number, patienceMs = 180_000): Promise<void> {
    if (await this.reaches(segment, count, patienceMs)) return
    const arrived = (await this.count(segment)).count
    throw new Error(`only ${arrived} of ${count} requests to /${segment}/ came within ${patienceMs} ms`)
  }

  /** Whether so many requests come within that time; answers as soon as they have. */
  async reaches(segment: string, count: number, withinMs: number): Promise<boolean> {
    const timeout = Promise.withResolvers<false>()
    const timer = setTimeout(() => timeout.resolve(false), withinMs)
    const reached = this.#remote.call('reach', { segment, count }).then(() => true)
    try {
      return await Promise.race([reached, timeout.promise])
    } finally {
      clearTimeout(timer)
    }
  }

  /** When each `webhook-id` first arrived, by the machine's clock. */
  arrivals(): Promise<Map<string, number>> {
    return this.#remote.call('arrivals')
  }

  stop(): Promise<void> {
    return this.#remote.end()
  }
}
