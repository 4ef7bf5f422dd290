import type { Config } from '../config.ts'
import { findEmbedded, startEmbedded } from '../database/embedded.ts'
import { embeddedDir, makeDataDir } from './data-dir.ts'

/** A database that runs as long as it is not released. */
export interface DatabaseInUse {
  connectionString: string
  release(): Promise<void>
}

/** The database that the settings name, else the embedded one, which every process on its data directory shares. */
export async function openDatabase(
  config: Config,
  log: (message: string) => void = () => {},
): Promise<DatabaseInUse> {
  if (config.databaseUrl !== null) {
    return { connectionString: config.databaseUrl, release: async () => {} }
  }
  await makeDataDir(config.dataDir)
  const embedded = await startEmbedded({ dataDir: embeddedDir(config.dataDir), log })
  return { connectionString: embedded.connectionString, release: () => embedded.stop() }
}

/** The connection string of what is there already, without starting anything. */
export async function runningDatabase(config: Config): Promise<string | null> {
  return config.databaseUrl ?? (await findEmbedded(embeddedDir(config.dataDir)))
}
