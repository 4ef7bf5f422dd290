import { beforeAll, expect, test } from 'vitest'
import { createApi } from '../../src/api/api.ts'
import { buildDashboard } from '../dashboard/stage.ts'
import { startApi } from '../support/api.ts'

const api = await startApi()

beforeAll(buildDashboard, 120_000)

const page = async (path: string) => {
  const response = await fetch(api.url + path, { redirect: 'manual' })
  return { status: response.status, headers: response.headers, text: await response.text() }
}

test('the dashboard is one page for all of its paths, under a policy that allows nothing inline', async () => {
  for (const [path, base] of [
    ['/', './'],
    ['/login', './'],
    ['/setup', './'],
    ['/projects/019a8c2e-0a3b-7d5c-9e1f-4b7a8c2d6e90', '../'],
    ['/projects/019a8c2e-0a3b-7d5c-9e1f-4b7a8c2d6e90/deliveries/', '../../../'],
    ['/projects/019a8c2e-0a3b-7d5c-9e1f-4b7a8c2d6e90/webhooks/x/settings', '../../../../'],
  ] as const) {
    const { status, headers, text } = await page(path)
    expect(status, `of ${path}`).toBe(200)
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(headers.get('content-security-policy')).toBe(
      "default-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
    )
    expect(headers.get('cache-control')).toBe('no-cache')
    expect(text).toContain(`<base href="${base}" />`)
    expect(text).not.toMatch(/<style|style=|<script(?![^>]* src="\.\/assets\/)|https?:|\son\w+=/)
  }
})

test('what the page loads is there, compressed, and kept for ever', async () => {
  const { text } = await page('/')
  const files = Array.from(text.matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g), ([, file]) => file!)
  expect(files.map((file) => file.replace(/^.*\./, '')).toSorted()).toContain('css')
  expect(files.map((file) => file.replace(/^.*\./, '')).toSorted()).toContain('js')
  for (const file of files) {
    const answer = await fetch(`${api.url}/${file}`)
    expect(answer.status, `of ${file}`).toBe(200)
    expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    expect(answer.headers.get('content-encoding')).toBe('gzip')
    expect(answer.headers.get('content-type')).toMatch(/^text\/(javascript|css)/)
    expect((await answer.text()).length).toBeGreaterThan(50)
    const plain = await fetch(`${api.url}/${file}`, { headers: { 'accept-encoding': 'identity' } })
    expect(plain.headers.get('content-encoding')).toBeNull()
  }
  expect((await page('/favicon.svg')).headers.get('content-type')).toBe('image/svg+xml')
})

test('nothing else is served, and no file from elsewhere', async () => {
  for (const path of [
    '/assets/nothing.js',
    '/assets/..%2fstamp',
    '/assets/..%2f..%2f..%2fpackage.json',
    '/assets/%2e%2e%2findex.html',
    '/assets/.js',
    '/assets/',
    '/stamp',
    '/index.html',
    '/nothing',
  ]) {
    const { status, headers } = await page(path)
    expect(status, `of ${path}`).toBe(404)
    expect(headers.get('content-type'), `of ${path}`).toBe('application/problem+json')
  }
})

test('it knows where it is mounted, also without a slash at the end', async () => {
  const mounted = createApi({ engine: api.postrider, basePath: '/tools/hooks' })
  const of = async (path: string) => (await mounted.fetch(new Request(`http://localhost${path}`))).text()
  expect(await of('/tools/hooks')).toContain('<base href="./hooks/" />')
  expect(await of('/tools/hooks/')).toContain('<base href="./" />')
  expect(await of('/tools/hooks/projects/x')).toContain('<base href="../" />')
})
