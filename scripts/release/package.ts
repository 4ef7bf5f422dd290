import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What `npm pack` made. */
export interface Packed {
  file: string
  paths: string[]
  bytes: number
  unpackedBytes: number
}

const mostBytes = 3 * 1_024 * 1_024
const mostUnpackedBytes = 8 * 1_024 * 1_024

/** Files that whoever installs it looks for first; what it exports and its migrations are looked for besides. */
const needed = [
  'package.json',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'dist/main.js',
  'dist/dashboard/index.html',
]

/** What it may have: all else was not meant to go out. */
const allowed = [
  /^(package\.json|README\.md|LICENSE|CHANGELOG\.md)$/,
  /^bin\/postrider\.js$/,
  /^vendor\/(README\.md|scalar-[\w.-]+\.js\.gz)$/,
  /^dist\/([\w-]+\/)*[\w-]+\.(js|d\.ts)$/,
  /^dist\/database\/migrations\/\d{4}_\w+\.(up|down)\.sql$/,
  /^dist\/react\/style\.css$/,
  /^dist\/dashboard\/(index\.html|favicon\.svg|stamp|assets\/[\w.-]+\.(js|css|woff2))$/,
]

/** Packs a checkout; what it is built from is what lies there, unless `isBuilt`. */
export function pack(directory: string, { isBuilt = false } = {}): Packed {
  const output = execFileSync('npm', ['pack', '--json', ...(isBuilt ? ['--ignore-scripts'] : [])], {
    cwd: directory,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 64 * 1_024 * 1_024,
  })
  const packed = packedIn(output)
  return {
    file: join(directory, packed.filename),
    paths: packed.files.map(({ path }) => path),
    bytes: packed.size,
    unpackedBytes: packed.unpackedSize,
  }
}

interface NpmPacked {
  filename: string
  size: number
  unpackedSize: number
  files: { path: string }[]
}

/** What scripts printed may stand before it. Newer ones of npm answer by the package's name. */
function packedIn(output: string): NpmPacked {
  const json = JSON.parse(output.slice(output.search(/^[[{]/m))) as NpmPacked[] | Record<string, NpmPacked>
  return Object.values(json)[0]!
}

/** What is wrong with a package that was made of this checkout, in words. */
export function problemsOf({ paths, bytes, unpackedBytes }: Packed, directory: string): string[] {
  const has = new Set(paths)
  const missing = [...needed, ...exportedFiles(directory), ...migrations(directory)].filter(
    (path) => !has.has(path),
  )
  const surplus = paths.filter((path) => !allowed.some((pattern) => pattern.test(path)))
  return [
    ...missing.map((path) => `${path} is missing`),
    ...surplus.map((path) => `${path} does not belong there`),
    ...(bytes > mostBytes ? [`it has ${bytes} bytes, and at most ${mostBytes} are allowed`] : []),
    ...(unpackedBytes > mostUnpackedBytes
      ? [`unpacked it has ${unpackedBytes} bytes, and at most ${mostUnpackedBytes} are allowed`]
      : []),
  ]
}

/** What package.json says others can import or run. */
function exportedFiles(directory: string): string[] {
  const { bin, exports } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as {
    bin: Record<string, string>
    exports: Record<string, string | Record<string, string>>
  }
  const targets = Object.values(exports).flatMap((target) =>
    typeof target === 'string' ? target : Object.values(target),
  )
  return [...Object.values(bin), ...targets].map((path) => path.replace(/^\.\//, ''))
}

function migrations(directory: string): string[] {
  return readdirSync(join(directory, 'src/database/migrations')).map(
    (name) => `dist/database/migrations/${name}`,
  )
}
