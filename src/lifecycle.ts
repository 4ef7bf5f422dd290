/**
 * The one contract for everything that runs long. Both calls may come at any time, any number of times,
 * from anywhere:
 *
 * - `start()` resolves when it runs, `stop()` when nothing of it runs any more;
 * - a call that asks for what is already so, or already under way, shares that answer;
 * - `stop()` during a start waits for the start to end and then stops; `start()` during a stop starts again;
 * - a start that failed leaves it stopped, and `start()` may be called again.
 */
export interface Lifecycle {
  start(): Promise<void>
  stop(): Promise<void>
}

/**
 * Makes a lifecycle of two plain steps, of which only one ever runs at a time: `start` only when stopped,
 * `stop` only when started. A `start` that throws has cleaned up after itself.
 *
 * @example
 * const worker = createLifecycle({ start: () => listen(), stop: () => drain() })
 * await worker.start()
 * await worker.stop()
 */
export function createLifecycle(steps: Lifecycle): Lifecycle {
  type Call = { asks: 'start' | 'stop'; done: Promise<void> }
  let lastCall: Call = { asks: 'stop', done: Promise.resolve() }
  let isRunning = false

  const startStep = async () => {
    if (isRunning) return
    await steps.start()
    isRunning = true
  }
  const stopStep = async () => {
    if (!isRunning) return
    isRunning = false
    await steps.stop()
  }

  /** Joins the last call if it asks for the same, else takes its turn behind it. */
  function ask(asks: Call['asks']): Promise<void> {
    if (lastCall.asks === asks) return lastCall.done
    const step = asks === 'start' ? startStep : stopStep
    const call: Call = { asks, done: lastCall.done.then(step, step) }
    lastCall = call
    // What failed to start is stopped: the next start must not share this answer.
    call.done.catch(() => {
      if (lastCall === call && asks === 'start') lastCall = { asks: 'stop', done: Promise.resolve() }
    })
    return call.done
  }

  return { start: () => ask('start'), stop: () => ask('stop') }
}

/**
 * Several parts as one: started one after the other, stopped in reverse.
 * If one fails to start, those before it are stopped again and its error is thrown.
 * If one fails to stop, the others are stopped all the same before the error is thrown.
 */
export function inOrder(parts: readonly Lifecycle[]): Lifecycle {
  return createLifecycle({
    async start() {
      const started: Lifecycle[] = []
      for (const part of parts) {
        try {
          await part.start()
          started.push(part)
        } catch (error) {
          // Why it did not start says more than what then failed while cleaning up.
          await stopInReverse(started).catch(() => {})
          throw error
        }
      }
    },
    stop: () => stopInReverse(parts),
  })
}

async function stopInReverse(parts: readonly Lifecycle[]): Promise<void> {
  const errors: unknown[] = []
  for (const part of parts.toReversed()) {
    try {
      await part.stop()
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length === 1) throw errors[0]
  if (errors.length > 1) throw new AggregateError(errors, 'several parts failed to stop')
}
