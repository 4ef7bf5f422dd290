import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { buildDocs } from '../../scripts/docs.ts'

/** The site of the documents: whole, and in need of nothing from elsewhere. */

const directory = mkdtempSync(join(tmpdir(), 'postrider-docs-site-'))
afterAll(() => rmSync(directory, { recursive: true }))
const paths = await buildDocs(join(directory, 'site'))
const html = paths.filter((path) => path.endsWith('.html'))
const read = (path: string): string => readFileSync(join(directory, 'site', path), 'utf8')

describe('the site of the documents', () => {
  it('has a page for each document', () => {
    expect(html).toEqual(
      expect.arrayContaining(['index.html', 'first-webhook.html', 'reference/http-api.html']),
    )
    expect(paths.filter((path) => !existsSync(join(directory, 'site', path)))).toEqual([])
  })

  it('loads nothing from elsewhere, and links to nothing that is not there', () => {
    const wrong = html.flatMap((path) => {
      const loads = Array.from(
        read(path).matchAll(/<(?:img|script|link)[^>]* (?:src|href)="([^"]*)"/g),
        ([, url]) => url!,
      )
      const links = Array.from(read(path).matchAll(/<a [^>]*href="([^"]*)"/g), ([, url]) => url!)
      return [
        ...loads.filter((url) => !isThere(path, url)),
        ...links.filter((url) => !url.startsWith('https://') && !isThere(path, url)),
      ].map((url) => `${path}: ${url}`)
    })
    expect(wrong).toEqual([])
    expect(read('style.css')).not.toMatch(/url\(|@import/)
  })

  it('shows where one is among all pages', () => {
    const page = read('publish.html')
    expect(page).toContain('<a href="publish.html" aria-current="page">')
    expect(page).toMatch(/<a rel="next" href="[\w/-]+\.html">/)
    expect(page).not.toContain('<!-- block:')
  })

  it('has code in colours of the light and the dark', () => {
    expect(read('publish.html')).toMatch(/<pre class="shiki[^>]*light-dark\(/)
  })
})

function isThere(page: string, url: string): boolean {
  const [path = '', fragment] = url.split('#')
  const target = path === '' ? page : join(dirname(page), path)
  if (!existsSync(join(directory, 'site', target))) return false
  return fragment === undefined || read(target).includes(`id="${fragment}"`)
}
