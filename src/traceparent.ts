/** The `traceparent` of W3C Trace Context: `00-` trace id `-` id of the parent span `-` flags. */

const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
const noTrace = /^0+$/

/** As it is passed on, in version 00 (§ 3.2.2, § 4.3). What is none, or of an unknown form, is as good as not there. */
export function readTraceparent(text: string | null | undefined): string | undefined {
  if (text === null || text === undefined) return undefined
  const [, version, traceId = '', parentId = '', flags = '', more] = form.exec(text) ?? []
  if (version === undefined || version === 'ff' || noTrace.test(traceId) || noTrace.test(parentId))
    return undefined
  if (version === '00') return more === undefined ? text : undefined
  // Of a later version what is known of it today: the first four fields, and whether the trace is sampled.
  return `00-${traceId}-${parentId}-0${Number.parseInt(flags, 16) & 1}`
}

/** Of one that was read by `readTraceparent`. */
export function traceIdOf(traceparent: string): string {
  return traceparent.slice(3, 35)
}
