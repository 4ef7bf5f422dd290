import { mkdtemp, rm, chmod } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compose } from '../../src/cli/compose.ts'
import { completeKeys } from '../../src/cli/keys.ts'
import { readConfig } from '../../src/config.ts'
import { createLogger } from '../../src/log.ts'

export interface Demo {
  url: string
  adminKey: string
  connectionString: string
  /** Makes whoever has it the owner. */
  ownerToken(): Promise<string>
  stop(): Promise<void>
}

/** The whole product in a directory of its own, which is gone afterwards. */
export async function startDemo(): Promise<Demo> {
  const dataDir = await mkdtemp(join(tmpdir(), 'postrider-screenshots-'))
  await chmod(dataDir, 0o711)
  const settings = readConfig({
    POSTRIDER_DATA_DIR: dataDir,
    POSTRIDER_ALLOW_HTTP: 'true',
    POSTRIDER_ALLOW_PRIVATE: '127.0.0.0/8',
    POSTRIDER_RATE_LIMIT: 'off',
    POSTRIDER_LOG_LEVEL: 'error',
  })
  const config = await completeKeys(
    { ...settings, port: 0 },
    { needed: ['adminKey', 'encryptionKeys'], onNewKey: () => {} },
  )
  const app = compose(config, { api: true, worker: true }, createLogger('error'))
  await app.start()
  const { url, connectionString, postrider } = app.running()
  return {
    url: url!,
    adminKey: config.adminKey!,
    connectionString,
    ownerToken: async () => (await postrider.invitations.createOwnerLink()).token,
    async stop() {
      await app.stop()
      await rm(dataDir, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
