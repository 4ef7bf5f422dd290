// A process that uses an embedded PostgreSQL until it is told "stop" or killed. It says what it does in JSON lines.
import { startEmbedded } from '../../src/database/embedded.ts'

const [dataDir = '', binaries] = process.argv.slice(2)
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)

try {
  const postgres = await startEmbedded({
    dataDir,
    ...(binaries && { binaries }),
    log: (message) => say({ log: message }),
  })
  say({ connectionString: postgres.connectionString })
  process.stdin.once('data', () => {
    void postgres.stop().then(() => process.stdin.destroy())
  })
} catch (error) {
  say({ error: (error as Error).message })
  process.exitCode = 1
}
