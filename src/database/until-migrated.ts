import { setTimeout as delay } from 'node:timers/promises'
import { PostriderError } from '../contract/errors.ts'
import type { Logger } from '../log.ts'
import type { Queryable } from './database.ts'
import { migrationStatus } from './migrate.ts'

/**
 * While a deployment rolls over, a process of the next release may be up before its migrations have run: it waits for
 * them. Where there is no schema at all nobody is about to bring it up to date, and it is told at once.
 *
 * @throws {PostriderError} `internal`, with what is missing and what brings it
 */
export async function untilMigrated(
  database: Queryable,
  { logger, patienceMs = 60_000 }: { logger: Logger; patienceMs?: number },
): Promise<void> {
  const patienceEndsMs = performance.now() + patienceMs
  for (let hasTold = false; ; hasTold = true) {
    const { version, pending } = await migrationStatus(database)
    if (pending.length === 0) return
    const missing = pending.map(({ name }) => name)
    if (version === 0 || performance.now() > patienceEndsMs) {
      throw new PostriderError(
        'internal',
        `The database lacks ${version === 0 ? "Postrider's schema" : `the migrations ${missing.join(', ')}`}: run 'postrider migrate', or call migrate() first.`,
      )
    }
    if (!hasTold)
      logger.warn({ missing }, "waiting for the schema of this version: 'postrider migrate' brings it")
    await delay(500)
  }
}
