import { fileURLToPath } from 'node:url'
import type { WorkerSetup } from '../systems/system.ts'
import { cpuUsOf, peakResidentMib } from './proc.ts'
import { Remote } from './remote.ts'

const file = fileURLToPath(new URL('worker-process.ts', import.meta.url))

/** Worker processes of one system. */
export class Workers {
  readonly #remotes: readonly Remote[]

  private constructor(remotes: readonly Remote[]) {
    this.#remotes = remotes
  }

  /** Their modules are loaded; they do nothing until `start()`. With `profileDir` each leaves a CPU profile there. */
  static async load(
    setup: WorkerSetup,
    { count = 1, profileDir }: { count?: number; profileDir?: string | undefined } = {},
  ): Promise<Workers> {
    const args = [JSON.stringify(setup), ...(profileDir ? [profileDir] : [])]
    const forks = Array.from({ length: count }, () => Remote.fork(file, args, setup.execArgv))
    return new Workers(await Promise.all(forks))
  }

  async start(): Promise<void> {
    await Promise.all(this.#remotes.map((remote) => remote.call('start')))
  }

  /** CPU of all of them so far. */
  get cpuUs(): number {
    return this.#remotes.reduce((sum, { pid }) => sum + cpuUsOf(pid), 0)
  }

  /** The most memory that one of them had. */
  get peakResidentMib(): number {
    return Math.max(...this.#remotes.map(({ pid }) => peakResidentMib(pid)))
  }

  /** Lets them finish what is in flight, and ends them. */
  async stop(): Promise<void> {
    await Promise.all(this.#remotes.map((remote) => remote.call('stop')))
    await Promise.all(this.#remotes.map((remote) => remote.end()))
  }

  async kill(): Promise<void> {
    await Promise.all(this.#remotes.map((remote) => remote.end('SIGKILL')))
  }
}
