import { posix } from 'node:path'
import { type Navigation, neighboursOf } from './navigation.ts'

export interface Page {
  /** On the site, such as `reference/settings.html`. */
  path: string
  title: string
  html: string
  sections: readonly { id: string; title: string }[]
  navigation: Navigation
}

export function pageHtml({ path, title, html, sections, navigation }: Page): string {
  const to = (target: string): string => posix.relative(posix.dirname(path), target)
  const { previous, next } = neighboursOf(navigation, path)
  const name = path === 'index.html' ? 'Postrider' : `${title} · Postrider`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(name)}</title>
<link rel="stylesheet" href="${to('style.css')}">
<script src="${to('theme.js')}"></script>
</head>
<body>
<a class="skip" href="#content">To the content</a>
<header>
<a class="name" href="${to('index.html')}">Postrider</a>
<button type="button" id="theme" aria-label="Light or dark">◐</button>
</header>
<div class="columns">
<nav aria-label="Pages"><details open><summary>Pages</summary>
${navigation.groups.map((group) => groupHtml(group, path, to)).join('\n')}
</details></nav>
<main id="content">
${html}
<footer>
${previous ? `<a rel="prev" href="${to(previous.path)}">← ${escaped(previous.title)}</a>` : '<span></span>'}
${next ? `<a rel="next" href="${to(next.path)}">${escaped(next.title)} →</a>` : ''}
</footer>
</main>
${sections.length > 1 ? contentsHtml(sections) : ''}
</div>
</body>
</html>
`
}

function groupHtml(
  { name, entries }: Navigation['groups'][number],
  path: string,
  to: (target: string) => string,
): string {
  const links = entries.map((entry) => {
    const current = entry.path === path ? ' aria-current="page"' : ''
    return `<li><a href="${to(entry.path)}"${current}>${escaped(entry.title)}</a></li>`
  })
  return `<h2>${escaped(name)}</h2>\n<ul>\n${links.join('\n')}\n</ul>`
}

function contentsHtml(sections: Page['sections']): string {
  const links = sections.map(({ id, title }) => `<li><a href="#${id}">${escaped(title)}</a></li>`)
  return `<aside aria-label="On this page">\n<h2>On this page</h2>\n<ul>\n${links.join('\n')}\n</ul>\n</aside>`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
