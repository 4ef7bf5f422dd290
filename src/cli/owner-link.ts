import { rm, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { linkOf } from '../api/site.ts'
import type { Config } from '../config.ts'
import { Database } from '../database/database.ts'
import { migrationStatus } from '../database/migrate.ts'
import { Invitations } from '../registry/invitations.ts'
import { hasOwner } from '../registry/users.ts'
import { makeDataDir } from './data-dir.ts'
import { openDatabase } from './database.ts'
import { exitCodes, Failure } from './failure.ts'

const fileName = 'owner-link'

interface Announced {
  config: Config
  /** Where this is reached. */
  home: string
  invitations: Pick<Invitations, 'createOwnerLink'>
}

/** At each start until somebody is the owner: a link that makes whoever opens it one. */
export async function announceUntilOwned(
  announced: Announced,
  { logins }: { logins: { hasOwner(): Promise<boolean> } },
): Promise<void> {
  try {
    if (!(await logins.hasOwner())) return await announceOwnerLink(announced)
    // What a start before wrote opens nothing any more.
    await rm(resolve(announced.config.dataDir, fileName), { force: true })
  } catch (error) {
    // A place without a disk to write to serves all the same.
    const why = error instanceof Error ? error.message : String(error)
    process.stderr.write(`No link for the owner: ${why}. 'postrider users invite-owner' makes one.\n`)
  }
}

/** `postrider users invite-owner`: for a first link that was lost, or an owner who cannot log in any more. */
export async function inviteOwner(config: Config): Promise<number> {
  const inUse = await openDatabase(config)
  const database = new Database({ connectionString: inUse.connectionString, maxConnections: 1 })
  try {
    const { pending } = await migrationStatus(database)
    if (pending.length > 0) throw new Failure("the schema is not up to date: 'postrider migrate' makes it so")
    const home = config.publicUrl ?? `http://${urlHost(config.host)}:${config.port}`
    const clock = { now: () => new Date() }
    await announceOwnerLink({ config, home, invitations: new Invitations({ database, clock }) })
    if (await hasOwner(database)) {
      process.stderr.write(
        'There is an owner already, and will then be one more. The same email sets a new password.\n',
      )
    }
    return exitCodes.done
  } finally {
    await database.close()
    await inUse.release()
  }
}

/** A link is shown on a terminal only: what goes to a file or a log collector stays there. */
async function announceOwnerLink({ config, home, invitations }: Announced): Promise<void> {
  const { token, expires_at } = await invitations.createOwnerLink()
  const link = linkOf(home, 'setup', token)
  const until = `It works once, until ${expires_at.toISOString()}.`
  if (process.stderr.isTTY) {
    process.stderr.write(`\nOpen this to become the owner. ${until}\n\n  ${link}\n\n`)
    return
  }
  const file = resolve(config.dataDir, fileName)
  await makeDataDir(config.dataDir)
  await rm(file, { force: true })
  await writeFile(file, `${link}\n`, { mode: 0o600, flag: 'wx' })
  process.stderr.write(`A link that makes the owner was written into ${file}. ${until}\n`)
}

function urlHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}
