import { unknownField } from '../contract/validate.ts'
import { type Call, type Comprehension, type Expression, language } from './cel.ts'
import { FilterError } from './filter-error.ts'
import { maxMacroDepth } from './limits.ts'
import { patternComplaint } from './filter-pattern.ts'

/** The names of CEL's types as far as they are known beforehand; `dyn` is anything. */
type TypeName = string

/** The fields of `event`. Application and environment are `null` where the event has none. */
const fieldTypes: Record<string, TypeName> = {
  type: 'string',
  id: 'string',
  timestamp: 'google.protobuf.Timestamp',
  application_id: 'dyn',
  environment_name: 'dyn',
  data: 'dyn',
}

const typesByName = new Set([
  'bool',
  'bytes',
  'double',
  'int',
  'list',
  'map',
  'null_type',
  'string',
  'type',
  'uint',
])

/**
 * Finds what can be told of a filter before there is an event: names and functions that do not exist, operators between
 * types that do not fit, an answer that is not true or false. What is in `event.data` may be of any type.
 *
 * @throws {FilterError}
 */
export function checkFilter(expression: Expression, positions: Readonly<Record<string, number>>): void {
  const check = new Check(positions)
  const type = check.typeOf(expression, [])
  if (!fits(type, 'bool')) check.refuse(expression, `answers ${worded(type)}, not true or false`)
}

const mostLevels = 100

class Check {
  readonly #positions: Readonly<Record<string, number>>
  #level = 0
  #macros = 0

  constructor(positions: Readonly<Record<string, number>>) {
    this.#positions = positions
  }

