import { existsSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { withoutPassword } from '../../src/cli/psql.ts'
import { Command, runCommand, temporaryDirectory } from './command.ts'

const env = { DATABASE_URL: 'postgres://ada:p%40ss@db.example:5433/app?sslmode=require' }

/** A directory with a `psql` that tells how it was called, and ends with 7. */
function fakePsql(): string {
  const directory = temporaryDirectory()
  const script = `#!/bin/sh\nfor arg in "$@"; do echo "<$arg>"; done; echo "password $PGPASSWORD"; exit 7\n`
  writeFileSync(join(directory, 'psql'), script, { mode: 0o755 })
  return directory
}

/** A PATH that has what starting a server takes, and no `psql`. */
function pathWithoutPsql(): string {
  const directory = temporaryDirectory()
  for (const program of ['true', 'test', 'unshare']) {
    const file = process.env['PATH']!.split(':')
      .map((folder) => join(folder, program))
      .find(existsSync)
    if (file) symlinkSync(file, join(directory, program))
  }
  return directory
}

describe('postrider psql', () => {
  test('gives psql its words as they are, the password by the environment, and answers with its status', async () => {
    const args = ['-c', 'SELECT 1', '-A', '--help', '--url']
    const { stdout, exitCode } = await runCommand(['psql', ...args], {
      env: { ...env, PATH: `${fakePsql()}:/bin` },
    })
    expect(stdout).toBe(
      '<-d>\n<postgres://ada@db.example:5433/app?sslmode=require>\n' +
        '<-c>\n<SELECT 1>\n<-A>\n<--help>\n<--url>\npassword p@ss\n',
    )
    expect(exitCode).toBe(7)
  })

  test('prints the connection string where there is no psql, and says so on stderr', async () => {
    const { stdout, stderr, exitCode } = await runCommand(['psql'], {
      env: { ...env, PATH: pathWithoutPsql() },
    })
    expect(stdout).toBe(`${env.DATABASE_URL}\n`)
    expect(stderr).toContain('There is no psql in PATH')
    expect(exitCode).toBe(0)
  })

  test('--url prints the connection string and nothing else', async () => {
    expect(await runCommand(['psql', '--url'], { env })).toEqual({
      stdout: `${env.DATABASE_URL}\n`,
      stderr: '',
      exitCode: 0,
    })
  })

  test('--url fails when no database runs, and starts none', async () => {
    const { stdout, stderr, exitCode } = await runCommand(['psql', '--url'])
    expect(stderr).toMatch(/^postrider: the embedded database does not run/)
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 1 })
  })

  test('starts the embedded database for the session, and another process joins it', async () => {
    const cwd = temporaryDirectory()
    const session = new Command(['psql'], { cwd, env: { PATH: pathWithoutPsql() } })
    await session.said('runs until you press Ctrl-C')
    const { stdout: url } = await runCommand(['psql', '--url'], { cwd })
    expect(url).toMatch(/^postgresql:\/\/postrider:\w+@127\.0\.0\.1:\d+\/postrider\n$/)
    expect(session.stdout).toBe(url)
    session.child.kill('SIGINT')
    expect((await session.ended).exitCode).toBe(0)
    expect((await runCommand(['psql', '--url'], { cwd })).exitCode).toBe(1)
  })
})

test.each([
  ['postgresql://a:b@h/d', 'postgresql://a@h/d', 'b'],
  ['postgres://a:%3A%2F@h:1/d?x=y@z', 'postgres://a@h:1/d?x=y@z', ':/'],
  ['postgres://a:b@h:1,g:2/d', 'postgres://a@h:1,g:2/d', 'b'],
  ['postgres://h:1,g:2/d', 'postgres://h:1,g:2/d', undefined],
  ['postgres://a@h/d', 'postgres://a@h/d', undefined],
  ['postgres://h:5432/d', 'postgres://h:5432/d', undefined],
  ['postgresql:///d?host=/tmp&password=x', 'postgresql:///d?host=/tmp&password=x', undefined],
])('%s goes to psql without its password', (connectionString, url, password) => {
  expect(withoutPassword(connectionString)).toEqual({ url, password })
})
