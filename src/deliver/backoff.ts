/** When to try again. Pure: chance and time come in as arguments. */

const longestRetryAfterSeconds = 24 * 60 * 60

/**
 * Seconds until the next try, with 0..10 % added so that a receiver that was down is not hit by all at once.
 *
 * The place in the schedule is counted from its end, by the tries that are left: a manual retry raises
 * `maxAttempts` to `attempts` + a full schedule, and with that the delays begin anew. A row from before the
 * schedule was changed may have more or fewer tries left than the schedule has delays; it stays inside.
 *
 * @param attemptsMade tries with a recorded result, the one just made included
 */
export function retryDelaySeconds(
  { attemptsMade, maxAttempts }: { attemptsMade: number; maxAttempts: number },
  retrySeconds: readonly number[],
  random: () => number,
): number {
  const attemptsLeft = maxAttempts - attemptsMade
  const place = Math.min(Math.max(retrySeconds.length - attemptsLeft, 0), retrySeconds.length - 1)
  return (retrySeconds[place] ?? 0) * (1 + random() / 10)
}

/**
 * The moment a `Retry-After` header names (RFC 9110 § 10.2.3: seconds or a date), never before `now` and never
 * more than 24 hours after it, whatever the receiver wrote; `undefined` where it names none.
 */
export function parseRetryAfter(value: string, now: Date): Date | undefined {
  const seconds = secondsOf(value.trim(), now)
  if (seconds === undefined || Number.isNaN(seconds)) return undefined
  return new Date(now.getTime() + Math.min(Math.max(seconds, 0), longestRetryAfterSeconds) * 1_000)
}

function secondsOf(value: string, now: Date): number | undefined {
  // Before dates: Date.parse takes "-5" for one.
  if (/^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(value)) return Number(value)
  if (!/^(mon|tue|wed|thu|fri|sat|sun)/i.test(value)) return undefined
  // The old asctime form carries no zone and means GMT.
  const date = /(gmt|utc|[+-]\d{4})$/i.test(value) ? value : `${value} GMT`
  return (Date.parse(date) - now.getTime()) / 1_000
}
