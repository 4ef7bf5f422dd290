import type { Clock } from '../clock.ts'
import type { Database } from '../database/database.ts'
import { isUnavailable } from '../database/transient.ts'
import { takeTurn } from '../database/turn.ts'
import { createLifecycle, type Lifecycle } from '../lifecycle.ts'
import type { Logger } from '../log.ts'

/** A work that is done again and again, each time by one process of all. */
export interface Chore {
  name: string
  everySeconds: number
  /** Ends early, between two steps, when `signal` says so: the rest is done at the next turn. */
  run: (signal: AbortSignal) => Promise<void>
}

export interface UpkeepOptions {
  database: Database
  clock: Clock
  logger: Logger
  chores: readonly Chore[]
}

const lookEveryMs = 1_000
/** The database is asked for a turn no more often than this, unless the chore is due more often. */
const askEverySeconds = 60

/** Does each chore when its time has come and no other process has taken the turn. */
export function createUpkeep({ database, clock, logger, chores }: UpkeepOptions): Lifecycle {
  const askedMs = new Map<string, number>()
  let stopping = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let looking: Promise<void> | undefined

  async function look(signal: AbortSignal): Promise<void> {
    for (const chore of chores) {
      if (signal.aborted) return
      if (!isWorthAsking(chore)) continue
      try {
        if (await takeTurn(database, chore.name, { now: clock.now(), ...chore })) await chore.run(signal)
      } catch (error) {
        logger.warn({ error, chore: chore.name }, 'a chore failed: it is done again at its next turn')
        if (isUnavailable(error)) return
      }
    }
  }

  function isWorthAsking({ name, everySeconds }: Chore): boolean {
    const nowMs = performance.now()
    const dueMs = (askedMs.get(name) ?? -Infinity) + Math.min(everySeconds, askEverySeconds) * 1_000
    if (nowMs + lookEveryMs / 2 < dueMs) return false
    askedMs.set(name, nowMs)
    return true
  }

  function lookUnlessLooking(): void {
    looking ??= look(stopping.signal).finally(() => {
      looking = undefined
    })
  }

  return createLifecycle({
    async start() {
      stopping = new AbortController()
      timer = setInterval(lookUnlessLooking, lookEveryMs)
      lookUnlessLooking()
    },
    async stop() {
      clearInterval(timer)
      stopping.abort()
      await looking
    },
  })
}
