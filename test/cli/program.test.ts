import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { settings } from '../../src/config.ts'
import { runCommand, temporaryDirectory } from './command.ts'

describe('--help', () => {
  test('names every command with an example and the exit codes', async () => {
    const { stdout, stderr, exitCode } = await runCommand(['--help'])
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 })
    for (const command of [
      'serve',
      'api',
      'worker',
      'migrate',
      'keys',
      'psql',
      'demo',
      'listen',
      'completion',
    ]) {
      expect(stdout).toMatch(new RegExp(`^  ${command}\\b`, 'm'))
    }
    expect(stdout).toContain('Examples:')
    expect(stdout).toContain('Exit status:')
  })

  test('of serve lists every setting with its default and unit', async () => {
    const { stdout, exitCode } = await runCommand(['serve', '--help'])
    expect(exitCode).toBe(0)
    const text = stdout.replace(/\s+/g, ' ')
    for (const { name, description, default: fallback, ...setting } of Object.values(settings)) {
      const unit = 'unit' in setting ? `; unit: ${setting.unit}` : ''
      expect(text).toContain(`${name} ${description} default: ${fallback}${unit}`)
    }
  })

  test.each(['api', 'worker', 'migrate', 'keys', 'psql', 'demo'])('explains %s', async (command) => {
    const [flag, help] = await Promise.all([runCommand([command, '--help']), runCommand(['help', command])])
    expect(flag.stdout).toContain(`Usage: postrider ${command}`)
    expect(help).toEqual(flag)
    expect(flag.exitCode).toBe(0)
  })
})

test('--version prints the version', async () => {
  expect(await runCommand(['--version'])).toEqual({
    stdout: `${packageJson.version}\n`,
    stderr: '',
    exitCode: 0,
  })
})

describe('a wrong command line', () => {
  test.each([
    [['serv'], "postrider: unknown command 'serv'\n(Did you mean serve?)"],
    [['serve', 'now'], "postrider: too many arguments for 'serve'"],
    [['serve', '--port'], "postrider: unknown option '--port'"],
    [['--once'], "postrider: unknown option '--once'"],
    [['migrate', 'sideways'], 'Allowed choices are up, down, status'],
    [['keys'], "missing required argument 'action'"],
    [['keys', 'forget'], 'Allowed choices are rotate, status'],
    [['migrate', 'up', '--to', 'x'], 'It must be the number of a migration'],
  ])('%j is told in words, with exit code 2', async (args, words) => {
    const { stdout, stderr, exitCode } = await runCommand(args)
    expect(stderr).toContain(words)
    expect(stderr).toContain('--help')
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 2 })
  })
})

describe('wrong settings', () => {
  const wrong = { POSTRIDER_LEASE_SECONDS: 'abc', POSTRIDER_PORTS: '1', POSTRIDER_ADMIN_KEY: 'ge heim' }

  test.each(['serve', 'api', 'worker', 'migrate', 'psql', 'demo'])(
    'stop %s with exit code 2, all told at once, without a stack or a secret',
    async (command) => {
      const { stdout, stderr, exitCode } = await runCommand([command], { env: wrong })
      expect(stderr.split('\n')).toEqual([
        'postrider: POSTRIDER_PORTS is not a setting; did you mean POSTRIDER_PORT?',
        '  POSTRIDER_ADMIN_KEY must be one word of visible ASCII characters',
        '  POSTRIDER_LEASE_SECONDS must be a whole number from 5 to 300, got "abc"',
        '',
      ])
      expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 2 })
    },
  )

  test('show a stack at debug level', async () => {
    const { stderr } = await runCommand(['psql'], { env: { ...wrong, POSTRIDER_LOG_LEVEL: 'debug' } })
    expect(stderr).toMatch(/^ +at .*config\.ts/m)
  })
})

/** Answers with the DATABASE_URL that is in force. */
function urlOf(envFile: string, env: Record<string, string> = {}) {
  const cwd = temporaryDirectory()
  writeFileSync(join(cwd, '.env'), envFile)
  return runCommand(['psql', '--url'], { cwd, env })
}

describe('a .env file', () => {
  test('is read where the command is started', async () => {
    const { stdout } = await urlOf('\uFEFFDATABASE_URL="postgres://file/db" # the one\nUNRELATED=1\n')
    expect(stdout).toBe('postgres://file/db\n')
  })

  test('gives way to the environment', async () => {
    const { stdout } = await urlOf('DATABASE_URL=postgres://file/db', { DATABASE_URL: 'postgres://env/db' })
    expect(stdout).toBe('postgres://env/db\n')
  })

  test('gives way to an empty variable too, which unsets the setting', async () => {
    const { stderr } = await urlOf('DATABASE_URL=postgres://file/db', { DATABASE_URL: '' })
    expect(stderr).toContain('the embedded database does not run')
  })

  test('is named where something in it is wrong', async () => {
    const { stderr, exitCode } = await urlOf('POSTRIDER_PORT=x\nPOSTRIDER_HOST=x', { POSTRIDER_HOST: ':' })
    expect(stderr).toMatch(/POSTRIDER_PORT .* \(in \.env\)\n/)
    expect(stderr).toMatch(/POSTRIDER_HOST .*, got ":"\n/)
    expect(exitCode).toBe(2)
  })
})

describe('keys that are missing beside DATABASE_URL', () => {
  const env = { DATABASE_URL: 'postgres://nobody@127.0.0.1:9/db' }

  test.each(['serve', 'api'])('stop %s with the commands that make both', async (command) => {
    const { stdout, stderr, exitCode } = await runCommand([command], { env })
    expect(stderr).toMatch(/^postrider: POSTRIDER_ADMIN_KEY and POSTRIDER_ENCRYPTION_KEYS must be set/)
    expect(stderr).toContain('echo "POSTRIDER_ADMIN_KEY=$(openssl rand -base64 32)" >> .env')
    expect(stderr).toContain('echo "POSTRIDER_ENCRYPTION_KEYS=k1:$(openssl rand -base64 32)" >> .env')
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 2 })
  })

  test('stop the worker for the one it needs', async () => {
    const { stderr, exitCode } = await runCommand(['worker'], { env })
    expect(stderr).toMatch(/^postrider: POSTRIDER_ENCRYPTION_KEYS must be set/)
    expect(stderr).not.toContain('ADMIN_KEY')
    expect(exitCode).toBe(2)
  })
})
