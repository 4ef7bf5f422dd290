import { setTimeout as delay } from 'node:timers/promises'
import { machineMs } from './processes/machine-time.ts'
import type { Message, Publisher } from './systems/system.ts'

/** Publishes at an even pace, whatever one call takes; answers when each call began, by `id`. */
export async function publishSteadily(
  publisher: Publisher,
  messages: readonly Message[],
  { perSecond }: { perSecond: number },
): Promise<Map<string, number>> {
  const published = new Map<string, number>()
  const calls: Promise<void>[] = []
  const startedMs = machineMs()
  for (const [number, message] of messages.entries()) {
    const waitMs = startedMs + (number * 1_000) / perSecond - machineMs()
    if (waitMs > 0) await delay(waitMs)
    published.set(message.id, machineMs())
    calls.push(publisher.publish(message))
  }
  await Promise.all(calls)
  return published
}

/** Milliseconds from publishing to arrival. What has not arrived by now is counted as arriving now: at least that. */
export function waits(
  messages: readonly Message[],
  published: ReadonlyMap<string, number>,
  arrivals: ReadonlyMap<string, number>,
): number[] {
  const nowMs = machineMs()
  return messages.map(({ id }) => (arrivals.get(id) ?? nowMs) - published.get(id)!)
}
