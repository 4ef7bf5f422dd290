import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

/** Functions of one process, called from another: just enough for the receiver and the workers of the bench. */

type Calls = Record<string, (argument: never) => unknown>

interface Request {
  id: number
  name: string
  argument: unknown
}

interface Reply {
  id: number
  value?: unknown
  error?: string
}

/** Answers the calls of the process that forked this one, and ends with it. */
export function serve(calls: Calls): void {
  process.on('message', ({ id, name, argument }: Request) => {
    const call = calls[name] as (argument: unknown) => unknown
    Promise.resolve()
      .then(() => call(argument))
      .then(
        (value) => process.send!({ id, value } satisfies Reply),
        (error: Error) => process.send!({ id, error: error.stack ?? error.message } satisfies Reply),
      )
      .catch(() => process.exit(1))
  })
  process.on('disconnect', () => process.exit(0))
  // Ctrl-C in a terminal reaches all of them: the driver decides.
  process.on('SIGINT', () => {})
  process.send!({ id: 0 } satisfies Reply)
}

/** A forked process whose functions can be called. */
export class Remote {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  #lastId = 0
  #ended: string | undefined

  private constructor(child: ChildProcess) {
    this.#child = child
    child.on('message', ({ id, value, error }: Reply) => {
      const call = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (error === undefined) call?.resolve(value)
      else call?.reject(new Error(error))
    })
    child.once('exit', (code, signal) => {
      this.#ended = `process ${child.pid} ended with ${signal ?? code}`
      for (const { reject } of this.#waiting.values()) reject(new Error(this.#ended))
      this.#waiting.clear()
    })
  }

  /** Resolves once the process has loaded its modules and serves. */
  static async fork(file: string, args: string[] = [], execArgv: readonly string[] = []): Promise<Remote> {
    const remote = new Remote(fork(file, args, { serialization: 'advanced', execArgv: [...execArgv] }))
    await remote.#answer(0)
    return remote
  }

  get pid(): number {
    return this.#child.pid!
  }

  call<Value = void>(name: string, argument?: unknown): Promise<Value> {
    const id = ++this.#lastId
    const answer = this.#answer(id)
    if (!this.#ended) this.#child.send({ id, name, argument } satisfies Request)
    return answer as Promise<Value>
  }

  /** Lets it go by itself (it loses its parent), or kills it. */
  async end(signal?: 'SIGKILL'): Promise<void> {
    if (this.#ended) return
    const exit = once(this.#child, 'exit')
    if (signal) this.#child.kill(signal)
    else this.#child.disconnect()
    await exit
  }

  #answer(id: number): Promise<unknown> {
    if (this.#ended) return Promise.reject(new Error(this.#ended))
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
    })
  }
}
