import { execFileSync } from 'node:child_process'
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/cli/environment.ts'
import { completeKeys, type NewKey } from '../../src/cli/keys.ts'
import { type Config, readConfig } from '../../src/config.ts'
import { temporaryDirectory } from './command.ts'

const needed = ['adminKey', 'encryptionKeys'] as const

async function complete(config: Config): Promise<Config & { news: NewKey[] }> {
  const news: NewKey[] = []
  const completed = await completeKeys(config, { needed, onNewKey: (key) => news.push(key) })
  return { ...completed, news }
}

function emptyConfig(): Config {
  return readConfig({ POSTRIDER_DATA_DIR: join(temporaryDirectory(), 'data') })
}

function modeOf(path: string): number {
  return statSync(path).mode & 0o777
}

describe('keys that the settings leave open', () => {
  test('are generated into files that only their owner may read', async () => {
    const config = emptyConfig()
    const { adminKey, encryptionKeys, news } = await complete(config)
    expect(adminKey).toMatch(/^[\w-]{43}$/)
    expect(encryptionKeys).toEqual([{ id: 'k1', key: expect.any(Buffer) }])
    expect(encryptionKeys[0]!.key).toHaveLength(32)
    expect(news.map(({ name, file }) => [name, file])).toEqual([
      ['adminKey', join(config.dataDir, 'admin-key')],
      ['encryptionKeys', join(config.dataDir, 'encryption-keys')],
    ])
    expect(readdirSync(config.dataDir).toSorted()).toEqual(['admin-key', 'encryption-keys'])
    expect(readdirSync(config.dataDir).map((file) => modeOf(join(config.dataDir, file)))).toEqual([
      0o600, 0o600,
    ])
    // Root's can be passed through by whom the embedded server runs as, and still not be listed.
    expect(modeOf(config.dataDir)).toBe(process.getuid?.() === 0 ? 0o711 : 0o700)
  })

  test('are read again at the next start, without news', async () => {
    const config = emptyConfig()
    const first = await complete(config)
    const second = await complete(config)
    expect(second).toEqual({ ...first, news: [] })
  })

  test('are the same for all who start together', async () => {
    const config = emptyConfig()
    const starts = await Promise.all(Array.from({ length: 8 }, () => complete(config)))
    expect(new Set(starts.map(({ adminKey }) => adminKey)).size).toBe(1)
    expect(new Set(starts.map(({ encryptionKeys }) => encryptionKeys[0]!.key.toString('hex'))).size).toBe(1)
    expect(starts.flatMap(({ news }) => news)).toHaveLength(2)
    expect(readdirSync(config.dataDir)).toHaveLength(2)
  })

  test('are closed again when others could read them', async () => {
    const config = emptyConfig()
    await complete(config)
    chmodSync(join(config.dataDir, 'encryption-keys'), 0o644)
    await complete(config)
    expect(modeOf(join(config.dataDir, 'encryption-keys'))).toBe(0o600)
  })

  test('are not replaced when their file is damaged: what they encrypted would be lost', async () => {
    const config = emptyConfig()
    const { news } = await complete(config)
    const { file } = news[1]!
    for (const damage of ['', 'k1:geheim\n']) {
      writeFileSync(file, damage)
      const failure = await complete(config).catch((error: Error) => error)
      expect(failure).toMatchObject({
        name: 'Failure',
        message: expect.stringMatching(/encryption-keys is damaged/),
      })
      expect((failure as Error).message).not.toContain('geheim')
      expect(readFileSync(file, 'utf8')).toBe(damage)
    }
  })
})

test('keys that are set stay as they are, and no file is made', async () => {
  const key = Buffer.alloc(32, 1)
  const config: Config = { ...emptyConfig(), adminKey: 'admin', encryptionKeys: [{ id: 'a', key }] }
  expect(await complete(config)).toEqual({ ...config, news: [] })
  expect(() => readdirSync(config.dataDir)).toThrow('ENOENT')
})

describe('with a database of one’s own', () => {
  test('missing keys are not generated', async () => {
    const config: Config = { ...emptyConfig(), databaseUrl: 'postgres://host/db' }
    await expect(complete(config)).rejects.toMatchObject({ exitCode: 2 })
    expect(() => readdirSync(config.dataDir)).toThrow('ENOENT')
  })

  test('the commands of the message make what is missing', async () => {
    const directory = temporaryDirectory()
    const env = { DATABASE_URL: 'postgres://host/db' }
    const failure = await complete(loadConfig(env, directory)).catch((error: Error) => error)
    const commands = (failure as Error).message.split('\n').slice(1)
    for (const command of commands) execFileSync('sh', ['-c', command], { cwd: directory })
    const config = loadConfig(env, directory)
    expect(await complete(config)).toEqual({ ...config, news: [] })
    expect(config.encryptionKeys[0]!.key).toHaveLength(32)
  })
})
