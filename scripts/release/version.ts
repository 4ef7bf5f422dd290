import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What a release is made of, as far as it can be told before anything is built. */
export interface Standing {
  /** As it is asked for. */
  wanted: string
  /** As package.json has it. */
  current: string
  tags: readonly string[]
  changelog: string
  /** What git calls changed or new. */
  dirty: string
}

/** Where else the version stands, and the text that it stands in. */
const places: readonly [file: string, text: (version: string) => string][] = [
  ['README.md', (version) => `postrider-${version}.tgz`],
  ['deploy/kubernetes/postrider.yaml', (version) => `image: postrider:${version}`],
  ['examples/express-drizzle/package.json', (version) => `"postrider": "^${version}"`],
]

const unreleased = 'Unreleased'

/** Why it cannot be released; empty where it can. */
export function refusals({ wanted, current, tags, changelog, dirty }: Standing): string[] {
  if (!/^\d+\.\d+\.\d+$/.test(wanted)) return [`"${wanted}" is no version: X.Y.Z`]
  const reasons: string[] = []
  if (dirty !== '') reasons.push(`what is released is what is committed, and this is not:\n${dirty}`)
  if (isOlder(wanted, current)) reasons.push(`${wanted} is older than ${current}, which package.json has`)
  if (tags.includes(`v${wanted}`)) reasons.push(`there is a tag v${wanted} already`)
  const [first] = sectionsOf(changelog)
  if (!first || ![unreleased, wanted].includes(first.title)) {
    reasons.push(`CHANGELOG.md must begin with a section "## ${unreleased}" or "## ${wanted}"`)
  } else if (first.text === '') {
    reasons.push(`CHANGELOG.md says nothing under "## ${first.title}"`)
  }
  return reasons
}

/** Writes the version to all places of a checkout. Of package-lock.json npm takes care. */
export function setVersion(directory: string, { from, to }: { from: string; to: string }): void {
  edit(join(directory, 'CHANGELOG.md'), (text) => text.replace(`## ${unreleased}\n`, `## ${to}\n`))
  for (const [file, text] of places) {
    edit(join(directory, file), (content) => {
      if (!content.includes(text(from))) throw new Error(`${file} has no "${text(from)}"`)
      return content.replaceAll(text(from), text(to))
    })
  }
}

export function sectionsOf(changelog: string): { title: string; text: string }[] {
  return changelog
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const [title = '', ...lines] = section.split('\n')
      return { title: title.trim(), text: lines.join('\n').trim() }
    })
}

function isOlder(one: string, other: string): boolean {
  const numbers = (version: string): number[] => version.split('.').map(Number)
  const [ones, others] = [numbers(one), numbers(other)]
  const place = ones.findIndex((number, index) => number !== others[index])
  return place !== -1 && ones[place]! < others[place]!
}

function edit(file: string, change: (text: string) => string): void {
  writeFileSync(file, change(readFileSync(file, 'utf8')))
}
