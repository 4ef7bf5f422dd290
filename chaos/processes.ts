import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Cleanup } from './cleanup.ts'

export type Part = 'api' | 'worker'

export interface ProcessOptions {
  databaseUrl: string
  settings?: Record<string, string>
  /** Names of modules in `preload/` that run inside it before the program. */
  preload?: readonly string[]
}

export interface Ending {
  code: number | null
  signal: NodeJS.Signals | null
}

const main = join(import.meta.dirname, '../src/main.ts')
const upWithinMs = 30_000
const keptOutput = 4_000

export const adminKey = 'chaos-admin-key-0123456789abcdef'
const encryptionKeys = `chaos:${Buffer.alloc(32, 9).toString('base64')}`

/** `postrider api` or `postrider worker`, as an operator runs it: a real process that can be hurt. */
export class PostriderProcess {
  readonly part: Part
  readonly exited: Promise<Ending>
  /** Where its API listens. */
  url = ''
  /** How it ended, once it has. */
  ending: Ending | undefined
  #wantedToEnd = false
  #output = ''
  readonly #child: ChildProcess

  private constructor(part: Part, child: ChildProcess, cleanup: Cleanup) {
    this.part = part
    this.#child = child
    this.exited = once(child, 'exit').then(([code, signal]) => {
      if (child.pid) cleanup.ended(child.pid)
      this.ending = { code: code as number | null, signal: signal as NodeJS.Signals | null }
      return this.ending
    })
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-keptOutput)
      })
    }
  }

  /** Starts it and waits until it says that it is up. */
  static async start(part: Part, options: ProcessOptions, cleanup: Cleanup): Promise<PostriderProcess> {
    const preloads = (options.preload ?? []).flatMap((name) => [
      '--import',
      pathToFileURL(join(import.meta.dirname, 'preload', name)).href,
    ])
    const child = spawn(process.execPath, [...preloads, main, part], {
      cwd: cleanup.directory,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        // Many starts of the same program: what was parsed once stays parsed.
        NODE_COMPILE_CACHE:
          process.env['NODE_COMPILE_CACHE'] ?? join(import.meta.dirname, '../node_modules/.cache/chaos'),
        DATABASE_URL: options.databaseUrl,
        POSTRIDER_ENCRYPTION_KEYS: encryptionKeys,
        POSTRIDER_ALLOW_HTTP: 'true',
        POSTRIDER_ALLOW_PRIVATE: '127.0.0.0/8',
        ...(part === 'api' && {
          POSTRIDER_ADMIN_KEY: adminKey,
          POSTRIDER_PORT: '0',
          POSTRIDER_RATE_LIMIT: 'off',
        }),
        ...options.settings,
      },
    })
    if (child.pid) cleanup.started(child.pid)
    const started = new PostriderProcess(part, child, cleanup)
    try {
      await started.#up()
      return started
    } catch (error) {
      await started.kill()
      throw error
    }
  }

  get alive(): boolean {
    return this.ending === undefined
  }

  /** Why it must not be gone, if it is: nobody told it to. */
  get unexpectedEnd(): string | undefined {
    if (!this.ending || this.#wantedToEnd) return undefined
    const { code, signal } = this.ending
    return `a process (${this.part}) ended by itself with ${signal ?? `status ${code}`}: ${this.lastLines}`
  }

  get lastLines(): string {
    return this.#output.trim().split('\n').slice(-3).join(' | ')
  }

  /** SIGSTOP and SIGCONT: it stands still, and goes on as if nothing had been. */
  pause(): void {
    this.#child.kill('SIGSTOP')
  }

  isPaused(): boolean {
    const pid = String(this.#child.pid)
    return execFileSync('ps', ['-o', 'state=', '-p', pid], { encoding: 'utf8' }).startsWith('T')
  }

  resume(): void {
    this.#child.kill('SIGCONT')
  }

  /** It may end from here on; resolves when it does. */
  mayEnd(): Promise<Ending> {
    this.#wantedToEnd = true
    return this.exited
  }

  async kill(): Promise<void> {
    this.#wantedToEnd = true
    this.#child.kill('SIGKILL')
    await this.exited
  }

  /** SIGTERM; answers how it ended and after how long. */
  async stop(): Promise<Ending & { afterMs: number }> {
    this.#wantedToEnd = true
    const startedMs = performance.now()
    this.#child.kill('SIGTERM')
    return { ...(await this.exited), afterMs: performance.now() - startedMs }
  }

  /** Resolves with its log line that says so; what was printed before must not have been cut. */
  async #up(): Promise<void> {
    const signal = AbortSignal.timeout(upWithinMs)
    for (;;) {
      const line = this.#output.split('\n').find((line) => line.includes('"Postrider is up"'))
      if (line) {
        this.url = (JSON.parse(line) as { url?: string }).url ?? ''
        return
      }
      if (!this.alive) throw new Error(`${this.part} did not start: ${this.lastLines}`)
      await Promise.race([once(this.#child.stdout!, 'data', { signal }), this.exited]).catch(() => {
        throw new Error(`${this.part} was not up after ${upWithinMs} ms: ${this.lastLines}`)
      })
    }
  }
}
