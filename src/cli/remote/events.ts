import { PostriderApiError } from '../../client/error.ts'
import { exitCodes, Failure } from '../failure.ts'
import { confirm } from './ask.ts'
import { givenData } from './given-data.ts'
import { plain, shortTime, statusStyle } from './output.ts'
import { take } from './page.ts'
import type { Session } from './session.ts'

interface PublishOptions {
  data?: string
  id?: string
  timestamp?: string
  application?: string
  environment?: string
}

export async function publishEvent(
  session: Session,
  [type]: string[],
  { data = '{}', id, timestamp, application, environment }: PublishOptions,
): Promise<number> {
  const event = {
    type: type!,
    data: await givenData(data),
    ...(id !== undefined && { id }),
    ...(timestamp !== undefined && { timestamp }),
    ...(application !== undefined && { application_id: application }),
    ...(environment !== undefined && { environment_name: environment }),
  }
  return publish(session, event)
}

/** Publishes the example that the type was registered with, or one of its schema's. */
export async function trigger(
  session: Session,
  [type]: string[],
  { data }: { data?: string },
): Promise<number> {
  const example = data === undefined ? await exampleOf(session, type!) : await givenData(data)
  return publish(session, { type: type!, data: example })
}

async function publish(session: Session, event: { type: string; data: unknown }): Promise<number> {
  const project = await session.project()
  const publication = await project.publishEvent(event)
  const { id, deliveries, duplicate } = publication
  if (session.output.isJson) session.output.json(publication)
  else if (duplicate) session.output.line(`${id} was published before`)
  else session.output.line(`${id} published, ${deliveries} ${deliveries === 1 ? 'delivery' : 'deliveries'}`)
  return exitCodes.done
}

async function exampleOf(session: Session, type: string): Promise<unknown> {
  const project = await session.project()
  try {
    const { example, schema } = await project.getEventType(type)
    const found = example ?? (schema as { examples?: unknown[] } | null)?.examples?.[0]
    if (found !== null && found !== undefined) return found
  } catch (error) {
    if (!(error instanceof PostriderApiError) || error.status !== 404) throw error
    throw new Failure(
      `there is no event type ${plain(type)}\n` +
        `register it with an example ('postrider types push', or in the dashboard), or say what it carries: ` +
        `postrider trigger ${plain(type)} --data '{}'`,
      { exitCode: exitCodes.notFound, cause: error },
    )
  }
  throw new Failure(
    `the event type ${plain(type)} has no example\n` +
      `give it one ('postrider types push', or in the dashboard), or say what it carries: ` +
      `postrider trigger ${plain(type)} --data '{}'`,
    { exitCode: exitCodes.notFound },
  )
}

interface ListOptions {
  type?: string
  since?: string
  until?: string
  limit: number
}

export async function listEvents(
  session: Session,
  _args: string[],
  { type, since, until, limit }: ListOptions,
): Promise<number> {
  const { output } = session
  const project = await session.project()
  const page = await take(
    (query) =>
      project.listEvents({
        ...query,
        ...(type && { type }),
        ...(since && { since }),
        ...(until && { until }),
      }),
    limit,
  )
  if (output.isJson) output.json(page)
  else if (page.events.length === 0) output.line('no events')
  else {
    output.table(page.events, [
      { title: 'ID', text: ({ id }) => id },
      { title: 'TYPE', text: (event) => event.type },
      { title: 'PUBLISHED', text: ({ created_at }) => shortTime(created_at) },
      { title: 'ENVIRONMENT', text: ({ environment_name }) => environment_name },
      { title: 'DELIVERIES', text: ({ deliveries }) => deliveries },
    ])
  }
  return exitCodes.done
}

export async function showEvent(session: Session, [id]: string[]): Promise<number> {
  const { output } = session
  const project = await session.project()
  const event = await project.getEvent(id!)
  if (output.isJson) {
    output.json(event)
    return exitCodes.done
  }
  output.fields([
    ['id', event.id],
    ['type', event.type],
    ['timestamp', event.timestamp],
    ['published', event.created_at],
    ['application', event.application_id],
    ['environment', event.environment_name],
  ])
  const { payload_expired_at } = event
  if (payload_expired_at === null) output.line(`\n${indented(event.payload)}\n`)
  else output.line(`\nits payload has expired, ${shortTime(payload_expired_at)}\n`)
  const { deliveries, filtered } = event
  if (deliveries.length === 0 && filtered.length === 0) output.line('no webhook matched')
  if (deliveries.length > 0) {
    output.table(deliveries, [
      { title: 'DELIVERY', text: (delivery) => delivery.id },
      { title: 'WEBHOOK', text: ({ webhook_id }) => webhook_id },
      { title: 'STATUS', text: ({ status }) => status, style: ({ status }) => statusStyle(status) },
      { title: 'ATTEMPTS', text: ({ attempts, max_attempts }) => `${attempts}/${max_attempts}` },
      { title: 'LAST', text: ({ last_error, last_response_status }) => last_error ?? last_response_status },
    ])
  }
  if (deliveries.length > 0 && filtered.length > 0) output.line()
  if (filtered.length > 0) {
    output.table(filtered, [
      { title: 'KEPT BACK FROM', text: ({ webhook_id }) => webhook_id },
      { title: 'WHY', text: ({ reason }) => reason },
      { title: 'FILTER', text: ({ filter }) => filter },
    ])
  }
  return exitCodes.done
}

/** For good, with all that came of it. */
export async function eraseEvent(
  session: Session,
  [id]: string[],
  { yes }: { yes?: boolean },
): Promise<number> {
  const { output } = session
  const project = await session.project()
  const { type, deliveries } = await project.getEvent(id!)
  await confirm(`Erase the event ${id} (${type}) with its ${deliveries.length} deliveries?`, {
    yes: yes || output.isJson,
  })
  await project.eraseEvent(id!)
  if (output.isJson) output.json({ id, erased: true })
  else output.line(`${id} is erased`)
  return exitCodes.done
}

/** JSON as people read it; its texts are escaped, and so harmless, but for what turns writing around. */
export function indented(value: unknown): string {
  return JSON.stringify(value, null, 2).split('\n').map(plain).join('\n')
}
