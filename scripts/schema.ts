// Writes src/database/schema.sql: what the migrations make, to read in one piece. `--check` only compares.
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { Database } from '../src/database/database.ts'
import { migrate } from '../src/database/migrate.ts'
import { startTestServer } from '../test/support/server.ts'
import { describeSchema } from './catalogue.ts'

const path = fileURLToPath(new URL('../src/database/schema.sql', import.meta.url))
const header =
  '-- What the migrations make, for reading. Made by `node scripts/schema.ts`; not to be edited.\n\n'

const schema = header + (await migratedSchema()) + '\n'
if (!process.argv.includes('--check')) {
  await writeFile(path, schema)
} else if ((await readFile(path, 'utf8').catch(() => '')) !== schema) {
  process.stderr.write(`${path} is not what the migrations make: run "node scripts/schema.ts"\n`)
  process.exitCode = 1
}

async function migratedSchema(): Promise<string> {
  const server = await startTestServer()
  const database = new Database({ connectionString: `${server.url}/postgres` })
  try {
    await migrate(database, { direction: 'up' })
    return await describeSchema(database)
  } finally {
    await database.close()
    await server.stop()
  }
}
