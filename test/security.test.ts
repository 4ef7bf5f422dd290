import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..')
const text = readFileSync(join(root, 'SECURITY.md'), 'utf8')

test('every promise of SECURITY.md names what holds it, and that exists', () => {
  const promised = text.slice(text.indexOf('## What is promised'), text.indexOf('## What is not promised'))
  const rows = promised.split('\n').filter((line) => /^\| (?!promise |---)/.test(line))
  const named = rows.map((row) => [...row.matchAll(/`((?:test|bench)\/[\w./-]*)`/g)].map(([, path]) => path!))
  expect(rows.length).toBeGreaterThan(20)
  expect(rows.filter((_, index) => named[index]!.length === 0)).toEqual([])
  expect(named.flat().filter((path) => !existsSync(join(root, path)))).toEqual([])
})
