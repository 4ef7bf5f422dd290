import { writeFile } from 'node:fs/promises'
import { Session } from 'node:inspector/promises'
import { join } from 'node:path'
import type { RunningWorker, WorkerSetup } from '../systems/system.ts'
import { serve } from './remote.ts'

/** One worker of one system: only that system's modules are loaded here. */

const [setupJson, profileDir] = process.argv.slice(2)
const setup = JSON.parse(setupJson!) as WorkerSetup
const { startWorker } = (await import(`../systems/${setup.module}.ts`)) as {
  startWorker: (setup: WorkerSetup) => Promise<RunningWorker>
}

let worker: RunningWorker | undefined

serve({
  start: async () => {
    if (profileDir) await startProfile()
    worker = await startWorker(setup)
  },
  stop: async () => {
    await worker?.stop()
    if (profileDir) await writeProfile(join(profileDir, `${process.pid}.cpuprofile`))
  },
})

const session = new Session()

/** Unlike `--cpu-prof`, not before the modules are loaded. */
async function startProfile(): Promise<void> {
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.start')
}

async function writeProfile(file: string): Promise<void> {
  const { profile } = await session.post('Profiler.stop')
  await writeFile(file, JSON.stringify(profile))
}
