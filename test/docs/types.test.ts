import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { allBlocks, type Block, placeOf, root } from './blocks.ts'
import { given } from './given.ts'
import { sourceExports } from './installed.ts'

/**
 * All TypeScript of the documents is checked by one run of the compiler, against the sources. Each block is a module of its
 * own, or a part of the one before it; those of a page lie in one directory, so that they can import each other.
 */

const directory = mkdtempSync(join(tmpdir(), 'postrider-docs-types-'))
afterAll(() => rmSync(directory, { recursive: true }))

const blocks = allBlocks.filter(({ language, untested }) => /^tsx?$/.test(language) && untested === undefined)

it('every block of TypeScript in the documents has the right types', () => {
  expect(blocks.length).toBeGreaterThan(10)
  for (const [path, code] of modules(blocks)) {
    mkdirSync(join(directory, dirname(path)), { recursive: true })
    writeFileSync(join(directory, path), code)
  }
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
  writeFileSync(join(directory, 'files.d.ts'), `declare module '*.css'\n`)
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ type: 'module' }))
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(config()))
  const { stdout, status } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', directory], {
    encoding: 'utf8',
  })
  expect(stdout).toBe('')
  expect(status).toBe(0)
}, 180_000)

/** The text of each module by its path, such as `docs/publish/42.ts`. */
function modules(blocks: readonly Block[]): Map<string, string> {
  const texts = new Map<string, string>()
  let last = ''
  for (const block of blocks) {
    const folder = block.page.replace(/\.md$/, '')
    const path = join(folder, block.file ?? `${block.line}.${block.language}`)
    const head = block.given.map((name) => {
      if (!(name in given)) throw new Error(`${placeOf(block)}: nothing is given as ${name}`)
      return given[name]!
    })
    if (block.continues) {
      if (!last.startsWith(`${folder}/`)) throw new Error(`${placeOf(block)} continues nothing`)
      texts.set(last, [...head, texts.get(last)!, block.code].join('\n'))
    } else {
      if (texts.has(path)) throw new Error(`${placeOf(block)}: there is a ${path} already`)
      texts.set(path, [...head, block.code, 'export {}\n'].join('\n'))
      last = path
    }
  }
  return texts
}

/** The package's own names lead to its sources, whose types are what `dist` will have. */
function config(): object {
  const paths = Object.entries(sourceExports()).map(([name, source]) => [
    name.replace('.', 'postrider'),
    [join(root, source), join(root, `${source}x`)],
  ])
  return {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: {
      paths: Object.fromEntries(paths) as Record<string, string[]>,
      jsx: 'react-jsx',
      typeRoots: [join(root, 'node_modules/@types')],
      noUnusedLocals: false,
      noUnusedParameters: false,
    },
    include: ['**/*.ts', '**/*.tsx'],
    exclude: ['node_modules'],
  }
}
