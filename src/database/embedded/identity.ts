import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { chown, lstat, readdir } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'

/** As whom the server's programs run. PostgreSQL refuses to run as root, and as a user id without a name. */
export interface Identity {
  /** For the log: who it is. */
  name: string
  /** Who owns the cluster's files, seen from outside. Absent: us. */
  user?: { uid: number; gid: number }
  /** Command that comes before the program. */
  prefix: string[]
}

/**
 * Who may run the server, best first. As root an unprivileged user comes before a user namespace: inside one the
 * server is still the owner of all that root owns, so whoever has its password could write to root's files.
 */
export function identities(clusterOwner?: { uid: number; gid: number }): Identity[] {
  const self: Identity = { name: 'this user', prefix: [] }
  const uid = process.getuid?.()
  if (uid === undefined) return [self]
  const nobody = unprivilegedUser()
  const namespace: Identity = {
    name: 'a user namespace',
    prefix: ['unshare', '--user', `--map-user=${nobody.uid}`, `--map-group=${nobody.gid}`, '--'],
  }
  if (uid !== 0) return hasName() ? [self] : [namespace, self]
  const user: Identity = { name: nobody.name, user: nobody, prefix: [] }
  if (!clusterOwner || [0, nobody.uid].includes(clusterOwner.uid)) return [user, namespace]
  return [{ name: `user ${clusterOwner.uid}`, user: clusterOwner, prefix: [] }, user, namespace]
}

/** Starts a program as this identity, with an environment of its own: nothing of ours steers the server. */
export function spawnAs(
  identity: Identity,
  [program, ...args]: [string, ...string[]],
  options: Pick<SpawnOptions, 'stdio' | 'detached'>,
): ChildProcess {
  const [command, ...rest] = [...identity.prefix, program, ...args] as [string, ...string[]]
  const env = { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' }
  return spawn(command, rest, { ...options, ...identity.user, env, cwd: '/' })
}

/** Runs a program to its end; its whole output is for the error message. */
export function runAs(
  identity: Identity,
  command: [string, ...string[]],
): Promise<{ ok: boolean; output: string }> {
  return new Promise((resolve) => {
    const child = spawnAs(identity, command, { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.on('error', (error) => resolve({ ok: false, output: error.message }))
    child.on('close', (code) => resolve({ ok: code === 0, output }))
  })
}

/** Gives a file tree to the identity, where it is not its own already. Only root ever has to. */
export async function giveTo(identity: Identity, path: string): Promise<void> {
  if (process.getuid?.() !== 0) return
  const { uid, gid } = identity.user ?? { uid: 0, gid: 0 }
  try {
    const stat = await lstat(path)
    if (stat.isSymbolicLink()) return
    if (stat.uid !== uid) await chown(path, uid, gid)
    if (!stat.isDirectory()) return
    for (const name of await readdir(path)) await giveTo(identity, join(path, name))
  } catch (error) {
    // A server that another process has started meanwhile deletes files of its own.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

/** `nobody` where there is one, as nearly everywhere; else any user but root. */
function unprivilegedUser(): { name: string; uid: number; gid: number } {
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .map(([name = '', , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }))
    .filter(({ uid }) => uid > 0)
  return users.find(({ name }) => name === 'nobody') ?? users[0] ?? { name: 'nobody', uid: 65534, gid: 65534 }
}

function hasName(): boolean {
  try {
    return userInfo().username !== ''
  } catch {
    return false
  }
}
