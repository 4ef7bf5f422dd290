import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * The code in the documents. What a reader need not see stands in comments above a block:
 *
 *     <!-- block: given postrider projectId -->   names that the text around it has introduced (`given.ts`)
 *     <!-- block: continues -->                   of the same file as the block before it in this language
 *     <!-- block: file app.ts -->                 the file that it is
 *     <!-- block: body of createWebhook -->       the body of a call; `answer of …`, `shape …` likewise
 *     <!-- block: part of examples/x.py -->       a piece of a file that has a test of its own
 *     <!-- block: not tested: why -->             nothing here tries it
 */

export const root = join(import.meta.dirname, '../..')

export interface Block {
  /** Such as `docs/publish.md`. */
  page: string
  /** Where its code begins, from 1. */
  line: number
  language: string
  code: string
  given: string[]
  continues: boolean
  file: string | undefined
  /** `body of NAME`, `answer of NAME`, `shape NAME`. */
  shape: string | undefined
  partOf: string | undefined
  /** Why nothing tests it. */
  untested: string | undefined
}

export const pages: readonly string[] = [
  'README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md'))
    .map((path) => join('docs', path))
    .toSorted(),
]

export function blocksOf(page: string): Block[] {
  const lines = readFileSync(join(root, page), 'utf8').split('\n')
  const blocks: Block[] = []
  let notes: string[] = []
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index]!
    const [, note] = /^<!-- block: (.*) -->$/.exec(line) ?? []
    const [, fence, language] = /^(`{3,})(\w*)$/.exec(line) ?? []
    if (note !== undefined) notes.push(note)
    else if (fence !== undefined) {
      const end = lines.indexOf(fence, index + 1)
      if (end === -1) throw new Error(`${page}:${index + 1}: the block has no end`)
      blocks.push(
        blockOf(
          { page, line: index + 2, language: language!, code: lines.slice(index + 1, end).join('\n') },
          notes,
        ),
      )
      notes = []
      index = end
    } else if (notes.length > 0) throw new Error(`${page}:${index + 1}: a note stands right above its block`)
  }
  return blocks
}

export const allBlocks: readonly Block[] = pages.flatMap(blocksOf)

function blockOf(place: Pick<Block, 'page' | 'line' | 'language' | 'code'>, notes: readonly string[]): Block {
  const block: Block = {
    ...place,
    given: [],
    continues: false,
    file: undefined,
    shape: undefined,
    partOf: undefined,
    untested: undefined,
  }
  for (const note of notes) {
    if (note === 'continues') block.continues = true
    else if (note.startsWith('given ')) block.given.push(...note.slice('given '.length).split(' '))
    else if (note.startsWith('file ')) block.file = note.slice('file '.length)
    else if (note.startsWith('part of ')) block.partOf = note.slice('part of '.length)
    else if (note.startsWith('not tested: ')) block.untested = note.slice('not tested: '.length)
    else if (/^(body of|answer of|shape) \w+$/.test(note)) block.shape = note
    else throw new Error(`${place.page}:${place.line}: no such note: ${note}`)
  }
  return block
}

/** For messages and names of tests: `docs/publish.md:12`. */
export function placeOf({ page, line }: Block): string {
  return `${page}:${line}`
}
