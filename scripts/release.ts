/**
 * Makes a release of what is committed: `npm run release -- X.Y.Z [--dry-run]`. All is done in a clean checkout aside; what
 * was tried there is what is tagged, last. Nothing is published: the command for that is printed.
 */
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import packageJson from '../package.json' with { type: 'json' }
import { pack, type Packed, problemsOf } from './release/package.ts'
import { nodeVersions, tryPackage } from './release/trial.ts'
import { refusals, sectionsOf, setVersion } from './release/version.ts'

const help = `npm run release -- X.Y.Z [--dry-run]

  --dry-run   tries it all and changes nothing here
`

const root = join(import.meta.dirname, '..')
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { 'dry-run': { type: 'boolean', default: false } },
})
const [version] = positionals

if (version === undefined) say(help)
else await release(version)

async function release(wanted: string): Promise<void> {
  const reasons = refusals({
    wanted,
    current: packageJson.version,
    tags: git(root, 'tag').split('\n'),
    changelog: readFileSync(join(root, 'CHANGELOG.md'), 'utf8'),
    dirty: git(root, 'status', '--porcelain'),
  })
  if (reasons.length > 0) {
    for (const reason of reasons) process.stderr.write(`${reason}\n`)
    process.exitCode = 1
    return
  }
  const checkout = cleanCheckout()
  try {
    commitVersion(checkout, wanted)
    const packed = buildPackage(checkout)
    for (const node of nodeVersions) {
      say(`Installing it into an empty project on Node.js ${node}, and walking through the README there`)
      await tryPackage(packed.file, node)
    }
    if (values['dry-run']) say(`${wanted} can be released; nothing was changed`)
    else takeOver(checkout, packed, wanted)
  } finally {
    rmSync(checkout, { recursive: true, force: true })
  }
}

/** What is committed and nothing else, with the packages that the lock file names. */
function cleanCheckout(): string {
  const directory = mkdtempSync(join(tmpdir(), 'postrider-checkout-'))
  say('Checking out what is committed')
  git(root, 'clone', '--quiet', '--no-tags', root, directory)
  for (const name of ['user.name', 'user.email']) git(directory, 'config', name, git(root, 'config', name))
  npm(directory, 'ci', '--no-audit', '--no-fund')
  return directory
}

function commitVersion(checkout: string, wanted: string): void {
  setVersion(checkout, { from: packageJson.version, to: wanted })
  noteRelease(checkout, wanted)
  npm(checkout, 'version', wanted, '--no-git-tag-version', '--allow-same-version')
  if (git(checkout, 'status', '--porcelain') !== '') {
    git(checkout, 'commit', '--quiet', '--all', '--message', `Release ${wanted}`)
  }
}

/** For the tests that run the last release beside the code: by the commit whose code it has, as its own is not known yet. */
function noteRelease(checkout: string, wanted: string): void {
  const file = join(checkout, 'test/releases.json')
  const releases = (JSON.parse(readFileSync(file, 'utf8')) as { version: string }[]).filter(
    ({ version }) => version !== wanted,
  )
  const names = readdirSync(join(checkout, 'src/database/migrations')).map((name) => name.split('.')[0]!)
  const lastMigration = names.toSorted().at(-1)
  const release = { version: wanted, commit: git(checkout, 'rev-parse', 'HEAD'), lastMigration }
  writeFileSync(file, `${JSON.stringify([...releases, release], null, 2)}\n`)
}

function buildPackage(checkout: string): Packed {
  say('Building and packing it')
  const packed = pack(checkout)
  const problems = problemsOf(packed, checkout)
  if (problems.length > 0) throw new Error(`the package is not as it should be:\n${problems.join('\n')}`)
  say(
    `${basename(packed.file)}: ${packed.paths.length} files, ${packed.bytes} bytes, unpacked ${packed.unpackedBytes}`,
  )
  return packed
}

/** Brings the commit that was tried here, and tags it. */
function takeOver(checkout: string, packed: Packed, wanted: string): void {
  copyFileSync(packed.file, join(root, basename(packed.file)))
  git(root, 'fetch', '--quiet', checkout, 'HEAD')
  git(root, 'merge', '--quiet', '--ff-only', 'FETCH_HEAD')
  const { text } = sectionsOf(readFileSync(join(root, 'CHANGELOG.md'), 'utf8'))[0]!
  git(root, 'tag', '--annotate', `v${wanted}`, '--message', `Postrider ${wanted}\n\n${text}`)
  say(
    `Tagged v${wanted}. To publish it:\n\n  git push --follow-tags\n  npm publish ${basename(packed.file)}\n`,
  )
}

function git(directory: string, ...args: string[]): string {
  return execFileSync('git', args, { cwd: directory, encoding: 'utf8' }).trim()
}

function npm(directory: string, ...args: string[]): void {
  execFileSync('npm', args, { cwd: directory, stdio: ['ignore', 'ignore', 'inherit'] })
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
