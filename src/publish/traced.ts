/** What a statement that publishes says beside the call of the function, where there is a trace. */
export interface Tracing {
  /** Columns of what is evaluated before the function is called. */
  before: string
  /** Columns of what is evaluated when it has ended. */
  after: string
}

/** The statement stands as it is: who traces nothing pays nothing. */
export const untraced: Tracing = { before: '', after: '' }

/**
 * The function takes the trace from a setting, since its arguments are what every caller in SQL knows. It is set for this
 * statement alone, in the same round trip: in a transaction of the caller's the next statement finds what was there before.
 * A function in FROM has run to its end before the columns beside it are evaluated.
 */
export function tracedBy(parameter: '$5' | '$10'): Tracing {
  return {
    before: `,
       COALESCE(current_setting('postrider.traceparent', true), '') AS trace_before,
       set_config('postrider.traceparent', ${parameter}::text, true) AS trace`,
    after: `,
     set_config('postrider.traceparent', checked.trace_before, true)`,
  }
}
