import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import packageJson from '../package.json' with { type: 'json' }
import { buildDashboard } from '../scripts/dashboard.ts'
import { pack, type Packed, problemsOf } from '../scripts/release/package.ts'
import { refusals, type Standing, setVersion } from '../scripts/release/version.ts'
import { walkReadme } from './support/readme.ts'
import { adminKey, startPostrider } from './support/running.ts'

const root = join(import.meta.dirname, '..')
const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0

const ready: Standing = {
  wanted: '1.2.0',
  current: '1.1.9',
  tags: ['v1.1.9'],
  changelog: '# Changelog\n\n## Unreleased\n\n- Something.\n\n## 1.1.9\n\n- Before.\n',
  dirty: '',
}

test.each<[string, Partial<Standing>, RegExp | undefined]>([
  ['is made of what is committed', {}, undefined],
  ['may have a section with its own version', { changelog: '## 1.2.0\n\n- Something.\n' }, undefined],
  [
    'may be the version that package.json has',
    { wanted: '1.1.9', tags: [], changelog: '## 1.1.9\n\n- A.\n' },
    undefined,
  ],
  ['is not made of what is not committed', { dirty: ' M src/log.ts' }, /not:\n M src\/log\.ts/],
  ['has a version', { wanted: 'next' }, /"next" is no version/],
  ['is no older than the last one', { wanted: '1.1.10', current: '1.2.0' }, /older than 1\.2\.0/],
  ['is not made twice', { tags: ['v1.2.0'] }, /a tag v1\.2\.0/],
  ['is told of in the changelog', { changelog: '## 1.1.9\n\n- Before.\n' }, /must begin with a section/],
  ['is told of in words', { changelog: '## Unreleased\n\n## 1.1.9\n\n- Before.\n' }, /says nothing/],
])('a release %s', (_, given, reason) => {
  const reasons = refusals({ ...ready, ...given })
  expect(reasons).toEqual(reason ? [expect.stringMatching(reason)] : [])
})

test('a release sets the version wherever it stands', () => {
  const directory = temporaryDirectory()
  const files = [
    'README.md',
    'CHANGELOG.md',
    'deploy/kubernetes/postrider.yaml',
    'examples/express-drizzle/package.json',
  ]
  for (const file of files) cpSync(join(root, file), join(directory, file))
  writeFileSync(join(directory, 'CHANGELOG.md'), ready.changelog)
  setVersion(directory, { from: packageJson.version, to: '9.8.7' })
  const texts = files.map((file) => readFileSync(join(directory, file), 'utf8'))
  expect(texts.filter((text) => !text.includes('9.8.7'))).toEqual([])
  expect(texts.filter((text) => text.includes(`postrider-${packageJson.version}`))).toEqual([])
})

/** Built as it is published, but for the dashboard, which the other tests serve, too. `npm run release` builds all anew. */
describe('the packed Postrider', () => {
  const directory = mkdtempSync(join(tmpdir(), 'postrider-packed-'))
  const project = join(directory, 'project')
  let packed: Packed
  beforeAll(async () => {
    chmodSync(directory, 0o711)
    const checkout = join(directory, 'checkout')
    for (const path of [
      ...packageJson.files,
      'package.json',
      'README.md',
      'LICENSE',
      'src/database/migrations',
    ])
      if (path !== 'dist') cpSync(join(root, path), join(checkout, path), { recursive: true })
    const dist = join(checkout, 'dist')
    execFileSync(process.execPath, [tsc(), '-p', join(root, 'tsconfig.build.json'), '--outDir', dist])
    await buildDashboard()
    cpSync(join(root, 'dist/dashboard'), join(dist, 'dashboard'), { recursive: true })
    cpSync(join(root, 'src/database/migrations'), join(dist, 'database/migrations'), { recursive: true })
    cpSync(join(root, 'src/react/style.css'), join(dist, 'react/style.css'))
    packed = pack(checkout, { isBuilt: true })
    install(packed.file, project)
  }, 120_000)
  afterAll(() => rmSync(directory, { recursive: true }))

  test('has what it exports, its migrations and its dashboard, and nothing that was not meant to go out', () => {
    expect(problemsOf(packed, root)).toEqual([])
  })

  test('is missed where something is left out or comes in', () => {
    const paths = [...packed.paths.filter((path) => path !== 'dist/index.js'), 'src/index.ts', 'dist/.env']
    expect(problemsOf({ ...packed, paths, bytes: 1e9 }, root)).toEqual([
      'dist/index.js is missing',
      'src/index.ts does not belong there',
      'dist/.env does not belong there',
      expect.stringMatching(/^it has 1000000000 bytes/),
    ])
  })

  test('loads with the packages that it depends on', () => {
    const names = Object.keys(packageJson.exports)
      .filter((name) => !/\.(css|json)$/.test(name) && name !== './react')
      .map((name) => name.replace(/^\./, 'postrider'))
    const code = `for (const name of ${JSON.stringify(names)}) await import(name); console.log('all')`
    writeFileSync(join(project, 'all.js'), code)
    expect(execFileSync(process.execPath, [join(project, 'all.js')], { encoding: 'utf8' })).toBe('all\n')
    const bin = join(project, 'node_modules/postrider/bin/postrider.js')
    const version = execFileSync(process.execPath, [bin, '--version'], { encoding: 'utf8' })
    expect(version).toBe(`${packageJson.version}\n`)
  })

  test.skipIf(!has('curl') || !has('jq'))(
    'does what the README says (with curl and jq)',
    async () => {
      await using running = await startPostrider()
      await using walked = await walkReadme({
        directory: project,
        url: running.url,
        adminKey,
        databaseUrl: running.connectionString,
        env: { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH']}` },
      })
      await walked.pay(7)
      expect(walked.receiverOutput()).toContain('order 7 is paid')
    },
    60_000,
  )
})

/** Into an empty project, with the packages that it names, and those of the README. */
function install(tarball: string, target: string): void {
  const modules = join(target, 'node_modules')
  mkdirSync(join(modules, 'postrider'), { recursive: true })
  execFileSync('tar', ['-xzf', tarball, '-C', join(modules, 'postrider'), '--strip-components=1'])
  writeFileSync(join(target, 'package.json'), JSON.stringify({ type: 'module' }))
  const { dependencies, optionalDependencies } = packageJson
  for (const name of [
    ...Object.keys({ ...dependencies, ...optionalDependencies }),
    'express',
    'drizzle-orm',
  ]) {
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), join(modules, name))
  }
}

/** TypeScript 7 is a program of each platform behind this script. */
function tsc(): string {
  return join(root, 'node_modules/typescript', 'bin/tsc')
}

function temporaryDirectory(): string {
  const made = mkdtempSync(join(tmpdir(), 'postrider-release-'))
  onTestFinished(() => rmSync(made, { recursive: true }))
  return made
}
