import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createLifecycle, inOrder, type Lifecycle } from '../src/lifecycle.ts'

/** A part that notes what is done to it; each step ends when it is told to, or at once. */
function recordedPart(
  name: string,
  notes: string[],
  failing: { start?: boolean; stop?: boolean } = {},
): Lifecycle {
  return {
    async start() {
      notes.push(`start ${name}`)
      if (failing.start) throw new Error(`${name} does not start`)
    },
    async stop() {
      notes.push(`stop ${name}`)
      if (failing.stop) throw new Error(`${name} does not stop`)
    },
  }
}

describe('a lifecycle', () => {
  test('starts once and stops once, however often it is asked', async () => {
    const notes: string[] = []
    const part = createLifecycle(recordedPart('a', notes))
    await Promise.all([part.start(), part.start()])
    await part.start()
    await Promise.all([part.stop(), part.stop()])
    await part.stop()
    expect(notes).toEqual(['start a', 'stop a'])
  })

  test('does nothing when it is stopped before it was started', async () => {
    const notes: string[] = []
    await createLifecycle(recordedPart('a', notes)).stop()
    expect(notes).toEqual([])
  })

  test('stopped during its start waits for the start and then stops', async () => {
    const notes: string[] = []
    const starting = Promise.withResolvers<void>()
    const part = createLifecycle({
      async start() {
        await starting.promise
        notes.push('started')
      },
      async stop() {
        notes.push('stopped')
      },
    })
    const started = part.start()
    const stopped = part.stop()
    starting.resolve()
    await Promise.all([started, stopped])
    expect(notes).toEqual(['started', 'stopped'])
  })

  test('started during its stop starts again', async () => {
    const notes: string[] = []
    const part = createLifecycle(recordedPart('a', notes))
    await part.start()
    await Promise.all([part.stop(), part.start()])
    expect(notes).toEqual(['start a', 'stop a', 'start a'])
  })

  test('that failed to start has nothing to stop, and can be started again', async () => {
    const notes: string[] = []
    const failing = { start: true }
    const part = createLifecycle(recordedPart('a', notes, failing))
    await expect(part.start()).rejects.toThrow('a does not start')
    await part.stop()
    failing.start = false
    await part.start()
    expect(notes).toEqual(['start a', 'start a'])
  })

  test('shares a failing start with all who asked for it', async () => {
    const part = createLifecycle(recordedPart('a', [], { start: true }))
    const answers = await Promise.allSettled([part.start(), part.start(), part.stop()])
    expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled'])
  })

  test('never runs two steps at a time nor one out of turn, in any order of calls and failures', async () => {
    const calls = fc.array(fc.constantFrom('start', 'stop', 'turn'), { maxLength: 40 })
    const failures = fc.array(fc.boolean(), { maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(calls, failures, async (order, failing) => {
        let running = false
        let busy = false
        const step = async (becomes: boolean) => {
          expect({ running, busy }).toEqual({ running: !becomes, busy: false })
          busy = true
          await Promise.resolve()
          busy = false
          if (failing.shift()) {
            running = false
            throw new Error('failed')
          }
          running = becomes
        }
        const part = createLifecycle({ start: () => step(true), stop: () => step(false) })
        const answers: Promise<unknown>[] = []
        for (const call of order) {
          if (call === 'turn') await Promise.resolve()
          else answers.push(part[call]())
        }
        const outcomes = await Promise.allSettled(answers)
        expect(outcomes.filter(({ status, ...rest }) => status === 'rejected' && !isExpected(rest))).toEqual(
          [],
        )
        await part.stop().catch(() => {})
        expect({ running, busy }).toEqual({ running: false, busy: false })
      }),
    )
  })
})

function isExpected(outcome: object): boolean {
  return 'reason' in outcome && outcome.reason instanceof Error && outcome.reason.message === 'failed'
}

describe('parts in order', () => {
  test('start one after the other and stop in reverse', async () => {
    const notes: string[] = []
    const parts = inOrder(['a', 'b', 'c'].map((name) => recordedPart(name, notes)))
    await parts.start()
    await parts.stop()
    expect(notes).toEqual(['start a', 'start b', 'start c', 'stop c', 'stop b', 'stop a'])
  })

  test('stop again when a later one fails to start', async () => {
    const notes: string[] = []
    const parts = inOrder([
      recordedPart('a', notes),
      recordedPart('b', notes, { stop: true }),
      recordedPart('c', notes, { start: true }),
      recordedPart('d', notes),
    ])
    await expect(parts.start()).rejects.toThrow('c does not start')
    await parts.stop()
    expect(notes).toEqual(['start a', 'start b', 'start c', 'stop b', 'stop a'])
  })

  test('all stop though one fails to', async () => {
    const notes: string[] = []
    const parts = inOrder([recordedPart('a', notes), recordedPart('b', notes, { stop: true })])
    await parts.start()
    await expect(parts.stop()).rejects.toThrow('b does not stop')
    expect(notes).toEqual(['start a', 'start b', 'stop b', 'stop a'])
  })
})
