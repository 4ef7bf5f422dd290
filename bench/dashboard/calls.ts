import type { Call } from './pages.ts'

export const adminKey = 'admin'

/** Milliseconds of each of so many calls, one after the other; one before them warms up: a connection, the cache. */
export async function readTimes(
  base: string,
  { path, body }: Call,
  count: number,
): Promise<{ times: number[]; bytes: number }> {
  const headers = { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' }
  const times: number[] = []
  let answer = ''
  for (let call = 0; call <= count; call += 1) {
    const startedMs = performance.now()
    const response = await fetch(base + path, {
      headers,
      ...(body && { method: 'POST', body: JSON.stringify(body) }),
    })
    answer = await response.text()
    if (!response.ok) throw new Error(`${path}: ${answer}`)
    if (call > 0) times.push(performance.now() - startedMs)
  }
  return { times, bytes: answer.length }
}
