import { randomBytes } from 'node:crypto'
import { chmod, link, open, readFile, rm, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type Config, ConfigError, type EncryptionKey, readConfig, settings } from '../config.ts'
import { makeDataDir } from './data-dir.ts'
import { exitCodes, Failure } from './failure.ts'

export interface Keys {
  adminKey: string
  encryptionKeys: EncryptionKey[]
}

type KeyName = keyof Keys

/** Where each generated key lies in the data directory, and how one is made. */
const generated = {
  adminKey: {
    file: 'admin-key',
    make: () => randomBytes(32).toString('base64url'),
    command: 'echo "POSTRIDER_ADMIN_KEY=$(openssl rand -base64 32)" >> .env',
  },
  encryptionKeys: {
    file: 'encryption-keys',
    make: () => `k1:${randomBytes(32).toString('base64')}`,
    command: 'echo "POSTRIDER_ENCRYPTION_KEYS=k1:$(openssl rand -base64 32)" >> .env',
  },
}

export interface NewKey {
  name: KeyName
  key: string
  file: string
}

/**
 * Fills in the keys that the settings leave open. With the embedded database they are generated into the data
 * directory once and read from there at every later start; `onNewKey` hears of each that was made.
 * With a database of one's own, whose data must not depend on a file that happens to lie here, a missing key is
 * a failure that says how to make one.
 */
export async function completeKeys(
  config: Config,
  { needed, onNewKey }: { needed: readonly KeyName[]; onNewKey: (news: NewKey) => void },
): Promise<Config> {
  const missing = needed.filter((name) => isMissing(config, name))
  if (config.databaseUrl !== null && missing.length > 0) throw missingKeys(missing)
  let complete = config
  for (const name of missing) {
    complete = { ...complete, ...(await keyFromFile(name, config.dataDir, onNewKey)) }
  }
  return complete
}

/** A generated key is shown on a terminal only: what goes to a file or a log collector stays there. */
export function announceKey({ name, key, file }: NewKey): void {
  const what = settings[name].name
  if (name === 'adminKey' && process.stderr.isTTY) {
    process.stderr.write(`A new ${what}, shown this once and kept in ${file}:\n\n  ${key}\n\n`)
  } else {
    process.stderr.write(`A new ${what} was generated into ${file}\n`)
  }
}

function isMissing(config: Config, name: KeyName): boolean {
  return name === 'adminKey' ? config.adminKey === null : config.encryptionKeys.length === 0
}

function missingKeys(names: KeyName[]): Failure {
  const settingNames = names.map((name) => settings[name].name).join(' and ')
  const commands = names.map((name) => `\n  ${generated[name].command}`).join('')
  return new Failure(
    `${settingNames} must be set together with DATABASE_URL. This makes and keeps what is missing:${commands}`,
    { exitCode: exitCodes.misused },
  )
}

async function keyFromFile(
  name: KeyName,
  dataDir: string,
  onNewKey: (news: NewKey) => void,
): Promise<Partial<Config>> {
  const file = resolve(dataDir, generated[name].file)
  if (!(await exists(file))) {
    await makeDataDir(dataDir)
    const key = generated[name].make()
    if (await writeOnce(file, key)) onNewKey({ name, key, file })
  }
  const text = await readKey(file)
  try {
    return { [name]: readConfig({ [settings[name].name]: text })[name] }
  } catch (error) {
    // The setting's own words are about a variable that nobody set.
    if (!(error instanceof ConfigError)) throw error
    throw new Failure(`${file} is damaged: it ${error.message.replace(/^\S+ /, '')}`, { cause: error })
  }
}

async function readKey(file: string): Promise<string> {
  // A copy or a restored backup may have opened it to others.
  if (((await stat(file)).mode & 0o077) !== 0) await chmod(file, 0o600)
  const text = (await readFile(file, 'utf8')).trim()
  if (text === '') throw new Failure(`${file} is damaged: it is empty`)
  return text
}

/**
 * Makes the file whole or not at all, and answers false if it was there already: of several processes that start
 * together all use the first one's key. It is on disk before anything is encrypted with it.
 */
async function writeOnce(file: string, text: string): Promise<boolean> {
  const draft = `${file}.${randomBytes(4).toString('hex')}`
  const handle = await open(draft, 'wx', 0o600)
  try {
    await handle.writeFile(`${text}\n`)
    await handle.sync()
    await link(draft, file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    await handle.close()
    await rm(draft, { force: true })
  }
}

function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false
      throw error
    },
  )
}
