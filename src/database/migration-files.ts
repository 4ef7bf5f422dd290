import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** One step of the schema, as it lies in two files. */
export interface Migration {
  version: number
  /** File name without its ending: `0001_webhooks`. */
  name: string
  up: { path: string; sql: string }
  down: { path: string; sql: string }
  /** SHA-256 of the `up` file, the same for either kind of line end. */
  checksum: string
}

export const defaultDirectory = fileURLToPath(new URL('migrations', import.meta.url))

/** All migrations of a folder, in order. A missing half, a repeated or a skipped number is an error. */
export async function readMigrations(directory: string): Promise<Migration[]> {
  const names = new Set<string>()
  for (const file of await readdir(directory)) {
    const name = /^(\d{4}_\w+)\.(?:up|down)\.sql$/.exec(file)?.[1]
    if (name) names.add(name)
    else if (file.endsWith('.sql')) throw new Error(`${join(directory, file)} is not named 0001_name.up.sql`)
  }
  const migrations = await Promise.all([...names].toSorted().map((name) => readMigration(directory, name)))
  migrations.forEach(({ version, up }, index) => {
    if (version !== index + 1) throw new Error(`${up.path} should have number ${index + 1}`)
  })
  return migrations
}

async function readMigration(directory: string, name: string): Promise<Migration> {
  const up = await readSql(join(directory, `${name}.up.sql`))
  const down = await readSql(join(directory, `${name}.down.sql`))
  const checksum = createHash('sha256').update(up.sql).digest('hex')
  return { version: Number(name.slice(0, 4)), name, up, down, checksum }
}

async function readSql(path: string): Promise<{ path: string; sql: string }> {
  const text = await readFile(path, 'utf8')
  return { path, sql: text.replaceAll('\r\n', '\n') }
}
