import { celList, type CelEnv, type CelList, type CelValue, isCelList, isCelMap } from '@bufbuild/cel'
import { language } from './cel.ts'
import { isFound, patternOf } from './filter-pattern.ts'
import { maxFilterCost } from './limits.ts'

/**
 * The language with a price for what it does. Filters are their authors' and events anybody's: what an evaluation takes
 * is counted in steps, the same on every machine, and ends at a limit. By the clock, a machine that stands still for a
 * moment would lose an event.
 */

type FuncGroup = NonNullable<ReturnType<CelEnv['funcs']['find']>>

export class TooExpensive extends Error {
  override readonly name = 'TooExpensive'
}

/** An evaluation is synchronous: there is only ever one. */
let left = 0

/** For the evaluation that begins now. */
export function beginCounting(): void {
  left = maxFilterCost
}

function charge(steps: number): void {
  left -= steps
  if (left < 0) throw new TooExpensive(`takes more than ${maxFilterCost.toLocaleString('en')} steps`)
}

/** Functions that stand in a filter after it was made ready to be counted: their names cannot be written. */
export const counted = { items: '@items', emptyList: '@empty_list', append: '@append' }

/** Characters of a text that cost as much as one step. */
const charactersPerStep = 64

function priceOf(value: CelValue | undefined): number {
  if (typeof value === 'string') return value.length / charactersPerStep
  return value instanceof Uint8Array ? value.length / charactersPerStep : 0
}

/** Everything in it is looked at, and paid for while that is counted. A member is found by its name. */
function chargeWhole(value: CelValue): void {
  charge(1 + priceOf(value))
  if (isCelList(value)) for (const element of value) chargeWhole(element)
  if (!isCelMap(value)) return
  charge(4 * value.size)
  for (const member of value.values()) chargeWhole(member)
}

type Price = (target: CelValue | undefined, values: readonly CelValue[]) => void

const comparison: Price = (_, values) => values.forEach(chargeWhole)

/** A text is read whole, and none that is longer than any number or time is. */
const conversion: Price = (_, [value]) => {
  if (typeof value === 'string') charge(value.length > 128 ? value.length : 10)
}

/** The search may go back once for each of so many characters that are looked for. */
const search: Price = (target, [sought]) => charge(priceOf(target) * (1 + priceOf(sought)))

/** What makes a time zone known takes long. */
const timePart: Price = (_, [zone]) => charge(zone === undefined ? 0 : 1_000)

const prices: Record<string, Price> = {
  '_==_': comparison,
  '_!=_': comparison,
  '@in': (_, [value, list]) => {
    if (!isCelList(list) || value === undefined) return
    chargeWhole(list)
    const before = left
    chargeWhole(value)
    charge((before - left) * list.size)
  },
  size: (target, values) => charge(8 * (priceOf(target) + priceOf(values[0]))),
  contains: search,
  startsWith: search,
  endsWith: search,
  ...Object.fromEntries(
    ['int', 'uint', 'double', 'bool', 'timestamp', 'duration'].map((name) => [name, conversion]),
  ),
  ...Object.fromEntries(
    Array.from(language.funcs, ({ name }) => name)
      .filter((name) => name.startsWith('get'))
      .map((name) => [name, timePart]),
  ),
}

function priced(group: FuncGroup): FuncGroup {
  const price = prices[group.name]
  return functionOf(group.name, (id, target, values) => {
    charge(1 + priceOf(target) + values.reduce((sum: number, value) => sum + priceOf(value), 0))
    price?.(target, values)
    return group.call(id, target, values)
  })
}

function functionOf(name: string, call: FuncGroup['call']): FuncGroup {
  return { name, call, *[Symbol.iterator]() {} }
}

/** The array behind a list that a macro is making. */
const making = new WeakMap<CelList, CelValue[]>()

const own: FuncGroup[] = [
  /** What a macro walks through, and how many steps each of it takes: paid for before it begins. */
  functionOf(counted.items, (_id, _target, [range, steps]) => {
    if (isCelList(range) || isCelMap(range)) charge(range.size * Number(steps))
    return range
  }),
  functionOf(counted.emptyList, () => {
    const array: CelValue[] = []
    const list = celList(array)
    making.set(list, array)
    return list
  }),
  /** Only a macro has the list while it is being made. Lists put together of lists would be walked through again and again. */
  functionOf(counted.append, (_id, _target, [list, value]) => {
    making.get(list as CelList)!.push(value!)
    return list
  }),
  functionOf('_+_', (id, target, values) => {
    const [one, other] = values
    if (!isCelList(one) || !isCelList(other)) return sum.call(id, target, values)
    charge(one.size + other.size)
    return celList([...one, ...other] as CelValue[])
  }),
  functionOf('matches', (id, target, values) => {
    const [pattern] = values
    if (typeof target !== 'string' || typeof pattern !== 'string') return matches.call(id, target, values)
    const { regex, size } = patternOf(pattern)
    charge(1 + priceOf(target) * size)
    return isFound({ regex, size }, target)
  }),
]

const sum = priced(language.funcs.find('_+_')!)
const matches = priced(language.funcs.find('matches')!)

const groups = new Map<string, FuncGroup>(own.map((group) => [group.name, group]))

function find(name: string): FuncGroup | undefined {
  const known = groups.get(name)
  if (known) return known
  const group = language.funcs.find(name)
  if (!group) return undefined
  const made = priced(group)
  groups.set(name, made)
  return made
}

/** The same language, where each call is paid for. */
export const countedLanguage = Object.create(language, {
  funcs: { value: Object.create(language.funcs, { find: { value: find } }) },
}) as CelEnv
