import { celList, celMap, type CelInput } from '@bufbuild/cel'

/**
 * JSON text as a value of CEL: whole numbers of 64 bits are `int` to the digit, all others `double`. Objects are read as
 * they are looked into: most of an event is not.
 */
export function celOf(json: string): CelInput {
  // Only so many digits may be more than a double holds.
  return valueOf(/\d{16}/.test(json) ? JSON.parse(json, exactly) : JSON.parse(json))
}

/** An object of an event; the library would copy it at each access. */
export class Members extends Map<string, CelInput> {
  readonly #object: Readonly<Record<string, unknown>>
  #names: readonly string[] | undefined

  constructor(object: Readonly<Record<string, unknown>>) {
    super()
    this.#object = object
  }

  override get size(): number {
    return this.#all.length
  }

  /** @throws for a key that is no string: the library would compare it with each of them */
  override get(key: unknown): CelInput | undefined {
    if (typeof key !== 'string') throw new Error('an object of the event has no other keys than strings')
    const known = super.get(key)
    if (known !== undefined || !Object.hasOwn(this.#object, key)) return known
    const value = valueOf(this.#object[key])
    super.set(key, value)
    return value
  }

  override keys(): MapIterator<string> {
    return this.#all.values()
  }

  override *values(): MapIterator<CelInput> {
    for (const name of this.#all) yield this.get(name)!
  }

  override *entries(): MapIterator<[string, CelInput]> {
    for (const name of this.#all) yield [name, this.get(name)!]
  }

  override [Symbol.iterator](): MapIterator<[string, CelInput]> {
    return this.entries()
  }

  get #all(): readonly string[] {
    this.#names ??= Object.keys(this.#object)
    return this.#names
  }
}

function valueOf(value: unknown): CelInput {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value
  if (Array.isArray(value)) return celList(value.map(valueOf))
  const isObject = typeof value === 'object' && value !== null
  return isObject ? celMap(new Members(value as Record<string, unknown>)) : (value as CelInput)
}

/** Numbers that are whole and of 64 bits, by their text. */
function exactly(_name: string, value: unknown, { source }: { source?: string } = {}): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value
  const [, whole] = /^(-?\d{1,19})(?:\.0*)?$/.exec(source ?? '') ?? []
  if (whole === undefined) return value
  const exact = BigInt(whole)
  return BigInt.asIntN(64, exact) === exact ? exact : value
}
