import { execFileSync, spawn } from 'node:child_process'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Of what a scenario leaves on the machine, nothing outlives this process, even when it is killed: a shell waits for
 * the end of its input, which comes then, kills what is still on its list, and deletes the directory.
 */
export interface Cleanup {
  /** For everything of the scenario; other users get to it too. */
  directory: string
  started(pid: number): void
  ended(pid: number): void
  /** A small disk of its own below the directory; undefined where this user may not mount one. */
  mountDisk(name: string, megabytes: number): string | undefined
  /** Deletes the directory. What was started must have ended. */
  close(): Promise<void>
}

const script = `
pids=' '
while read -r word value; do
  case $word in
    started) pids="$pids$value " ;;
    ended) pids="\${pids%% $value *} \${pids#* $value }" ;;
    mounted) mounts="$mounts $value" ;;
  esac
done
[ -d "$0" ] || exit 0
kill -KILL $pids 2>/dev/null
for mount in $mounts; do umount -l "$mount" 2>/dev/null; done
rm -rf "$0"`

export async function prepareCleanup(): Promise<Cleanup> {
  const directory = await mkdtemp(join(tmpdir(), 'postrider-chaos-'))
  await chmod(directory, 0o711)
  const shell = spawn('sh', ['-c', script, directory], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  shell.unref()
  shell.stdin.on('error', () => {})
  const tell = (line: string): void => {
    shell.stdin.write(`${line}\n`)
  }
  const mounts: string[] = []
  return {
    directory,
    started: (pid) => tell(`started ${pid}`),
    ended: (pid) => tell(`ended ${pid}`),
    mountDisk(name, megabytes) {
      const path = join(directory, name)
      try {
        execFileSync('mkdir', ['-p', path])
        execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0755`, 'tmpfs', path], {
          stdio: 'ignore',
        })
      } catch {
        return undefined
      }
      mounts.push(path)
      tell(`mounted ${path}`)
      return path
    },
    async close() {
      for (const mount of mounts) execFileSync('umount', ['-l', mount])
      await rm(directory, { recursive: true, force: true, maxRetries: 10 })
      shell.stdin.end()
    },
  }
}
