import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import type { TSchema } from 'typebox'
import { describe, expect, it } from 'vitest'
import { linksIn } from '../../scripts/docs/sources.ts'
import { uniqueSlug } from '../../scripts/docs/markdown.ts'
import { openapi } from '../../src/contract/openapi.ts'
import { type Route, routes } from '../../src/contract/routes.ts'
import { validate } from '../../src/contract/validate.ts'
import { allBlocks, type Block, pages, placeOf, root } from './blocks.ts'

/** What is tried elsewhere: `ts` in types.test.ts, `sh` in shell.test.ts, `sql` in sql.test.ts. */
const elsewhere = new Set(['ts', 'tsx', 'sh', 'sql'])
const here = new Set(['json', 'python', 'go'])
const has = (program: string, ...args: string[]): boolean => spawnSync(program, args).status === 0

describe('the code in the documents', () => {
  it('is in a language that is tested, or says why it is not', () => {
    const strangers = allBlocks.filter(
      ({ language, untested }) =>
        !elsewhere.has(language) && !here.has(language) && language !== 'text' && untested === undefined,
    )
    expect(strangers.map((block) => `${placeOf(block)} ${block.language}`)).toEqual([])
    expect(allBlocks.length).toBeGreaterThan(50)
  })

  it('that is tried elsewhere names tests that there are', () => {
    const named = allBlocks.flatMap(({ untested = '' }) => untested.match(/test\/[\w/.-]+\.test\.ts/g) ?? [])
    expect(named.length).toBeGreaterThan(0)
    expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([])
  })

  it('that is a piece of a tested file is in it, line by line', () => {
    const pieces = allBlocks.filter(({ partOf }) => partOf !== undefined)
    const wrong = pieces.filter(
      ({ partOf, code }) => !unindented(fileAt(partOf!)).includes(unindented(code).trim()),
    )
    expect(wrong.map(placeOf)).toEqual([])
  })

  it('that is JSON can be parsed, and fits the contract where it says what it is', () => {
    expect(tested('json').some(({ shape }) => shape !== undefined)).toBe(true)
    expect(
      complaints('json', ({ code, shape }) => {
        const value = JSON.parse(code) as unknown
        if (shape !== undefined) validate(shapeOf(shape), value)
      }),
    ).toEqual([])
  })

  it.skipIf(!has('python3', '--version'))('that is Python compiles (where there is a python3)', () => {
    expect(tested('python').length).toBeGreaterThan(0)
    const parse = ['-c', 'import ast, sys; ast.parse(sys.stdin.read())']
    expect(complaints('python', ({ code }) => run('python3', parse, code))).toEqual([])
  })

  it.skipIf(!has('go', 'version'))('that is Go is as gofmt writes it (where there is a Go)', () => {
    expect(tested('go').length).toBeGreaterThan(0)
    expect(
      complaints('go', ({ code }) => {
        // It takes pieces of a file as they are.
        const changes = run('gofmt', ['-d'], `${code}\n`)
        if (changes !== '') throw new Error(changes)
      }),
    ).toEqual([])
  })
})

/** What is wrong with blocks of a language, each with its place. */
function complaints(language: string, check: (block: Block) => void): string[] {
  return tested(language).flatMap((block) => {
    try {
      check(block)
      return []
    } catch (error) {
      return [`${placeOf(block)}: ${String(error)}`]
    }
  })
}

function run(program: string, args: string[], input: string): string {
  const { stdout, stderr, status } = spawnSync(program, args, { input, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return stdout
}

describe('the links in the documents', () => {
  const anchors = new Map(pages.map((page) => [page, anchorsOf(page)]))

  it.each(pages)('of %s lead somewhere', (page) => {
    const wrong = linksIn(fileAt(page)).filter((link) => {
      if (link.startsWith('https://')) return false
      const [path = '', fragment] = link.split('#')
      const target = path === '' ? page : normalize(join(dirname(page), path))
      if (!existsSync(join(root, target))) return true
      return fragment !== undefined && anchors.get(target)?.has(fragment) !== true
    })
    expect(wrong).toEqual([])
  })

  it('leave no page out of the contents', () => {
    const listed = new Set(linksIn(fileAt('docs/README.md')).map((link) => normalize(join('docs', link))))
    const left = pages.filter(
      (page) => page.startsWith('docs/') && page !== 'docs/README.md' && !listed.has(page),
    )
    expect(left).toEqual([])
  })
})

function tested(language: string): Block[] {
  return allBlocks.filter((block) => block.language === language && block.untested === undefined)
}

function fileAt(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** A piece may stand further left than in its file. */
function unindented(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trim())
    .join('\n')
}

function shapeOf(note: string): TSchema {
  const name = note.split(' ').at(-1)!
  if (note.startsWith('shape ')) {
    const { schemas } = openapi({ serverUrl: '/' }).components as { schemas: Record<string, TSchema> }
    return known(schemas[name], note)
  }
  const route = known((routes as Record<string, Route>)[name], note)
  if (note.startsWith('body of ')) return known(route.body?.shape, note)
  const answers: (TSchema | string | null)[] = Object.values(route.answers)
  return known(
    answers.find((answer) => typeof answer === 'object' && answer !== null),
    note,
  )
}

function known<Value>(value: Value | undefined, note: string): Value {
  if (value === undefined) throw new Error(`there is no ${note}`)
  return value
}

function anchorsOf(page: string): Set<string> {
  const prose = fileAt(page).replaceAll(/^(`{3,})[\s\S]*?^\1/gm, '')
  const taken = new Map<string, number>()
  const titles = Array.from(prose.matchAll(/^#{1,6} (.*)$/gm), ([, title]) => title!.replaceAll(/[`*]/g, ''))
  return new Set(titles.map((title) => uniqueSlug(title, taken)))
}
