import { open, readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { generateSecret, secretComplaint } from '../../registry/secret.ts'
import { makeDataDir } from '../data-dir.ts'
import { exitCodes, Failure } from '../failure.ts'

export interface ListenSecret {
  secret: string
  /** Where it is kept; `undefined` for one that was given. */
  file?: string
}

/**
 * What signs events that are forwarded to this machine: given, or made once and kept, so that receivers need not be told a
 * new one each time. It opens nothing on any server.
 */
export async function listenSecret(dataDir: string, given: string | undefined): Promise<ListenSecret> {
  if (given !== undefined) {
    const complaint = secretComplaint(given, given.startsWith('whsk_') ? 'v1a' : 'v1')
    if (complaint) throw new Failure(`--secret ${complaint}`, { exitCode: exitCodes.misused })
    return { secret: given }
  }
  const file = resolve(dataDir, 'listen-secret')
  await makeDataDir(dataDir)
  const secret = (await keep(file, generateSecret())) ?? (await readFile(file, 'utf8')).trim()
  if (secretComplaint(secret)) throw new Failure(`${file} is damaged: delete it, and a new secret is made`)
  return { secret, file }
}

/** Answers what it has written, or `undefined` where there was one. */
async function keep(file: string, secret: string): Promise<string | undefined> {
  try {
    const handle = await open(file, 'wx', 0o600)
    try {
      await handle.writeFile(`${secret}\n`)
    } finally {
      await handle.close()
    }
    return secret
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined
    throw error
  }
}
