import type { Verdict } from './verdict.ts'

/** `long` is the fault at its full size; `short` the same in small, for every run of the tests. */
export type Form = 'long' | 'short'

export interface Scenario {
  name: string
  /** What is done to the system, in a few words. */
  fault: string
  run(form: Form): Promise<Outcome>
}

export type Outcome = Verdict | { skipped: string }

/** How long a delivery stays claimed: as it ships, and the shortest there is. */
export const leaseSecondsOf = { long: 15, short: 5 } as const satisfies Record<Form, number>

/**
 * What was cut off is sent again when its lease is over, a second until somebody looks, and one more. The short form
 * shares its machine with other tests, and forgives more.
 */
export const forgivenSecondsOf = { long: 2, short: 5 } as const satisfies Record<Form, number>
