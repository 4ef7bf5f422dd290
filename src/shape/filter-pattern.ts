import { RE2JS } from '@bufbuild/re2'
import { LRUCache } from 'lru-cache'
import { maxPatternSize } from './limits.ts'

/** Patterns of `matches`: those of RE2, which take time in proportion to the text, whatever it is. */

interface Pattern {
  regex: RE2JS
  /** Instructions that it was compiled to: at most so many steps for each character. */
  size: number
}

const compiled = new LRUCache<string, Pattern>({ max: 256 })

/** What is wrong with a pattern, if anything is. */
export function patternComplaint(text: string): string | undefined {
  try {
    const { size } = patternOf(text)
    return size > maxPatternSize ? 'the pattern of matches is too large' : undefined
  } catch (error) {
    return `the pattern of matches cannot be read: ${error instanceof Error ? error.message : String(error)}`
  }
}

/** @throws if it is no pattern */
export function patternOf(text: string): Pattern {
  let pattern = compiled.get(text)
  if (!pattern) {
    const regex = RE2JS.compile(text)
    pattern = { regex, size: regex.re2().prog.inst.length }
    compiled.set(text, pattern)
  }
  return pattern
}

/** Whether it is found anywhere in the text. What it remembers of long ones is given back. */
export function isFound({ regex }: Pattern, text: string): boolean {
  const found = regex.test(text)
  if (text.length > 1_000) regex.reset()
  return found
}
