import { setTimeout as delay } from 'node:timers/promises'
import { newId } from '../../ids.ts'
import { Failure } from '../failure.ts'
import type { ApiCalls, Attempt, Delivery } from './calls.ts'
import { events } from './event-types.ts'
import type { Narrator } from './narrator.ts'
import type { Arrival, Receiver } from './receiver.ts'
import { sampleEvent } from './samples.ts'

const deliverWithinMs = 30_000

export interface Stage {
  narrator: Narrator
  calls: ApiCalls
  receiver: Receiver
}

export interface Scene {
  projectId: string
  applicationId: string
}

/** The journey of one event, told while it happens. Throws a `Failure` if it does not arrive as it should. */
export async function tellJourney(stage: Stage): Promise<Scene> {
  const scene = await setScene(stage)
  const { narrator, calls, receiver } = stage

  narrator.step('Publish an event')
  const event = { id: newId(), ...sampleEvent(0), application_id: scene.applicationId }
  const arriving = inTime(receiver.arrival(event.id), 'the delivery did not arrive')
  const publishedAtMs = performance.now()
  const { deliveries } = await calls.publish(scene.projectId, event)
  narrator.line(`POST /api/projects/${scene.projectId}/events`)
  narrator.json(event)
  narrator.done(`accepted, for ${deliveries === 1 ? 'one webhook' : `${deliveries} webhooks`}`)

  const arrival = await arriving
  narrator.step(
    `The receiver gets it, ${Math.round(performance.now() - publishedAtMs)} ms after it was published`,
  )
  showRequest(narrator, arrival)
  if (arrival.problem !== null) throw new Failure(`the receiver refused the delivery: ${arrival.problem}`)
  narrator.done("signature verified with 'postrider/verify'")

  narrator.step('What Postrider recorded')
  const delivery = await showRecord(stage, scene, event.id)
  if (delivery.status !== 'delivered') throw new Failure(`the delivery was recorded as ${delivery.status}`)
  return scene
}

/** A receiver that is down for a moment: nothing is lost, the delivery waits for its next try. */
export async function tellRetry(stage: Stage, scene: Scene): Promise<void> {
  const { narrator, calls, receiver } = stage
  narrator.step('Now the receiver has a bad moment and answers 503')
  const event = { id: newId(), ...sampleEvent(1), application_id: scene.applicationId }
  receiver.answerNext(503)
  await calls.publish(scene.projectId, event)
  const delivery = await showRecord(stage, scene, event.id)
  const waitSeconds = Math.round((Date.parse(delivery.scheduled_at) - Date.now()) / 1000)
  narrator.done(`nothing is lost: it is tried again in ${waitSeconds} s; stay and see it arrive`)
}

export async function publishOne({ calls }: Stage, scene: Scene, number: number): Promise<void> {
  const event = { id: newId(), ...sampleEvent(number), application_id: scene.applicationId }
  await calls.publish(scene.projectId, event)
}

/** One line for each request that arrives while the demo stays up. */
export function tellArrival(narrator: Narrator, { event, headers, problem }: Arrival): void {
  const time = new Date().toTimeString().slice(0, 8)
  if (event === null) return narrator.warning(`${time}  refused: ${problem}`)
  const delayMs = Date.now() - Date.parse(event.timestamp)
  const when =
    delayMs < 2_000
      ? `${delayMs} ms after it was published`
      : `attempt ${String(headers['postrider-attempt'])}`
  narrator.done(`${time}  ${event.type} arrived, ${when}, signature verified`)
}

async function setScene({ narrator, calls, receiver }: Stage): Promise<Scene> {
  narrator.step('Create a project with its event types, an application and a webhook')
  const project = await calls.createProject('Demo')
  const application = await calls.createApplication(project.id, 'checkout')
  for (const definition of events.definitions) await calls.createEventType(project.id, definition)
  const webhook = await calls.createWebhook(project.id, {
    name: 'Tell me of every change',
    url: receiver.url(),
    event_types: ['config.*'],
  })
  receiver.trust(webhook.secret)
  narrator.facts({
    project: project.id,
    application: application.id,
    webhook: webhook.id,
    url: receiver.url(),
    'event types': 'config.*',
    registered: `${events.definitions.map(({ name }) => name).join(', ')}, each with a schema that data must fit`,
    secret: `${webhook.secret.slice(0, 10)}…  (shown once, when a webhook is made; the receiver has it now)`,
  })
  return { projectId: project.id, applicationId: application.id }
}

function showRequest(narrator: Narrator, { headers, body }: Arrival): void {
  narrator.line('POST /webhooks')
  const told = Object.entries(headers).filter(([name]) =>
    /^(content-type|user-agent|webhook-|postrider-)/.test(name),
  )
  narrator.facts(Object.fromEntries(told))
  narrator.json(JSON.parse(body))
}

async function showRecord(
  { narrator, calls }: Stage,
  { projectId }: Scene,
  eventId: string,
): Promise<Delivery> {
  const delivery = await inTime(calls.recordedDelivery(projectId, eventId), 'the delivery was not recorded')
  const attempts = await calls.attempts(projectId, delivery.id)
  narrator.facts({
    delivery: delivery.id,
    status: delivery.status,
    attempts: `${delivery.attempts} of at most ${delivery.max_attempts}`,
    ...(delivery.delivered_at !== null && { 'delivered at': delivery.delivered_at }),
    ...(delivery.last_error !== null && { 'last error': delivery.last_error }),
    ...Object.fromEntries(attempts.map(inWords)),
  })
  return delivery
}

function inWords({ attempt, response_status, duration_ms, outcome }: Attempt): [string, string] {
  return [`attempt ${attempt}`, `answered ${response_status} after ${duration_ms} ms: ${outcome}`]
}

/** Fails with these words if it takes too long. */
async function inTime<Result>(promise: Promise<Result>, failure: string): Promise<Result> {
  const timer = new AbortController()
  const late = delay(deliverWithinMs, undefined, { signal: timer.signal }).then(() => {
    throw new Failure(`${failure} within ${deliverWithinMs / 1000} s`)
  })
  return Promise.race([promise, late]).finally(() => timer.abort())
}
