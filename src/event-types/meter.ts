/**
 * How much work checking data may be. Time would say it too, but differently on each machine and at each hour: what is
 * published must not depend on that. A unit is some 30 to 50 ns: large code is not optimized.
 */

/** What each event may cost, however small it is: 50 alternatives with 20 fields each are a tenth of it. 2 ms or so. */
const unitsForEach = 50_000
/** And for each byte of it: a value of ten bytes may be looked at by some twenty schemas. 256 KiB: 80 ms. */
const unitsPerByte = 8

/** The work was too much: the schema asks for the same again and again, or looks at everything from too many sides. */
export class TooMuchWork extends Error {
  override readonly name = 'TooMuchWork'
}

/** There is one: checking is synchronous, so only one check ever spends. */
let remaining = 0

/** Runs `check`, which may spend what data of this size may cost, and answers what it spent, too. */
export function metered<Result>(bytes: number, check: () => Result): Result {
  remaining = unitsForEach + unitsPerByte * bytes
  return check()
}

export function spend(units: number): void {
  remaining -= units
  if (remaining < 0) throw new TooMuchWork('it takes too long to check')
}

/** What looking at a value with one schema costs: `weight` for its keywords, the rest for the value's size. */
export function spendOn(weight: number, loopsOverMembers: number, value: unknown): void {
  let units = weight
  // Lengths are counted character by character.
  if (typeof value === 'string') units += value.length >> 4
  else if (loopsOverMembers > 0 && typeof value === 'object' && value !== null && !Array.isArray(value)) {
    units += 4 * loopsOverMembers * Object.keys(value).length
  }
  spend(units)
}
