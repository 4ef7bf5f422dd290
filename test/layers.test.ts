import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative, sep } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '../src')

/** From the ground up: a file may import what stands on its own line or above it, but see `apart`. */
const layers = [
  [
    'address.ts',
    'clock.ts',
    'config.ts',
    'ids.ts',
    'lifecycle.ts',
    'log.ts',
    'options.ts',
    'ports.ts',
    'proxy.ts',
    'setting-values.ts',
    'traceparent.ts',
    'tracing.ts',
    'version.ts',
  ],
  ['contract'],
  ['shape', 'event-types'],
  ['database'],
  ['adapters'],
  ['registry'],
  ['publish', 'deliver', 'retain', 'statistics', 'operational'],
  ['gauges.ts', 'metrics.ts', 'operations.ts', 'postrider.ts', 'publisher.ts', 'index.ts'],
  ['api'],
  ['testing'],
  ['cli'],
  ['main.ts'],
]

/** These meet in tables and never import each other. */
const apart = ['publish', 'deliver', 'retain', 'statistics', 'operational']

/** These run elsewhere and import nothing of the server. */
const alone = ['client', 'dashboard', 'react', 'verify']
/** Those of them that know the contract by its types. */
const ofTypes = ['client', 'dashboard', 'react']

const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.tsx?$/.test(file))
  .map((file) => file.split(sep).join('/'))

const imports = new Map(files.map((file) => [file, importsOf(file)]))

function importsOf(file: string): string[] {
  const source = readFileSync(join(root, file), 'utf8')
  return [...source.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map(([, path]) =>
    relative(root, normalize(join(root, dirname(file), path!)))
      .split(sep)
      .join('/'),
  )
}

function part(file: string): string {
  return file.split('/')[0]!
}

function layerOf(file: string): number {
  return layers.findIndex((layer) => layer.includes(part(file)))
}

describe('the source', () => {
  it('is all in a known layer', () => {
    expect(files.filter((file) => layerOf(file) === -1 && !alone.includes(part(file)))).toEqual([])
  })

  it('imports only downwards', () => {
    const upwards = files.flatMap((file) =>
      alone.includes(part(file))
        ? []
        : imports
            .get(file)!
            .filter((imported) => files.includes(imported) && !alone.includes(part(imported)))
            .filter((imported) => layerOf(imported) > layerOf(file))
            .map((imported) => `${file} imports ${imported}`),
    )
    expect(upwards).toEqual([])
  })

  it('keeps the stages of the journey apart', () => {
    const crossings = files
      .filter((file) => apart.includes(part(file)))
      .flatMap((file) =>
        imports
          .get(file)!
          .filter((imported) => apart.includes(part(imported)) && part(imported) !== part(file))
          .map((imported) => `${file} imports ${imported}`),
      )
    expect(crossings).toEqual([])
  })

  it('has a verifier that needs nothing of the server', () => {
    const strangers = files
      .filter((file) => alone.includes(part(file)) && !ofTypes.includes(part(file)))
      .flatMap((file) =>
        imports
          .get(file)!
          .filter((imported) => part(imported) !== part(file))
          .map((imported) => `${file} imports ${imported}`),
      )
    expect(strangers).toEqual([])
  })

  it('has a dashboard, a client and components that take nothing of the server but types of the contract', () => {
    const strangers = files
      .filter((file) => ofTypes.includes(part(file)))
      .flatMap((file) => {
        const source = readFileSync(join(root, file), 'utf8').replaceAll(
          /import type \{[^}]*\} from '(\.\.\/)+contract\/[^']+'/g,
          '',
        )
        return (
          [...source.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)]
            .map(([, path]) => normalize(join(dirname(file), path!)))
            .filter((path) => part(path) !== part(file))
            // What is shown comes by the client.
            .filter((path) => !(part(file) === 'react' && part(path) === 'client'))
            .map((path) => `${file} imports ${path}`)
        )
      })
    expect(strangers).toEqual([])
  })

  it('has no import cycle', () => {
    const done = new Set<string>()
    const cycles: string[] = []
    const visit = (file: string, path: string[]): void => {
      if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(' → '))
      if (done.has(file) || path.includes(file)) return
      for (const imported of imports.get(file) ?? []) visit(imported, [...path, file])
      done.add(file)
    }
    for (const file of files) visit(file, [])
    expect(cycles).toEqual([])
  })

  it('reads the environment and ends the process in the command line only', () => {
    const offenders = files
      .filter((file) => !['cli', 'dashboard', 'main.ts'].includes(part(file)))
      // But for PATH, which the programs that the embedded server starts need.
      .filter((file) =>
        /^(?! *\*).*process\.(env(?!\['PATH'\])|exit)\b/m.test(readFileSync(join(root, file), 'utf8')),
      )
    expect(offenders).toEqual([])
  })
})
