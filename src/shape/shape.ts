import type { FieldError } from '../contract/errors.ts'
import { compileFilter, filterComplaint, type Verdict } from './filter.ts'
import { ShapeError } from './shape-error.ts'
import { compileTemplate, templateComplaints } from './template.ts'

/** Which events a webhook gets, beyond their type, and as what; null is all of them, and as they are. */
export interface ShapeSource {
  payload_template: unknown
  filter: string | null
}

/** A shape that is ready for any number of events; each is given as its envelope, which is JSON text. */
export interface Shape {
  judge(envelope: string): Verdict
  /** @throws {ShapeError} */
  bodyOf(envelope: string): string
}

const passing: Verdict = { matches: true }

/** @throws {ShapeError | FilterError} for what `shapeComplaints` complains of */
export function compileShape({ payload_template, filter }: ShapeSource): Shape {
  const compiledFilter = filter === null ? undefined : compileFilter(filter)
  const template = payload_template === null ? undefined : compileTemplate(payload_template)
  return {
    judge: (envelope) => compiledFilter?.judge(envelope) ?? passing,
    bodyOf: (envelope) => template?.render(envelope) ?? envelope,
  }
}

/** A shape for one that cannot be used, as SQL may store it: its deliveries fail, and say why. */
export function brokenShape(reason: string): Shape {
  return {
    judge: () => passing,
    bodyOf: () => {
      throw new ShapeError(reason)
    },
  }
}

/** Everything that is wrong with what is named; null is fine for both. */
export function shapeComplaints({ payload_template, filter }: Partial<ShapeSource>): FieldError[] {
  const complaints: FieldError[] = []
  if (payload_template !== undefined && payload_template !== null) {
    complaints.push(...templateComplaints(payload_template))
  }
  const complaint = filter === undefined || filter === null ? undefined : filterComplaint(filter)
  if (complaint !== undefined) complaints.push({ path: 'filter', message: complaint })
  return complaints
}
