import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import packageJson from '../../package.json' with { type: 'json' }
import { freePort, walkReadme } from '../../test/support/readme.ts'

/** The oldest that package.json allows, and the one that this checkout runs on. */
export const nodeVersions = ['22.19.0', packageJson.devDependencies.node]

/** Of each platform npm has a package of each version, with the program alone. */
const nodePackage = `node-${process.platform}-${process.arch}`

const patienceMs = 120_000

/**
 * Installs a packed Postrider into an empty project, on a Node.js of this version, starts it there with its embedded
 * PostgreSQL, and does what its README says: a webhook, an application that publishes, a receiver that verifies.
 */
export async function tryPackage(tarball: string, nodeVersion: string): Promise<void> {
  const place = mkdtempSync(join(tmpdir(), 'postrider-release-'))
  // The user whom root's embedded server runs as goes through it.
  chmodSync(place, 0o711)
  try {
    const env = { ...process.env, PATH: `${nodeBin(place, nodeVersion)}${delimiter}${process.env['PATH']}` }
    const project = emptyProject(place, 'shop')
    npmInstall(project, [tarball, ...versionsOf('express', 'drizzle-orm', 'pg')], env)
    requireVersion(project, nodeVersion, env)
    await inRunningProject(project, env)
  } finally {
    rmSync(place, { recursive: true, force: true, maxRetries: 10 })
  }
}

function nodeBin(place: string, version: string): string {
  const project = emptyProject(place, 'node')
  npmInstall(project, [`${nodePackage}@${version}`], process.env)
  return join(project, 'node_modules', nodePackage, 'bin')
}

function emptyProject(place: string, name: string): string {
  const directory = join(place, name)
  mkdirSync(directory)
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  return directory
}

function npmInstall(directory: string, packages: readonly string[], env: NodeJS.ProcessEnv): void {
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--save-exact', ...packages], {
    cwd: directory,
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

function versionsOf(...names: ('express' | 'drizzle-orm' | 'pg')[]): string[] {
  const known: Record<string, string> = { ...packageJson.devDependencies, ...packageJson.dependencies }
  return names.map((name) => `${name}@${known[name]}`)
}

function requireVersion(project: string, wanted: string, env: NodeJS.ProcessEnv): void {
  const version = execFileSync('node', ['--version'], { cwd: project, env, encoding: 'utf8' }).trim()
  if (version !== `v${wanted}`) throw new Error(`Node.js ${wanted} was to be tried, and ${version} runs`)
}

async function inRunningProject(project: string, env: NodeJS.ProcessEnv): Promise<void> {
  const port = await freePort()
  const program = join(project, 'node_modules/.bin/postrider')
  const server = spawn(program, [], {
    cwd: project,
    env: {
      ...env,
      POSTRIDER_PORT: String(port),
      POSTRIDER_ALLOW_HTTP: 'true',
      POSTRIDER_ALLOW_PRIVATE: '127.0.0.0/8',
      POSTRIDER_LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const ended = once(server, 'exit')
  const url = `http://127.0.0.1:${port}`
  try {
    await untilReady(url, () => server.exitCode === null)
    const run = (args: string[]): string =>
      execFileSync(program, args, { cwd: project, env, encoding: 'utf8' }).trim()
    await using walked = await walkReadme({
      directory: project,
      url,
      adminKey: readFileSync(join(project, '.postrider/admin-key'), 'utf8').trim(),
      databaseUrl: run(['psql', '--url']),
      env,
    })
    await walked.pay(7)
  } finally {
    server.kill('SIGTERM')
    await ended
  }
}

async function untilReady(url: string, isAlive: () => boolean): Promise<void> {
  const until = Date.now() + patienceMs
  for (;;) {
    const answer = await fetch(`${url}/readyz`).catch(() => undefined)
    if (answer?.ok) return
    if (!isAlive() || Date.now() > until) throw new Error('Postrider did not start from its package')
    await delay(100)
  }
}
