import { createScanner } from 'jsonc-parser'
import type { FieldError } from '../contract/errors.ts'
import { maxNumberDigits } from '../contract/limits.ts'
import { shortened } from '../contract/validate.ts'

/**
 * Looks into JSON text without reading its numbers: a double holds no integer over 2^53, and what is published must
 * arrive to the digit. All of this expects text that `JSON.parse` took.
 */

/** The scanner's tokens; the package's own enum exists for its types only. */
const token = {
  openBrace: 1,
  closeBrace: 2,
  openBracket: 3,
  closeBracket: 4,
  comma: 5,
  colon: 6,
  string: 10,
  number: 11,
  end: 17,
}

export interface Member {
  name: string
  /** The text of the value as it was written. */
  text: string
  /** Which of the objects at this depth it is in, from 0. */
  object: number
}

/** The members of the objects that stand `depth` containers deep, in order: 1 is the outermost, in an array it is 2. */
export function* membersAt(json: string, depth: number): Generator<Member> {
  const scanner = createScanner(json, true)
  let open = 0
  let object = -1
  let name: string | undefined
  let start: number | undefined
  for (let kind = scanner.scan() as number; kind !== token.end; kind = scanner.scan() as number) {
    if (open === depth && start === undefined && kind === token.string) {
      name = scanner.getTokenValue()
      if ((scanner.scan() as number) !== token.colon) continue // a string in an array
      kind = scanner.scan()
      start = scanner.getTokenOffset()
    }
    if (kind === token.openBrace || kind === token.openBracket) {
      open += 1
      if (open === depth) object += 1
    } else if (kind === token.closeBrace || kind === token.closeBracket) {
      open -= 1
    }
    if (open === depth && start !== undefined) {
      yield { name: name!, text: json.slice(start, scanner.getPosition()), object }
      start = undefined
    }
  }
}

/** The text of one member of the outermost object. Of several with one name the last one counts, as in PostgreSQL. */
export function memberText(json: string, name: string): string | undefined {
  let text: string | undefined
  for (const member of membersAt(json, 1)) if (member.name === name) text = member.text
  return text
}

/**
 * A first look that nearly every text passes: a run of digits or an exponent that a number of more than 1,000 digits must
 * have. Runs are looked for from their beginning alone: from each place in them, it would take a large body minutes.
 */
const maybeTooLong = /(?<!\d)\d{500}|[[,:\s]-?\d+(?:\.\d+)?[eE][+-]?0*[1-9]\d\d/

/**
 * What is wrong with the numbers of a text, if anything is. PostgreSQL writes numbers out: `1e131071` would become
 * 128 KiB of zeros, and a short text could hold thousands of it.
 */
export function findLongNumber(json: string): FieldError | undefined {
  if (!maybeTooLong.test(json)) return undefined
  const scanner = createScanner(json, true)
  for (let kind = scanner.scan() as number; kind !== token.end; kind = scanner.scan() as number) {
    if (kind !== token.number) continue
    const offset = scanner.getTokenOffset()
    if (digitsWrittenOut(json.slice(offset, scanner.getPosition())) > maxNumberDigits) {
      return { path: pathAt(json, offset), message: 'is a number of more than 1,000 digits' }
    }
  }
  return undefined
}

/** The same for numbers with an exponent, which alone grow when they are written out. */
const maybeGrows = /[[,:\s]-?\d+(?:\.\d+)?[eE][+-]?\d/

/** How many bytes longer a text becomes when its numbers are written out, as PostgreSQL does and receivers get them. */
export function growthWrittenOut(json: string): number {
  if (!maybeGrows.test(json)) return 0
  let growth = 0
  const scanner = createScanner(json, true)
  for (let kind = scanner.scan() as number; kind !== token.end; kind = scanner.scan() as number) {
    if (kind !== token.number) continue
    const number = json.slice(scanner.getTokenOffset(), scanner.getPosition())
    if (/[eE]/.test(number)) growth += Math.max(0, writtenOut(number).characters - number.length)
  }
  return growth
}

/** How many digits a number has without its exponent: 4 for `1e3`, 4 for `1e-3`, which is 0.001. */
export function digitsWrittenOut(number: string): number {
  return writtenOut(number).digits
}

/** The size of a number without its exponent: of `-1e-3`, which is -0.001, 4 digits and 6 characters. */
function writtenOut(number: string): { digits: number; characters: number } {
  const [, sign = '', whole = '', fraction = '', exponentText = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(number) ?? []
  const exponent = Number(exponentText)
  const firstDigit = (whole + fraction).search(/[1-9]/)
  const before = firstDigit === -1 ? 1 : Math.max(1, whole.length + exponent - firstDigit)
  const after = Math.max(0, fraction.length - exponent)
  return { digits: before + after, characters: sign.length + before + (after > 0 ? 1 + after : 0) }
}

/**
 * Where a place in the text is, as `events[3].data.total`. Without recursion: a member that a later one hides may be
 * nested as deep as the body is long.
 */
function pathAt(json: string, offset: number): string {
  const scanner = createScanner(json, true)
  /** The place in each container that is open: an index, or the name of a member. */
  const path: (string | number)[] = []
  let isName = false
  for (scanner.scan(); scanner.getTokenOffset() < offset; scanner.scan()) {
    const kind = scanner.getToken() as number
    if (kind === token.openBrace) path.push('')
    else if (kind === token.openBracket) path.push(0)
    else if (kind === token.closeBrace || kind === token.closeBracket) path.pop()
    else if (kind === token.comma && typeof path.at(-1) === 'number') path.push((path.pop() as number) + 1)
    else if (kind === token.string && isName) path[path.length - 1] = scanner.getTokenValue()
    // A name stands behind a brace, or behind a comma in an object.
    isName = kind === token.openBrace || (kind === token.comma && typeof path.at(-1) === 'string')
  }
  return pathOf(path)
}

/** A path for people, no longer than they need it. */
export function pathOf(segments: readonly (string | number)[]): string {
  const path = segments.slice(0, maxSegments).reduce<string>((path, segment) => {
    if (typeof segment === 'number') return `${path}[${segment}]`
    return path === '' ? shortened(segment) : `${path}.${shortened(segment)}`
  }, '')
  return segments.length > maxSegments ? `${path}…` : path
}

/** Deeper than anything that is stored. */
const maxSegments = 80
