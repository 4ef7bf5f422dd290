import { setTimeout as delay } from 'node:timers/promises'
import type { Config } from '../../config.ts'
import { makePassingDir, removePassingDir } from '../../database/directories.ts'
import { inOrder } from '../../lifecycle.ts'
import { createLogger, type Logger, plainLines } from '../../log.ts'
import { version } from '../../version.ts'
import { exitCodes } from '../failure.ts'
import { completeKeys } from '../keys.ts'
import { compose } from '../compose.ts'
import { aborted, runUntilSignal } from '../until-signal.ts'
import { ApiCalls } from './calls.ts'
import { publishOne, type Scene, type Stage, tellArrival, tellJourney, tellRetry } from './journey.ts'
import { Narrator } from './narrator.ts'
import { createReceiver } from './receiver.ts'

const publishEveryMs = 5_000

/** The journey of an event on this machine, for someone who watches. */
export async function runDemo(settings: Config, { once }: { once: boolean }): Promise<number> {
  const dataDir = await makePassingDir('demo')
  try {
    return await runIn(dataDir, settings, once)
  } finally {
    await removePassingDir(dataDir)
  }
}

async function runIn(dataDir: string, settings: Config, once: boolean): Promise<number> {
  const config = await demoConfig(settings, dataDir)
  const log = demoLog(settings)
  const narrator = new Narrator()
  const receiver = createReceiver()
  const app = compose(config, { api: true, worker: true }, log)

  narrator.title(`Postrider ${version}: the journey of an event`)
  narrator.line(`Everything runs on this machine, in ${dataDir}, and is gone afterwards.`)
  narrator.step('Start PostgreSQL, the API, a delivery worker and a receiver')
  return runUntilSignal(inOrder([receiver, app]), log, async (stopping) => {
    const { url, connectionString } = app.running()
    narrator.facts({ database: withoutUser(connectionString), API: url, receiver: receiver.url() })
    const calls = new ApiCalls(url!, config.adminKey!)
    const stage = { narrator, calls, receiver }
    // An interrupted `--once` has not shown what it was asked for.
    const interrupted = aborted(stopping).then(() => (once ? exitCodes.failed : exitCodes.done))
    return Promise.race([tell(stage, { once, dataDir, adminKey: config.adminKey! }), interrupted])
  })
}

async function tell(stage: Stage, { once, ...access }: { once: boolean } & Access): Promise<number> {
  const scene = await tellJourney(stage)
  if (once) {
    stage.narrator.step('Look for yourself')
    stage.narrator.facts({ dashboard: `${stage.calls.url}/  (it stays up without --once)` })
    return exitCodes.done
  }
  await tellRetry(stage, scene)
  tellWhereToLook(stage, scene, access)
  stage.narrator.step(`A new event every ${publishEveryMs / 1000} seconds, until you press Ctrl-C`)
  stage.receiver.watch((arrival) => tellArrival(stage.narrator, arrival))
  for (let number = 2; ; number++) {
    await publishOne(stage, scene, number)
    await delay(publishEveryMs)
  }
}

interface Access {
  dataDir: string
  adminKey: string
}

function tellWhereToLook(
  { narrator, calls }: Stage,
  { projectId }: Scene,
  { dataDir, adminKey }: Access,
): void {
  const keyFile = `${dataDir}/admin-key`
  narrator.step('Look for yourself')
  narrator.facts({
    dashboard: `${calls.url}/`,
    'API pages': `${calls.url}/docs`,
    'admin key': process.stdout.isTTY ? adminKey : `in ${keyFile}`,
  })
  narrator.line(`curl -H "Authorization: Bearer $(cat ${keyFile})" \\`)
  narrator.line(`  ${calls.url}/api/projects/${projectId}/deliveries`)
}

/** Apart from everything else on this machine: free ports, a database and keys of its own, and local receivers. */
function demoConfig(settings: Config, dataDir: string): Promise<Config> {
  const config: Config = {
    ...settings,
    databaseUrl: null,
    dataDir,
    host: '127.0.0.1',
    port: 0,
    publicUrl: null,
    adminKey: null,
    encryptionKeys: [],
    allowHttp: true,
    allowPrivate: ['127.0.0.0/8'],
  }
  return completeKeys(config, { needed: ['adminKey', 'encryptionKeys'], onNewKey: () => {} })
}

/** The story is told on stdout; of the log only errors are shown, unless another level is asked for. */
function demoLog({ logLevel }: Config): Logger {
  const level = logLevel === 'info' ? 'error' : logLevel
  return createLogger(
    level,
    plainLines((text) => process.stderr.write(text)),
  )
}

function withoutUser(connectionString: string): string {
  return connectionString.replace(/\/\/[^@/]*@/, '//')
}
