import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { startApi } from '../support/api.ts'

const api = await startApi()

test('the pages load nothing but what this server has', async () => {
  const page = await api.call('GET', '/docs', { key: null })
  expect(page.status).toBe(200)
  expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
  expect(page.text).not.toMatch(/https?:|\/\/[a-z]/)
  const policy = page.headers.get('content-security-policy')!
  expect(policy).toContain("default-src 'none'")
  expect(policy).not.toMatch(/https?:|\*|unsafe-eval/)
  expect(policy).toContain("script-src 'self';")
  const scripts = Array.from(page.text.matchAll(/<script src="\.(\/[^"]+)"/g), ([, path]) => path!)
  expect(scripts).toHaveLength(2)
  for (const path of scripts) {
    const script = await api.call('GET', path, { key: null })
    expect(script.headers.get('content-type')).toBe('text/javascript; charset=utf-8')
    expect(script.text.length).toBeGreaterThan(100)
  }
})

test('the bundle is sent compressed, and unpacked to who cannot unpack it', async () => {
  const path = `${api.url}/docs/scalar-1.72.1.js`
  const readme = await readFile(new URL('../../vendor/README.md', import.meta.url), 'utf8')
  const [, digest] = /`([0-9a-f]{64})`/.exec(readme)!
  for (const [accepted, encoding] of [
    ['gzip, br', 'gzip'],
    ['br;q=1.0, *;q=0.5', 'gzip'],
    ['identity', null],
    ['gzip;q=0', null],
  ] as const) {
    const answer = await fetch(path, { headers: { 'accept-encoding': accepted } })
    expect(answer.headers.get('content-encoding')).toBe(encoding)
    expect(answer.headers.get('cache-control')).toContain('immutable')
    expect(answer.headers.get('vary')).toBe('accept-encoding')
    const bytes = Buffer.from(await answer.arrayBuffer())
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(digest)
  }
  const file = await readFile(new URL('../../vendor/scalar-api-reference-1.72.1.js.gz', import.meta.url))
  expect(createHash('sha256').update(gunzipSync(file)).digest('hex')).toBe(digest)
})
