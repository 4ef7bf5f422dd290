/**
 * The long form of the fuzzer: `npm run fuzz -- --requests 20000 --seed 7`. A failure tells its own seed and path; with
 * `--seed` and `--path` it comes again.
 */
import { parseArgs } from 'node:util'
import { Database } from '../src/database/database.ts'
import { migrate } from '../src/database/migrate.ts'
import { fuzz, reportOf } from '../test/support/fuzz.ts'
import { startGround } from '../test/support/fuzz-ground.ts'
import { startTestServer } from '../test/support/server.ts'

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '20000' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    path: { type: 'string' },
  },
})
const seed = Number(values.seed)
const print = (line: string): void => void process.stdout.write(`${line}\n`)

print(`seed ${seed}`)
const server = await startTestServer()
try {
  const connectionString = `${server.url}/postgres`
  const database = new Database({ connectionString, maxConnections: 1 })
  await migrate(database, { direction: 'up' })
  await database.close()
  await using ground = await startGround(connectionString)
  const report = await fuzz(ground, {
    requests: Number(values.requests),
    seed,
    path: values.path,
    onProgress: (requests) => print(`${requests} requests`),
  })
  print(reportOf(report))
} catch (error) {
  print(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
} finally {
  await server.stop()
}
