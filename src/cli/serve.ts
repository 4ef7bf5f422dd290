import type { Config } from '../config.ts'
import { createLogger, plainLines } from '../log.ts'
import { compose, type Parts } from './compose.ts'
import { exitCodes } from './failure.ts'
import { announceKey, completeKeys } from './keys.ts'
import { announceUntilOwned } from './owner-link.ts'
import { aborted, runUntilSignal } from './until-signal.ts'

/** In characters: half of what a generated key has. */
const shortestKey = 20

/** Runs the parts of this process until a signal stops them. */
export async function serve(incomplete: Config, parts: Parts): Promise<number> {
  const config = await completeKeys(incomplete, {
    needed: parts.api ? ['adminKey', 'encryptionKeys'] : ['encryptionKeys'],
    onNewKey: announceKey,
  })
  const terminal = plainLines((text) => process.stdout.write(text))
  const log = createLogger(config.logLevel, process.stdout.isTTY ? terminal : undefined)
  if (config.adminKey !== null && config.adminKey.length < shortestKey) {
    log.warn({}, `POSTRIDER_ADMIN_KEY is easy to guess: it has fewer than ${shortestKey} characters`)
  }
  const app = compose(config, parts, log)
  return runUntilSignal(app, log, async (stopping) => {
    const { url, probesUrl, postrider } = app.running()
    log.info(
      {
        ...(url !== null && { url, docs: `${config.publicUrl ?? url}/docs` }),
        ...(probesUrl !== null && { metrics: `${probesUrl}/metrics` }),
        worker: parts.worker,
      },
      'Postrider is up',
    )
    if (url !== null) {
      const home = config.publicUrl ?? url
      await announceUntilOwned({ config, home, invitations: postrider.invitations }, postrider)
    }
    await aborted(stopping)
    return exitCodes.done
  })
}
