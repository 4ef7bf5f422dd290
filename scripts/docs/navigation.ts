/** The site's navigation is the table of contents in docs/README.md: each heading a group, each link of a list an entry. */
export interface Navigation {
  groups: { name: string; entries: { title: string; path: string }[] }[]
}

export function navigationOf(readme: string): Navigation {
  const sections = readme.split(/^## /m).slice(1)
  const groups = sections.map((section) => {
    const [name = ''] = section.split('\n')
    const entries = Array.from(section.matchAll(/^- \[([^\]]+)\]\(([^)#]+)\.md\)/gm), ([, title, path]) => ({
      title: title!,
      path: `${path!}.html`,
    }))
    return { name, entries }
  })
  return { groups: groups.filter(({ entries }) => entries.length > 0) }
}

/** The pages before and after one, in the order of the navigation. */
export function neighboursOf({ groups }: Navigation, path: string) {
  const entries = groups.flatMap((group) => group.entries)
  const index = entries.findIndex((entry) => entry.path === path)
  return {
    previous: index > 0 ? entries[index - 1] : undefined,
    next: index >= 0 ? entries[index + 1] : path === 'index.html' ? entries[0] : undefined,
  }
}
