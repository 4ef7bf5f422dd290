import type { Pool } from 'pg'

/** From and to: of the settings of a server as of the options of the library. */
export const ranges = {
  concurrency: [1, 1_000],
  leaseSeconds: [5, 300],
  timeoutMs: [1_000, 15_000],
  retentionDays: [1, 3_650],
  disableFailingDays: [0, 365],
  backlogHigh: [0, 100_000],
  backlogLimit: [0, 2_147_483_647],
  pollMs: [10, 60_000],
} as const

type Checked = Partial<Record<keyof typeof ranges, number | undefined>> & {
  connectionString?: string
  pool?: Pool
}

/**
 * What types do not tell, such as `Number(process.env.DAYS)` where there is none: a retention of NaN or -1 days would take
 * the whole history, and without an address `pg` looks for a database wherever there may be one.
 */
export function checkOptions(options: Checked): void {
  const database = 'pool' in options ? options.pool : options.connectionString
  if (!database) {
    throw new TypeError('give a pool or a connectionString: neither says where the database is')
  }
  for (const name of Object.keys(ranges) as (keyof typeof ranges)[]) {
    const value = options[name]
    const [least, most] = ranges[name]
    if (value === undefined || (Number.isInteger(value) && value >= least && value <= most)) continue
    throw new RangeError(`${name} must be a whole number from ${least} to ${most}`)
  }
}
