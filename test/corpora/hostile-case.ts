import type { Behaviour } from '../support/hostile.ts'

/** What stands in the tables of hostile receivers. */
export interface HostileCase {
  /** "A receiver that …" */
  does: string
  /** With each request that has come in whole. */
  behave: Behaviour
  /** With each connection, before anything has come in on it. */
  atOpen?: Behaviour
  outcome: 'delivered' | 'retry' | 'gone'
  /** Of the answer; none where there was none. */
  status?: number
  /** `last_error`, `{deadline}` standing for the milliseconds of the deadline; null where all is well. */
  says: string | RegExp | null
  /** The stored body. */
  body?: string | RegExp
  /** The request is of 200,000 bytes. */
  isLarge?: true
  /** Nothing but the deadline ends it. */
  isEndless?: true
}

export type Rest = Partial<Pick<HostileCase, 'status' | 'body' | 'isLarge' | 'isEndless' | 'atOpen'>>
type Expected = Omit<HostileCase, 'does' | 'behave'>
export type HostileTable = Record<string, readonly HostileRow[]>
export type HostileRow = readonly [does: string, behave: Behaviour, expected: Expected]

export const delivered = (says: HostileCase['says'] = null, rest: Rest = {}): Expected => ({
  outcome: 'delivered',
  status: 200,
  says,
  ...rest,
})
export const retry = (says: string | RegExp, rest: Rest = {}): Expected => ({
  outcome: 'retry',
  says,
  ...rest,
})
export const answered = (status: number, rest: Rest = {}): Expected =>
  retry(`http ${status}`, { status, ...rest })
export const timeout = (rest: Rest = {}): Expected =>
  retry('timeout after {deadline} ms', { isEndless: true, ...rest })
export const incomplete = (why: string): string => `answer body incomplete: ${why}`
export const cutByDeadline = (rest: Rest = {}): Expected =>
  delivered(incomplete('timeout after {deadline} ms'), { isEndless: true, ...rest })

export const ok = 'HTTP/1.1 200 OK\r\n'
export const empty = 'content-length: 0\r\n\r\n'
export const chunked = `${ok}transfer-encoding: chunked\r\n\r\n`

export const invalid = /^invalid http answer( \(HPE_\w+\))?$/
export const overflow = 'answer headers too large'
