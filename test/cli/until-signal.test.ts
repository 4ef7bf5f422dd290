import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Command } from './command.ts'

const untilSignal = resolve(import.meta.dirname, '../../src/cli/until-signal.ts')

/** A process that runs one part under `runUntilSignal`, says what happens and exits with the answer. */
function runPart({
  start = '',
  stop = '',
  before = '',
}: {
  start?: string
  stop?: string
  before?: string
}): Command {
  const script = `
    import { runUntilSignal } from ${JSON.stringify(untilSignal)}
    ${before}
    const log = { info: ({ signal }, message) => console.log(message, signal) }
    const part = {
      async start() { console.log('starting'); ${start}; console.log('started') },
      async stop() { console.log('stop'); ${stop}; console.log('stopped') },
    }
    try {
      process.exitCode = await runUntilSignal(part, log)
    } catch (error) {
      console.log('failed:', error.message)
      process.exit(1)
    }`
  return new Command([], { program: [process.execPath, '--input-type=module', '--eval', script] })
}

const never = 'await new Promise(() => {})'

describe('a process under runUntilSignal', () => {
  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('stops in order on %s', async (signal) => {
    const part = runPart({})
    await part.said('started')
    part.child.kill(signal)
    expect(await part.ended).toMatchObject({
      stdout: `starting\nstarted\nstopping ${signal}\nstop\nstopped\n`,
      exitCode: 0,
    })
  })

  test('stops after its start when the signal comes during the start', async () => {
    const part = runPart({
      start: `await new Promise((started) => process.once('SIGTERM', () => setTimeout(started)))`,
    })
    await part.said('starting')
    part.child.kill('SIGTERM')
    const { stdout, exitCode } = await part.ended
    expect(stdout).toMatch(/^starting\nstopping SIGTERM\n/)
    expect(exitCode).toBe(0)
  })

  test('ends at once on a second signal', async () => {
    const part = runPart({ stop: never })
    await part.said('started')
    part.child.kill('SIGINT')
    await part.said('stop\n')
    part.child.kill('SIGTERM')
    expect((await part.ended).exitCode).toBe(143)
  })

  test('ends at once on the same signal a moment later', async () => {
    const later = 'const now = performance.now(); performance.now = () => now + 1_000'
    const part = runPart({ stop: `${later}; console.log('later'); ${never}` })
    await part.said('started')
    part.child.kill('SIGINT')
    await part.said('later\n')
    part.child.kill('SIGINT')
    expect((await part.ended).exitCode).toBe(130)
  })

  test('takes one Ctrl-C that reaches it twice for one', async () => {
    const stoppedClock = 'performance.now = () => 0'
    const second = `await new Promise((heard) => process.once('SIGINT', heard))`
    const part = runPart({ before: stoppedClock, stop: second })
    await part.said('started')
    part.child.kill('SIGINT')
    await part.said('stop\n')
    part.child.kill('SIGINT')
    expect(await part.ended).toMatchObject({ stdout: expect.stringContaining('stopped'), exitCode: 0 })
  })

  test('ends all the same when it does not stop within 20 s', async () => {
    const hurry = `const timer = setTimeout; globalThis.setTimeout = (done, ms) => timer(done, ms / 1_000)`
    const part = runPart({ before: hurry, stop: never })
    await part.said('started')
    part.child.kill('SIGTERM')
    expect(await part.ended).toMatchObject({
      stdout: expect.stringContaining('failed: did not stop within 20 s'),
      exitCode: 1,
    })
  })

  test('fails with what kept it from starting', async () => {
    const part = runPart({ start: `throw new Error('no database')` })
    expect(await part.ended).toMatchObject({
      stdout: expect.stringContaining('failed: no database'),
      exitCode: 1,
    })
  })
})
