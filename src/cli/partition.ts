import type { Config } from '../config.ts'
import { Database } from '../database/database.ts'
import { migrationStatus } from '../database/migrate.ts'
import { PartitionError, partitionTables } from '../retain/partition-tables.ts'
import { openDatabase } from './database.ts'
import { exitCodes, Failure } from './failure.ts'
import { listenToSignals } from './until-signal.ts'

/** Makes the history of an installation that is older than partitions a partitioned one, while it works. */
export async function runPartition(config: Config, print: (line: string) => void): Promise<number> {
  const inUse = await openDatabase(config)
  const database = new Database({ connectionString: inUse.connectionString, maxConnections: 2 })
  // Killed between two steps, it would leave tables behind that refuse what comes some days later.
  const stopping = new AbortController()
  const unlisten = listenToSignals(() => stopping.abort())
  try {
    const { pending } = await migrationStatus(database)
    if (pending.length > 0) throw new Failure("the schema is not up to date: 'postrider migrate' makes it so")
    const isDone = await partitionTables(database, {
      now: new Date(),
      say: print,
      signal: stopping.signal,
    })
    if (!isDone) print('the history is partitioned already')
    return exitCodes.done
  } catch (error) {
    if (stopping.signal.aborted) {
      throw new Failure('stopped: the tables are as they were, and the same command begins again', {
        cause: error,
      })
    }
    throw error instanceof PartitionError ? new Failure(error.message) : error
  } finally {
    unlisten()
    await database.close()
    await inUse.release()
  }
}
