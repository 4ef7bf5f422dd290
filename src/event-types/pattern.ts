import { RE2JS } from '@bufbuild/re2'
import { spend } from './meter.ts'

/**
 * Regular expressions of schemas, in time linear in the text: the engine of JavaScript takes exponential time for some.
 * RE2 knows neither lookaround nor backreferences.
 */

const maxPatternCharacters = 1_000
/** Instructions, with repetitions written out: `[a-z]{1,63}` are 63 or so. */
const maxSize = 2_000
/** A class such as `\p{L}` is a table of hundreds of ranges. */
const sizeOfUnicodeClass = 100
/** States of the automaton that are kept. One takes 1 KiB and more; the engine's own limit is 10,000 for each pattern. */
const maxStates = 200
/** Characters after which all patterns forget their states: nothing that they keep outgrows what was read. */
const forgetAfter = 16_384

/** Those that have read something since. */
const reading = new Set<LinearPattern>()
let charactersRead = 0

export class LinearPattern {
  /** About how many instructions it has: what it takes of memory. */
  readonly size: number
  readonly #source: string
  readonly #engine: RE2JS
  /** Of `^…$` only what is between is asked for: at a `$` the engine would look around behind every character. */
  readonly #isWhole: boolean

  /** @throws {Error} with what is wrong with it, for people */
  constructor(source: string) {
    if (source.length > maxPatternCharacters)
      throw new Error(`has more than ${maxPatternCharacters} characters`)
    this.#source = source
    this.size = sizeOf(source)
    if (this.size > maxSize) throw new Error('is too long with its repetitions written out')
    const pattern = translated(source)
    const inner = compile(pattern) && innerOf(pattern)
    this.#isWhole = inner !== undefined
    this.#engine = compile(inner ?? pattern)
    // Where there were too many states the engine goes a way that takes the square of the size for each character.
    // oxlint-disable-next-line no-underscore-dangle -- its name
    this.#engine.re2()._nfaFallback = () => {
      spend(Infinity)
      return false
    }
    this.#forget()
  }

  /** Whether it is found anywhere in the text. @throws {TooMuchWork} */
  test(text: string): boolean {
    spend(2 + (text.length >> 1))
    reading.add(this)
    charactersRead += text.length + 1
    const found = this.#isWhole ? this.#engine.testExact(text) : this.#engine.test(text)
    if (charactersRead > forgetAfter) {
      for (const pattern of reading) pattern.#forget()
      reading.clear()
      charactersRead = 0
    }
    return found
  }

  toString(): string {
    return `/${this.#source}/u`
  }

  /** Steps to states that are not known yet are what takes time: they are counted as they happen. */
  #forget(): void {
    const re2 = this.#engine.re2()
    const { dfa: before, prog } = re2
    const dfa = new (before.constructor as new (program: typeof prog) => typeof before)(prog)
    const [closure, emptyWidth] = [dfa.computeClosure.bind(dfa), dfa.resolveEmptyWidth.bind(dfa)]
    dfa.stateLimit = maxStates
    dfa.computeClosure = (instructions) => {
      const state = closure(instructions)
      spend(16 + state.pcs.length * 8)
      return state
    }
    dfa.resolveEmptyWidth = (instructions, context) => {
      spend(4 + instructions.length * 4)
      return emptyWidth(instructions, context)
    }
    re2.dfa = dfa
  }
}

/** What is between `^` and `$`, where they hold for all of the pattern. */
function innerOf(pattern: string): string | undefined {
  const [, inner, escapes = ''] = /^\^(.*?)(\\*)\$$/s.exec(pattern) ?? []
  if (inner === undefined || escapes.length % 2 === 1) return undefined
  const whole = inner + escapes
  let depth = 0
  for (let at = 0; at < whole.length; at += 1) {
    if (whole[at] === '\\') at += 1
    else if (whole[at] === '[') at = endOfClass(whole, at)
    else if (whole[at] === '(') depth += 1
    else if (whole[at] === ')') depth -= 1
    else if (whole[at] === '|' && depth === 0) return undefined
  }
  return whole
}

function compile(pattern: string): RE2JS {
  try {
    return new RE2JS(pattern)
  } catch (error) {
    const reason =
      error instanceof Error ? error.message.replace(/^error parsing regexp: /, '') : String(error)
    throw new Error(
      `is no regular expression of RE2, which has no lookaround and no backreferences: ${reason}`,
      {
        cause: error,
      },
    )
  }
}

/** From what JSON Schema takes, ECMA-262 with the flag `u`, to what RE2 writes. */
function translated(source: string): string {
  return source
    .replaceAll(/\\u\{([0-9a-fA-F]+)\}/g, '\\x{$1}')
    .replaceAll(
      /\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})/g,
      (_, high: string, low: string) => {
        const character = String.fromCharCode(Number.parseInt(high, 16), Number.parseInt(low, 16))
        return `\\x{${character.codePointAt(0)!.toString(16)}}`
      },
    )
    .replaceAll(/\\u([0-9a-fA-F]{4})/g, '\\x{$1}')
    .replaceAll('\\/', '/')
}

/** Each atom is one, times what it is repeated. */
function sizeOf(source: string): number {
  /** Of the groups that are open, the outermost first. */
  const open = [0]
  let atom = 0
  const add = (size: number): void => {
    open[open.length - 1]! += size
  }
  for (let at = 0; at < source.length; at += 1) {
    const character = source[at]!
    if (character === '(') open.push(0)
    else if (character === ')' && open.length > 1) add((atom = open.pop()! + 1))
    else if (character === '{') {
      const [all, least, , most] = /^\{(\d+)(,(\d*))?\}/.exec(source.slice(at, at + 20)) ?? []
      if (all === undefined) continue
      const times = Math.max(Number(most || least), 1)
      add(atom * (times - 1))
      atom *= times
      at += all.length - 1
    } else {
      const end = character === '[' ? endOfClass(source, at) : character === '\\' ? at + 1 : at
      const text = source.slice(at, end + 1)
      atom = 1 + (text.length >> 1) + sizeOfUnicodeClass * (text.match(/\\[pP]/g)?.length ?? 0)
      add(atom)
      at = end
    }
  }
  return open.reduce((sum, size) => sum + size, 0)
}

function endOfClass(source: string, from: number): number {
  for (let at = from + 1; at < source.length; at += 1) {
    if (source[at] === '\\') at += 1
    else if (source[at] === ']') return at
  }
  return source.length - 1
}
