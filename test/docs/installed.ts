import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { root } from './blocks.ts'

/** A directory of somebody who has installed this package, and others. Of this one the sources stand in for what is built. */
export interface Installed extends Disposable {
  directory: string
  write(name: string, code: string): string
}

export function installed(...packages: string[]): Installed {
  const directory = mkdtempSync(join(tmpdir(), 'postrider-installed-'))
  const modules = join(directory, 'node_modules')
  for (const name of packages) {
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), join(modules, name))
  }
  mkdirSync(join(modules, 'postrider'), { recursive: true })
  symlinkSync(join(root, 'src'), join(modules, 'postrider/src'))
  const own = { name: 'postrider', type: 'module', exports: sourceExports() }
  writeFileSync(join(modules, 'postrider/package.json'), JSON.stringify(own))
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ type: 'module' }))
  return {
    directory,
    write(name, code) {
      const path = join(directory, name)
      writeFileSync(path, code)
      return path
    },
    [Symbol.dispose]: () => rmSync(directory, { recursive: true }),
  }
}

/** What package.json exports, each from its source: `./client` is `./src/client/client.ts`. */
export function sourceExports(): Record<string, string> {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    exports: Record<string, { default: string } | string>
  }
  return Object.fromEntries(
    Object.entries(exports).flatMap(([name, target]) =>
      typeof target === 'string'
        ? []
        : [[name, target.default.replace('./dist/', './src/').replace(/\.js$/, '.ts')]],
    ),
  )
}
