import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'

/** What becomes of each file: its page or copy, by its path in this repository. */
export interface Sources {
  pages: Map<string, string>
  files: Map<string, string>
  /** The address of a link as it is on the site; undefined where the site has nothing of that. */
  href: (source: string, link: string) => string | undefined
}

/** Every page of docs/, and what can be reached from there in this repository. */
export function findPages(root: string): Sources {
  const pages = new Map<string, string>()
  const files = new Map<string, string>()
  const waiting = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md'))
    .map((path) => join('docs', path))
  for (let source = waiting.pop(); source !== undefined; source = waiting.pop()) {
    if (pages.has(source)) continue
    pages.set(source, pathOnSite(source))
    if (!source.endsWith('.md')) continue
    for (const linked of linksIn(readFileSync(join(root, source), 'utf8'))) {
      const path = fileOf(root, source, linked)
      if (path === undefined) continue
      if (/\.(png|svg|jpg)$/.test(path)) files.set(path, pathOnSite(path))
      else waiting.push(path)
    }
  }
  const href = (source: string, link: string): string | undefined => {
    if (!isLocal(link)) return link
    const path = fileOf(root, source, link)
    const target = path === undefined ? undefined : (pages.get(path) ?? files.get(path))
    if (target === undefined) return undefined
    const [, fragment = ''] = /(#.*)$/.exec(link) ?? []
    return (relative(dirname(pathOnSite(source)), target) || '.') + fragment
  }
  return { pages, files, href }
}

/** docs/ is the site's root; what lies elsewhere stands below `repository/`. */
function pathOnSite(source: string): string {
  const path = source.startsWith('docs/') ? source.slice('docs/'.length) : join('repository', source)
  if (/\.(png|svg|jpg)$/.test(path)) return path
  if (path === 'README.md') return 'index.html'
  return path.endsWith('.md') ? path.replace(/\.md$/, '.html') : `${path}.html`
}

/** The file that a link leads to; of a directory, its README. */
function fileOf(root: string, source: string, link: string): string | undefined {
  if (!isLocal(link) || link.startsWith('#')) return isLocal(link) ? source : undefined
  const path = normalize(join(dirname(source), link.replace(/#.*$/, '')))
  if (path.startsWith('..') || !existsSync(join(root, path))) return undefined
  if (!statSync(join(root, path)).isDirectory()) return path
  const readme = join(path, 'README.md')
  return existsSync(join(root, readme)) ? readme : undefined
}

function isLocal(link: string): boolean {
  return !/^[a-z]+:|^\//i.test(link)
}

/** Targets of links and images, outside of code. */
export function linksIn(markdown: string): string[] {
  const prose = markdown.replaceAll(/^(`{3,})[\s\S]*?^\1/gm, '').replaceAll(/`[^`\n]*`/g, '')
  return Array.from(prose.matchAll(/\]\(([^)\s]+)\)/g), ([, link]) => link!)
}
