import MarkdownIt, { type Token } from 'markdown-it'
import { createHighlighter } from 'shiki'

export interface Rendered {
  html: string
  title: string
  /** Headings of the second level. */
  sections: { id: string; title: string }[]
}

const languages = ['ts', 'tsx', 'js', 'sh', 'sql', 'json', 'python', 'go', 'ini', 'yaml'] as const
const aliases: Record<string, string> = { py: 'python', mod: 'text', sum: 'text', txt: 'text' }
const themes = { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' } as const

export async function createMarkdown() {
  const highlighter = await createHighlighter({ themes: Object.values(themes), langs: [...languages] })
  const highlight = (code: string, name: string): string => {
    const lang = aliases[name] ?? name
    const isKnown = languages.some((language) => language === lang)
    return highlighter.codeToHtml(code.trimEnd(), {
      lang: isKnown ? lang : 'text',
      themes,
      defaultColor: 'light-dark()',
      // What is too wide is scrolled to, with the keyboard too.
      transformers: [{ pre: (node) => void (node.properties['tabindex'] = 0) }],
    })
  }
  const markdown = new MarkdownIt({ html: true, highlight })
  markdown.renderer.rules['table_open'] = () => '<div class="table" tabindex="0"><table>'
  markdown.renderer.rules['table_close'] = () => '</table></div>'

  return {
    /** @param hrefOf where a link leads on the site; what leads nowhere there becomes text */
    render(text: string, hrefOf: (link: string) => string | undefined): Rendered {
      const tokens = markdown.parse(text, {}).filter((token) => !isComment(token))
      const headings = withIds(tokens)
      for (const { children } of tokens) retarget(children ?? [], hrefOf)
      return {
        html: markdown.renderer.render(tokens, markdown.options, {}),
        title: headings.find(({ level }) => level === 1)?.title ?? 'Postrider',
        sections: headings.filter(({ level }) => level === 2),
      }
    },
  }
}

/** Notes for those who write and test the pages. */
function isComment({ type, content }: Token): boolean {
  return type === 'html_block' && content.trimStart().startsWith('<!--')
}

function withIds(tokens: Token[]) {
  const taken = new Map<string, number>()
  return tokens.flatMap((token, index) => {
    if (token.type !== 'heading_open') return []
    const title = textOf(tokens[index + 1]!)
    const id = uniqueSlug(title, taken)
    token.attrSet('id', id)
    return [{ level: Number(token.tag.slice(1)), id, title }]
  })
}

function textOf({ children }: Token): string {
  return (children ?? []).map(({ content }) => content).join('')
}

/** As GitHub makes them, so that one link fits both. */
export function uniqueSlug(title: string, taken: Map<string, number>): string {
  const slug = title
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
    .replaceAll(' ', '-')
  const count = taken.get(slug) ?? 0
  taken.set(slug, count + 1)
  return count === 0 ? slug : `${slug}-${count}`
}

function retarget(tokens: Token[], hrefOf: (link: string) => string | undefined): void {
  let isDropped = false
  for (const token of tokens) {
    if (token.type === 'image') token.attrSet('src', hrefOf(String(token.attrGet('src'))) ?? '')
    if (token.type === 'link_open') {
      const href = hrefOf(String(token.attrGet('href')))
      isDropped = href === undefined
      if (href !== undefined) token.attrSet('href', href)
    }
    if (!isDropped || !token.type.startsWith('link_')) continue
    if (token.type === 'link_close') isDropped = false
    token.tag = 'span'
    token.attrs = null
  }
}
