/**
 * Builds the documents into dist/docs: pages that need no server and nothing from elsewhere, with relative links, so that
 * they work under any path and from a disk. What a page links to in this repository becomes a page, too.
 */
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createMarkdown } from './docs/markdown.ts'
import { navigationOf } from './docs/navigation.ts'
import { pageHtml } from './docs/page.ts'
import { findPages, type Sources } from './docs/sources.ts'

const root = join(import.meta.dirname, '..')

/** Answers the paths of what was written, relative to the target. */
export async function buildDocs(target = join(root, 'dist/docs')): Promise<string[]> {
  const markdown = await createMarkdown()
  const sources = findPages(root)
  const navigation = navigationOf(readFileSync(join(root, 'docs/README.md'), 'utf8'))
  rmSync(target, { recursive: true, force: true })
  const write = (path: string, content: string): void => {
    mkdirSync(dirname(join(target, path)), { recursive: true })
    writeFileSync(join(target, path), content)
  }
  for (const [source, path] of sources.pages) {
    const text = asMarkdown(source, readFileSync(join(root, source), 'utf8'))
    const { html, title, sections } = markdown.render(text, (href) => sources.href(source, href))
    write(path, pageHtml({ path, title, html, sections, navigation }))
  }
  for (const [source, path] of sources.files) {
    mkdirSync(dirname(join(target, path)), { recursive: true })
    copyFileSync(join(root, source), join(target, path))
  }
  for (const name of ['style.css', 'theme.js']) {
    write(name, readFileSync(join(import.meta.dirname, 'docs', name), 'utf8'))
  }
  return writtenPaths(sources)
}

/** Source code that a page links to is shown as one block. */
function asMarkdown(source: string, text: string): string {
  if (source.endsWith('.md')) return text
  const language = /\.(\w+)$/.exec(source)?.[1] ?? 'text'
  return `# ${source}\n\n\`\`\`\`${language}\n${text}\n\`\`\`\`\n`
}

function writtenPaths({ pages, files }: Sources): string[] {
  return [...pages.values(), ...files.values(), 'style.css', 'theme.js']
}

if (import.meta.main) {
  const paths = await buildDocs()
  process.stdout.write(`${paths.length} files in dist/docs: open dist/docs/index.html\n`)
}
