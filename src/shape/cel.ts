import { celEnv, celFunc, CelScalar, parse } from '@bufbuild/cel'

/** The expression language of filters: https://cel.dev, with what its library says of types and functions. */

export type Expression = ReturnType<typeof parse>['expr']
export type Comprehension = Extract<Expression['exprKind'], { case: 'comprehensionExpr' }>['value']
export type Call = Extract<Expression['exprKind'], { case: 'callExpr' }>['value']

const { INT, DOUBLE } = CelScalar

/**
 * Whole numbers of an event are `int` and others `double`, whatever their author thought of: so that `amount * 1.5` means
 * something for both, they are calculated with each other.
 */
const mixed = [
  { name: '_+_', apply: (left: number, right: number) => left + right },
  { name: '_-_', apply: (left: number, right: number) => left - right },
  { name: '_*_', apply: (left: number, right: number) => left * right },
  { name: '_/_', apply: (left: number, right: number) => left / right },
].flatMap(({ name, apply }) => [
  celFunc(name, [INT, DOUBLE], DOUBLE, (left, right) => apply(Number(left), right)),
  celFunc(name, [DOUBLE, INT], DOUBLE, (left, right) => apply(left, Number(right))),
])

/** The functions that there are. */
export const language: ReturnType<typeof celEnv> = celEnv({ funcs: mixed })
