import { type CelInput, celMap, isCelError, isCelMap, parse, plan } from '@bufbuild/cel'
import type { Comprehension, Expression } from './cel.ts'
import { checkFilter } from './filter-check.ts'
import { beginCounting, counted, countedLanguage, TooExpensive } from './filter-cost.ts'
import { FilterError } from './filter-error.ts'
import { celOf } from './event-value.ts'
import { maxFilterLength } from './limits.ts'

/** Whether an event goes on to a webhook; if not, why, in words. */
export type Verdict = { matches: true } | { matches: false; reason: string }

export interface Filter {
  /** Of an envelope, which is JSON text. What cannot be evaluated does not match. The same envelope, the same verdict. */
  judge(envelope: string): Verdict
}

/**
 * A filter in CEL over `event`, ready to be asked for any number of events.
 *
 * @throws {FilterError}
 */
export function compileFilter(source: string): Filter {
  const expression = read(source)
  const evaluate = plan(countedLanguage, expression)
  // What makes a time of a text costs more than the rest: only for those that ask for it.
  const asksForTime = source.includes('timestamp')
  return {
    judge(envelope) {
      const answer = withoutTraces(() => {
        beginCounting()
        return evaluate({ event: eventOf(envelope, asksForTime) })
      })
      if (answer === true) return { matches: true }
      if (answer === false) return { matches: false, reason: 'the filter does not match' }
      return { matches: false, reason: `the filter cannot be evaluated: ${reasonOf(answer)}` }
    },
  }
}

/** An evaluation may make an error for each item that it walks through, and their traces take longer than all the rest. */
function withoutTraces<Result>(work: () => Result): Result {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return work()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** What is wrong with a filter, in words that say where, if anything is. */
export function filterComplaint(source: string): string | undefined {
  try {
    read(source)
    return undefined
  } catch (error) {
    if (!(error instanceof FilterError)) throw error
    const before = source.slice(0, error.offset).split('\n')
    return `line ${before.length}, column ${before.at(-1)!.length + 1}: ${error.message}`
  }
}

function read(source: string): Expression {
  if (source.length > maxFilterLength) {
    throw new FilterError(
      `is longer than ${maxFilterLength.toLocaleString('en')} characters`,
      maxFilterLength,
    )
  }
  checkBrackets(source)
  const { expr, sourceInfo } = parsed(source)
  checkFilter(expr, sourceInfo?.positions ?? {})
  makeCountable(expr)
  return expr
}

/** The parser calls itself for each bracket. */
const mostBrackets = 32

function checkBrackets(source: string): void {
  let open = 0
  for (const { 0: bracket, index } of source.matchAll(/[()[\]{}]/g)) {
    open += '([{'.includes(bracket) ? 1 : -1
    if (open > mostBrackets) throw new FilterError('has too many brackets in each other', index)
  }
}

function parsed(source: string): ReturnType<typeof parse> {
  try {
    return parse(source)
  } catch (error) {
    const { location, found, rawMessage } = error as Partial<SyntaxProblem>
    const offset = location?.start.offset ?? 0
    if (found !== undefined) {
      const what = found === '' ? 'ends too soon' : `cannot be read as CEL from ${JSON.stringify(found)} on`
      throw new FilterError(what, offset, { cause: error })
    }
    const message = rawMessage ?? (error instanceof RangeError ? 'is nested too deeply' : String(error))
    throw new FilterError(message, offset, { cause: error })
  }
}

/** What the parser throws; its classes are not exported. */
interface SyntaxProblem {
  location: { start: { offset: number } }
  found: string
  rawMessage: string
}

/**
 * Puts into each macro what counts: the steps for each item before it walks through them, and lists that grow in place.
 * Answers how many steps the expression takes without what stands in macros.
 */
function makeCountable(expression: Expression): number {
  const { exprKind: kind } = expression
  switch (kind.case) {
    case 'selectExpr':
      return 1 + makeCountable(kind.value.operand!)
    case 'callExpr': {
      const { target, args } = kind.value
      return (target ? [target, ...args] : args).reduce((steps, each) => steps + makeCountable(each), 1)
    }
    case 'listExpr':
      return kind.value.elements.reduce((steps, element) => steps + makeCountable(element), 1)
    case 'structExpr':
      return kind.value.entries.reduce((steps, { keyKind, value }) => {
        const key = keyKind.case === 'mapKey' ? makeCountable(keyKind.value) : 0
        return steps + key + (value ? makeCountable(value) : 0)
      }, 1)
    case 'comprehensionExpr':
      return 1 + makeMacroCountable(kind.value)
    case 'constExpr':
    case 'identExpr':
    case undefined:
    default:
      return 1
  }
}

function makeMacroCountable(macro: Comprehension): number {
  const { iterRange, accuInit, loopCondition, loopStep, result } = macro
  if (accuInit!.exprKind.case === 'listExpr') {
    macro.accuInit = call(accuInit!, counted.emptyList, [])
    growInPlace(loopStep!)
  }
  const steps = makeCountable(iterRange!)
  const stepsForEach = makeCountable(loopCondition!) + makeCountable(loopStep!)
  const each: Expression = {
    ...iterRange!,
    exprKind: {
      case: 'constExpr',
      value: {
        $typeName: 'cel.expr.Constant',
        constantKind: { case: 'int64Value', value: BigInt(stepsForEach) },
      },
    },
  }
  macro.iterRange = call(iterRange!, counted.items, [iterRange!, each])
  return steps + makeCountable(result!)
}

/** `@result + [value]`, or a choice between that and `@result`. */
function growInPlace({ exprKind }: Expression): void {
  if (exprKind.case !== 'callExpr') return
  const { args } = exprKind.value
  if (exprKind.value.function === '_?_:_') {
    growInPlace(args[1]!)
    return
  }
  const added = args[1]?.exprKind
  if (exprKind.value.function !== '_+_' || added?.case !== 'listExpr') return
  exprKind.value.function = counted.append
  exprKind.value.args = [args[0]!, added.value.elements[0]!]
}

function call(place: Expression, name: string, args: Expression[]): Expression {
  return {
    ...place,
    exprKind: { case: 'callExpr', value: { $typeName: 'cel.expr.Expr.Call', function: name, args } },
  }
}

const timeOf = plan(countedLanguage, parse('timestamp(text)'))

/** What a filter sees of an envelope. Application and environment are there in any case. */
function eventOf(envelope: string, asksForTime: boolean): CelInput {
  const whole = celOf(envelope)
  const given = (name: string): CelInput | undefined => (isCelMap(whole) ? whole.get(name) : undefined)
  const text = given('timestamp')
  const timestamp = asksForTime && text !== undefined ? (timeOf({ text }) as CelInput) : text
  const event = new Map<string, CelInput>([
    ['application_id', given('application_id') ?? null],
    ['environment_name', given('environment_name') ?? null],
  ])
  for (const [name, value] of Object.entries({
    id: given('id'),
    type: given('type'),
    timestamp,
    data: given('data'),
  })) {
    if (value !== undefined) event.set(name, value)
  }
  return celMap(event)
}

/** In few words, which may go into a log and a table. */
function reasonOf(answer: unknown): string {
  if (!isCelError(answer)) return 'it answers neither true nor false'
  const cause = answer.cause
  const message = cause instanceof TooExpensive ? `it ${cause.message}` : answer.message
  // eslint-disable-next-line no-control-regex -- PostgreSQL stores no NUL
  return message.replaceAll(/[\0-\x1f\x7f]/g, ' ').slice(0, 300)
}
