import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { HostileReceiver, saysNothing, sends } from '../support/hostile.ts'
import type { Order, Outcome } from '../support/sender-child.ts'

/** Receivers that never let go of a connection: 10,000 of them in the long form (`LONG_TESTS=1`). */

const isLong = Boolean(process.env['LONG_TESTS'])
const count = isLong ? 10_000 : 1_200
const timeoutMs = isLong ? 10_000 : 2_000

let child: ChildProcess
beforeEach(() => {
  child = fork(join(import.meta.dirname, '../support/sender-child.ts'), {
    execArgv: ['--max-semi-space-size=16'],
  })
})
afterEach(async () => {
  const exit = once(child, 'exit')
  child.send('stop')
  const [code, signal] = await exit
  if (code !== 0) throw new Error(`the sender ended with ${code ?? signal}`)
})

it(`${count} that say nothing, all at once, are given up at the deadline`, { timeout: 120_000 }, async () => {
  await using receiver = await HostileReceiver.start(saysNothing)
  const outcome = await order({ port: receiver.port, count, inFlight: count, timeoutMs })
  tell('held without an answer', outcome)
  expect(outcome.endings).toEqual({ [`timeout after ${timeoutMs} ms`]: count })
  expect(outcome.longestMs).toBeLessThan(timeoutMs + 3_000)
  // Each takes about 25 KiB.
  expect(outcome.growthMiB).toBeLessThan(64 + (count * 40) / 1_024)
  expect(receiver.connections).toBe(count)
  await receiver.allClosed()
})

it(`${count} that answer and stay are let go of within seconds`, { timeout: 120_000 }, async () => {
  await using receiver = await HostileReceiver.start(
    sends('HTTP/1.1 204 No\r\nkeep-alive: timeout=9999\r\n\r\n'),
  )
  const outcome = await order({ port: receiver.port, count, inFlight: 64, timeoutMs: 10_000 })
  tell('answered and held', outcome)
  expect(outcome.endings).toEqual({ 'http 204': count })
  expect(receiver.connections).toBe(count)
  // Of those that are idle 1,000 are kept, for two seconds; some are just closing.
  expect(receiver.openConnections).toBeLessThan(1_150)
  await receiver.allClosed(10_000)
})

async function order(given: Order): Promise<Outcome> {
  const answer = once(child, 'message')
  child.send(given)
  return (await answer)[0]
}

function tell(what: string, { longestMs, growthMiB }: Outcome): void {
  process.stdout.write(
    `${count} connections ${what}: longest ${longestMs} ms, RSS grew by ${growthMiB.toFixed(0)} MiB\n`,
  )
}
