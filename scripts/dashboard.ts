/**
 * Builds the dashboard into dist/dashboard if its sources are others than those it was built from. What it was built
 * from is told by a hash over the sources and the versions of all packages, so that neither times nor git matter.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const source = join(root, 'src/dashboard')
const target = join(root, 'dist/dashboard')

export async function buildDashboard({ always = false } = {}): Promise<void> {
  const stamp = stampOf()
  if (!always && stamp === builtFrom()) return
  if (!existsSync(join(root, 'node_modules/vite'))) {
    process.stderr.write('The dashboard is not built: that needs the development dependencies.\n')
    return
  }
  // Whatever it is for who calls: what is built is for use.
  process.env['NODE_ENV'] = 'production'
  const { build } = await import('vite')
  await mkdir(join(root, 'dist'), { recursive: true })
  // Built aside and moved into place: whoever serves or builds it at the same time sees the whole of one or the other.
  const aside = await mkdtemp(join(root, 'dist/.dashboard-'))
  try {
    await build({
      configFile: join(source, 'vite.config.ts'),
      logLevel: 'warn',
      build: { outDir: aside, emptyOutDir: true },
    })
    await writeFile(join(aside, 'stamp'), stamp)
    // A directory made aside is its maker's alone.
    await chmod(aside, 0o755)
    await replace(aside)
  } finally {
    rmSync(aside, { recursive: true, force: true })
  }
}

async function replace(aside: string): Promise<void> {
  for (let left = 3; ; left -= 1) {
    await rm(target, { recursive: true, force: true })
    try {
      return await rename(aside, target)
    } catch (error) {
      // Somebody who built at the same time was faster.
      if (left === 0) throw error
    }
  }
}

function builtFrom(): string | undefined {
  const path = join(target, 'stamp')
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

function stampOf(): string {
  const hash = createHash('sha256')
  const files = readdirSync(source, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
  for (const path of [...files.toSorted(), join(root, 'package-lock.json'), import.meta.filename]) {
    const content = readFileSync(path)
    hash.update(`${path.slice(root.length)} ${content.length}\n`).update(content)
  }
  return hash.digest('hex')
}

if (import.meta.main) await buildDashboard({ always: process.argv.includes('--always') })
