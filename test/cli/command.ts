import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { onTestFinished } from 'vitest'
import { compileCache } from '../support/compile-cache.ts'

const main = resolve(import.meta.dirname, '../../src/main.ts')

export interface CommandOptions {
  env?: Record<string, string>
  cwd?: string
  /** Another program than this Node.js with `src/main.ts`. */
  program?: [string, ...string[]]
  /** `pipe` to write to it; nothing by default. */
  stdin?: 'pipe'
}

export interface Ended {
  stdout: string
  stderr: string
  exitCode: number | null
}

/** The command line as a process of its own, without this process's settings, in a directory of its own. */
export class Command {
  readonly child: ChildProcess
  stdout = ''
  stderr = ''
  readonly ended: Promise<Ended>

  constructor(args: string[], options: CommandOptions = {}) {
    const [program, ...before] = options.program ?? [process.execPath, main]
    this.child = spawn(program, [...before, ...args], {
      cwd: options.cwd ?? temporaryDirectory(),
      env: { PATH: process.env['PATH'] ?? '', HOME: tmpdir(), ...compileCache, ...options.env },
      stdio: [options.stdin ?? 'ignore', 'pipe', 'pipe'],
    })
    this.child.stdout!.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()))
    this.child.stderr!.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()))
    this.ended = new Promise((done, fail) => {
      this.child.on('error', fail)
      this.child.on('close', (exitCode) => done({ stdout: this.stdout, stderr: this.stderr, exitCode }))
    })
    onTestFinished(async () => {
      this.child.kill('SIGKILL')
      await this.ended
    })
  }

  /** Waits until stdout or stderr has this text; fails if the process ends without it. */
  async said(text: string | RegExp): Promise<void> {
    const has = () => (this.stdout + this.stderr).match(text) !== null
    const heard = new Promise<void>((done) => {
      const look = () => has() && done()
      this.child.stdout!.on('data', look)
      this.child.stderr!.on('data', look)
      look()
    })
    await Promise.race([heard, this.ended])
    if (!has()) throw new Error(`ended without saying ${text}:\n${this.stdout}${this.stderr}`)
  }
}

export function runCommand(args: string[], options?: CommandOptions): Promise<Ended> {
  return new Command(args, options).ended
}

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'postrider-test-'))
  // The embedded server of a root user runs as someone else, who has to get through.
  chmodSync(directory, 0o711)
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}
