import { readFile, writeFile } from 'node:fs/promises'

/** What was measured goes to its place in docs/operations.md. */
export async function writeOperations(name: string, text: string): Promise<void> {
  await writeBetween(new URL('../docs/operations.md', import.meta.url), `bench: ${name}`, text)
}

/** Replaces what stands in a page between `<!-- mark -->` and `<!-- /mark -->`. */
export async function writeBetween(page: URL, mark: string, text: string): Promise<void> {
  const [start, end] = [`<!-- ${mark} -->`, `<!-- /${mark} -->`]
  const [before, rest] = (await readFile(page, 'utf8')).split(start)
  const after = rest?.split(end)[1]
  if (before === undefined || after === undefined)
    throw new Error(`${page.pathname} has no place for the results: ${start} … ${end}`)
  await writeFile(page, `${before}${start}\n${text}\n${end}${after}`)
}
