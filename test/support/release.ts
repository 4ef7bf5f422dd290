import { spawnSync } from 'node:child_process'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryDirectory } from '../cli/command.ts'
import releases from '../releases.json' with { type: 'json' }

const root = join(import.meta.dirname, '../..')

/** The last one before this code, oldest first in `releases.json`. */
export const lastRelease = releases.at(-1)!

/** Its source is taken out of the history of this checkout, which a shallow clone does not have. */
export const hasLastRelease =
  spawnSync('git', ['cat-file', '-e', `${lastRelease.commit}^{commit}`], { cwd: root }).status === 0

/** Runs the last release from its source, with the packages that are installed here: answers the path of its `main.ts`. */
export function unpackLastRelease(): string {
  const directory = temporaryDirectory()
  const archive = spawnSync('git', ['archive', lastRelease.commit, 'src', 'package.json'], {
    cwd: root,
    maxBuffer: 64 * 1_024 * 1_024,
  })
  if (archive.status !== 0) throw new Error(archive.stderr.toString())
  const unpacked = spawnSync('tar', ['-x', '-C', directory], { input: archive.stdout })
  if (unpacked.status !== 0) throw new Error(unpacked.stderr.toString())
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
  return join(directory, 'src', 'main.ts')
}
