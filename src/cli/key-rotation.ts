import type { Config } from '../config.ts'
import { Database } from '../database/database.ts'
import { migrationStatus } from '../database/migrate.ts'
import { type Reencryption, rotateKeys } from '../registry/reencrypt.ts'
import { countByKey } from '../registry/required-keys.ts'
import { Cipher } from '../registry/secrets.ts'
import { openDatabase } from './database.ts'
import { exitCodes, Failure } from './failure.ts'

export type KeysAction = 'rotate' | 'status'

/** A process that still encrypts with an older key writes behind our back: so often it is looked again. */
const mostPasses = 3

/** Tells what each encryption key is needed for, and before that, for `rotate`, encrypts all of it with the newest. */
export async function runKeys(
  config: Config,
  { action, print }: { action: KeysAction; print: (line: string) => void },
): Promise<number> {
  const cipher = new Cipher(config.encryptionKeys)
  const inUse = await openDatabase(config)
  const database = new Database({ connectionString: inUse.connectionString, maxConnections: 2 })
  try {
    const { pending } = await migrationStatus(database)
    if (pending.length > 0) throw new Failure("the schema is not up to date: 'postrider migrate' makes it so")
    const unopened = action === 'rotate' ? await rotate(database, cipher, print) : []
    for (const { webhookId, place } of unopened) {
      print(`webhook ${webhookId}: what stands in "${place}" cannot be opened with any key, and stays`)
    }
    printUses(await countByKey(database), config, print)
    return unopened.length === 0 ? exitCodes.done : exitCodes.failed
  } finally {
    await database.close()
    await inUse.release()
  }
}

async function rotate(
  database: Database,
  cipher: Cipher,
  print: (line: string) => void,
): Promise<Reencryption['unopened']> {
  requireAll(await countByKey(database), cipher)
  for (let pass = 1; ; pass += 1) {
    const { values, unopened } = await rotateKeys(database, cipher, everySecond(print))
    if (values > 0) print(`${values} values encrypted with "${cipher.newestId}"`)
    if (values === 0 || pass === mostPasses) return unopened
  }
}

function requireAll(uses: Map<string | null, number>, cipher: Cipher): void {
  const missing = [...uses.keys()].filter((id) => id !== null && !cipher.has(id))
  if (missing.length === 0) return
  const names = missing.map((id) => `"${id}"`).join(', ')
  throw new Failure(`POSTRIDER_ENCRYPTION_KEYS lacks ${names}, which stored secrets need`)
}

function everySecond(print: (line: string) => void): (sofar: Reencryption) => void {
  let toldMs = performance.now()
  return ({ values, webhooks }) => {
    if (performance.now() - toldMs < 1_000) return
    toldMs = performance.now()
    print(`${values} values of ${webhooks} webhooks so far`)
  }
}

function printUses(uses: Map<string | null, number>, config: Config, print: (line: string) => void): void {
  config.encryptionKeys.forEach(({ id }, index) => {
    const count = uses.get(id) ?? 0
    print(
      `${id}  ${inWords(count)}${index === 0 ? ', and what is stored from now on' : whetherNeeded(count)}`,
    )
  })
  for (const [id, count] of uses) {
    const isGiven = config.encryptionKeys.some((key) => key.id === id)
    if (id !== null && !isGiven) print(`${id}  ${inWords(count)}: THIS KEY IS MISSING`)
  }
  const plain = uses.get(null) ?? 0
  if (plain > 0)
    print(`in the clear  ${inWords(plain)}, too long to be stored encrypted: give them a new secret`)
  if (config.encryptionKeys.length === 1) {
    print('There is one key. Put a new one in front of it, with another id, to rotate.')
  }
}

function whetherNeeded(count: number): string {
  return count === 0 ? ': no longer needed' : ': still needed'
}

function inWords(count: number): string {
  return count === 1 ? '1 value' : `${count} values`
}