  refuse({ id }: Expression, message: string): never {
    throw new FilterError(message, this.#positions[String(id)] ?? 0)
  }

  /** `names` are those that macros have given. */
  typeOf(expression: Expression, names: readonly string[]): TypeName {
    this.#level += 1
    if (this.#level > mostLevels) this.refuse(expression, 'is nested too deeply')
    const type = this.#typeOf(expression, names)
    this.#level -= 1
    return type
  }

  #typeOf(expression: Expression, names: readonly string[]): TypeName {
    const { exprKind: kind } = expression
    switch (kind.case) {
      case 'constExpr':
        return constantTypes[kind.value.constantKind.case ?? ''] ?? 'dyn'
      case 'identExpr':
        return this.#typeOfName(expression, kind.value.name, names)
      case 'selectExpr': {
        const type = this.#typeOfMember(expression, {
          of: kind.value.operand!,
          name: kind.value.field,
          names,
        })
        return kind.value.testOnly ? 'bool' : type
      }
      case 'callExpr':
        return this.#typeOfCall(expression, kind.value, names)
      case 'listExpr':
        for (const element of kind.value.elements) this.typeOf(element, names)
        return 'list'
      case 'structExpr':
        if (kind.value.messageName !== '') this.refuse(expression, 'cannot make messages')
        for (const { keyKind, value } of kind.value.entries) {
          if (keyKind.case === 'mapKey') this.typeOf(keyKind.value, names)
          if (value) this.typeOf(value, names)
        }
        return 'map'
      case 'comprehensionExpr':
        return this.#typeOfMacro(expression, kind.value, names)
      case undefined:
      default:
        return this.refuse(expression, 'cannot be read')
    }
  }

  #typeOfName(expression: Expression, name: string, names: readonly string[]): TypeName {
    if (names.includes(name)) return 'dyn'
    if (name === 'event') return 'map'
    if (typesByName.has(name)) return 'type'
    return this.refuse(expression, unknownField(name, ['event', ...names], 'name'))
  }

  #typeOfMember(
    expression: Expression,
    { of, name, names }: { of: Expression; name: string; names: readonly string[] },
  ): TypeName {
    const type = this.typeOf(of, names)
    if (isEvent(of, names)) {
      const known = Object.hasOwn(fieldTypes, name) ? fieldTypes[name] : undefined
      return known ?? this.refuse(expression, unknownField(name, Object.keys(fieldTypes), 'field of event'))
    }
    if (!fits(type, 'map')) this.refuse(expression, `asks ${worded(type)} for a member \`${name}\``)
    return 'dyn'
  }

  #typeOfCall(expression: Expression, call: Call, names: readonly string[]): TypeName {
    const [first, second] = call.args
    if (call.function === '_[_]' && first && second && isEvent(first, names)) {
      const name = textOf(second)
      if (name !== undefined) return this.#typeOfMember(expression, { of: first, name, names })
    }
    const target = call.target && this.typeOf(call.target, names)
    const types = call.args.map((argument) => this.typeOf(argument, names))
    switch (call.function) {
      case '_[_]':
        if (!fits(types[0]!, 'map') && !fits(types[0]!, 'list'))
          this.refuse(expression, `looks into ${worded(types[0]!)} as into a list`)
        return 'dyn'
      case '_&&_':
      case '_||_':
      case '_?_:_':
        return this.#typeOfChoice(expression, call, types)
      case '@not_strictly_false':
        return 'bool'
      case 'matches':
        this.#checkPattern(call)
        return this.#typeOfFunction(expression, call, { target, types })
      default:
        return this.#typeOfFunction(expression, call, { target, types })
    }
  }

  #typeOfChoice(expression: Expression, call: Call, types: readonly TypeName[]): TypeName {
    const conditions = call.function === '_?_:_' ? types.slice(0, 1) : types
    const wrong = conditions.find((type) => !fits(type, 'bool'))
    if (wrong !== undefined) {
      this.refuse(expression, `${operatorOf(call.function)} is between true and false, not ${worded(wrong)}`)
    }
    return call.function === '_?_:_' ? common(types.slice(1)) : 'bool'
  }

  #typeOfFunction(
    expression: Expression,
    call: Call,
    { target, types }: { target: TypeName | undefined; types: readonly TypeName[] },
  ): TypeName {
    const group = language.funcs.find(call.function)
    if (!group) {
      const known = [
        ...new Set(Array.from(language.funcs, ({ name }) => name).filter((name) => /^\w+$/.test(name))),
      ]
      return this.refuse(expression, unknownField(call.function, [...known, ...macros], 'function'))
    }
    const fitting = [...group].filter(
      (each) =>
        (each.target === undefined) === (target === undefined) &&
        (target === undefined || fits(target, each.target!.name)) &&
        each.arguments.length === types.length &&
        each.arguments.every(({ name }, index) => fits(types[index]!, name)),
    )
    if (fitting.length === 0) {
      const given = types.map(worded).join(' and ') || 'nothing'
      const of = target === undefined ? '' : ` of ${worded(target)}`
      this.refuse(expression, `${operatorOf(call.function)}${of} does not take ${given}`)
    }
    return common(fitting.map(({ result }) => result.name))
  }

  /** A pattern from an event would be compiled for each, and could be made to cost. */
  #checkPattern({ target, args }: Call): void {
    const pattern = args.at(-1)
    if (!target || args.length !== 1 || !pattern) return
    const text = textOf(pattern)
    if (text === undefined) this.refuse(pattern, 'the pattern of matches must stand here as a text')
    const complaint = patternComplaint(text)
    if (complaint !== undefined) this.refuse(pattern, complaint)
  }

  #typeOfMacro(expression: Expression, macro: Comprehension, names: readonly string[]): TypeName {
    const range = this.typeOf(macro.iterRange!, names)
    if (!fits(range, 'list') && !fits(range, 'map')) this.refuse(expression, `walks through ${worded(range)}`)
    this.#macros += 1
    if (this.#macros > maxMacroDepth) {
      this.refuse(expression, `has more than ${maxMacroDepth} macros such as all or map in each other`)
    }
    const inner = [...names, macro.iterVar, macro.accuVar]
    const start = this.typeOf(macro.accuInit!, names)
    this.typeOf(macro.loopCondition!, inner)
    this.typeOf(macro.loopStep!, inner)
    const result = this.typeOf(macro.result!, inner)
    this.#macros -= 1
    return result === 'dyn' ? start : result
  }
}

const macros = ['all', 'exists', 'exists_one', 'filter', 'has', 'map']

const constantTypes: Record<string, TypeName> = {
  boolValue: 'bool',
  bytesValue: 'bytes',
  doubleValue: 'double',
  int64Value: 'int',
  nullValue: 'null_type',
  stringValue: 'string',
  uint64Value: 'uint',
}

function isEvent({ exprKind }: Expression, names: readonly string[]): boolean {
  return exprKind.case === 'identExpr' && exprKind.value.name === 'event' && !names.includes('event')
}

function textOf({ exprKind }: Expression): string | undefined {
  if (exprKind.case !== 'constExpr') return undefined
  const { constantKind } = exprKind.value
  return constantKind.case === 'stringValue' ? constantKind.value : undefined
}

function fits(type: TypeName, wanted: TypeName): boolean {
  return type === wanted || type === 'dyn' || wanted === 'dyn'
}

function common(types: readonly TypeName[]): TypeName {
  return types.every((type) => type === types[0]) ? (types[0] ?? 'dyn') : 'dyn'
}

function worded(type: TypeName): string {
  const name = type.replace('google.protobuf.', '').replace('_type', '').toLowerCase()
  return /^[aeiou]/.test(name) ? `an ${name}` : name === 'null' ? name : `a ${name}`
}

/** `>` for `_>_`. */
function operatorOf(name: string): string {
  return name === '@in' ? 'in' : name.replaceAll('_', name.startsWith('_') || name.endsWith('_') ? '' : '_')
}
