import type { AnswerOf } from '../../client/client.ts'
import { exitCodes, Failure } from '../failure.ts'
import { confirm } from './ask.ts'
import { givenData } from './given-data.ts'
import type { Output } from './output.ts'
import { take } from './page.ts'
import type { Session } from './session.ts'

type Webhook = AnswerOf<'getWebhook'>

export async function listWebhooks(
  session: Session,
  _args: string[],
  { limit }: { limit: number },
): Promise<number> {
  const { output } = session
  const project = await session.project()
  const page = await take((query) => project.listWebhooks(query), limit)
  if (output.isJson) output.json(page)
  else if (page.webhooks.length === 0) output.line('no webhooks')
  else {
    output.table(page.webhooks, [
      { title: 'ID', text: ({ id }) => id },
      { title: 'NAME', text: ({ name }) => name },
      { title: 'STATE', text: stateOf, style: ({ is_active }) => (is_active ? 'green' : 'yellow') },
      { title: 'EVENT TYPES', text: ({ event_types }) => event_types.join(', ') },
      { title: 'URL', text: ({ url }) => url },
    ])
  }
  return exitCodes.done
}

function stateOf({ is_active, disabled_reason }: Webhook): string {
  if (is_active) return 'active'
  return disabled_reason === null ? 'inactive' : `inactive (${disabled_reason})`
}

export async function showWebhook(session: Session, [id]: string[]): Promise<number> {
  const project = await session.project()
  return tell(session.output, await project.getWebhook(id!))
}

/** One webhook, as JSON or in words. */
function tell(output: Output, webhook: Webhook & { secret?: string | null }): number {
  if (output.isJson) output.json(webhook)
  else {
    output.fields([
      ['id', webhook.id],
      ['name', webhook.name],
      ['url', webhook.url],
      ['state', stateOf(webhook)],
      ['gets', webhook.operational ? 'what Postrider tells of itself' : null],
      ['endpoint down since', webhook.down_since],
      ['failing since', webhook.failing_since],
      ['becomes inactive', webhook.disables_at],
      ['event types', webhook.event_types.join(', ')],
      ['application', webhook.application_id],
      ['environment', webhook.environment_name],
      ['filter', webhook.filter],
      ['template', webhook.payload_template === null ? null : JSON.stringify(webhook.payload_template)],
      ['headers', webhook.header_names.join(', ') || null],
      ['description', webhook.description],
      ...webhook.public_keys.map((key) => ['public key', key] as const),
      ...(webhook.secret ? [['secret', `${webhook.secret}  (shown this once)`] as const] : []),
      ['created', webhook.created_at],
    ])
  }
  return exitCodes.done
}

interface CreateOptions {
  name?: string
  types?: string
  description?: string
  application?: string
  environment?: string
  filter?: string
  template?: string
  header?: string[]
  secret?: string
  inactive?: boolean
  operational?: boolean
}

export async function createWebhook(
  session: Session,
  [url]: string[],
  options: CreateOptions,
): Promise<number> {
  const { types, description, application, environment, filter, template, header, secret } = options
  const project = await session.project()
  const created = await project.createWebhook({
    name: options.name ?? (URL.parse(url!)?.host || url!),
    url: url!,
    ...(types !== undefined && { event_types: types.split(',').map((type) => type.trim()) }),
    ...(description !== undefined && { description }),
    ...(application !== undefined && { application_id: application }),
    ...(environment !== undefined && { environment_name: environment }),
    ...(filter !== undefined && { filter }),
    ...(template !== undefined && { payload_template: await givenData(template, '--template') }),
    ...(header !== undefined && { headers: Object.fromEntries(header.map(headerOf)) }),
    ...(secret !== undefined && { secret }),
    ...(options.inactive && { is_active: false }),
    ...(options.operational && { operational: true }),
  })
  return tell(session.output, created)
}

function headerOf(text: string): [string, string] {
  const colon = text.indexOf(':')
  // What it is may be a secret.
  if (colon < 1) throw new Failure('--header must be name:value', { exitCode: exitCodes.misused })
  return [text.slice(0, colon).trim(), text.slice(colon + 1).trim()]
}

export async function testWebhook(
  session: Session,
  [id]: string[],
  { type, data }: { type?: string; data?: string },
): Promise<number> {
  const { output } = session
  const project = await session.project()
  const result = await project.testWebhook(id!, {
    ...(type !== undefined && { type }),
    ...(data !== undefined && { data: await givenData(data) }),
  })
  if (output.isJson) output.json(result)
  else if (result.success) {
    output.line(`${output.style('green', 'delivered')}: ${result.message} (${result.response_time_ms} ms)`)
  } else output.line(`${output.style('red', 'failed')}: ${result.error}`)
  return result.success ? exitCodes.done : exitCodes.failed
}

export function enableWebhook(session: Session, [id]: string[]): Promise<number> {
  return setActive(session, id!, true)
}

export function disableWebhook(session: Session, [id]: string[]): Promise<number> {
  return setActive(session, id!, false)
}

async function setActive(session: Session, id: string, isActive: boolean): Promise<number> {
  const { output } = session
  const project = await session.project()
  const webhook = await project.updateWebhook(id, { is_active: isActive })
  if (output.isJson) output.json(webhook)
  else output.line(`${webhook.id} is ${stateOf(webhook)}`)
  return exitCodes.done
}

export async function rotateSecret(
  session: Session,
  [id]: string[],
  { overlapSeconds }: { overlapSeconds?: number },
): Promise<number> {
  const { output } = session
  const project = await session.project()
  const rotated = await project.regenerateSecret(
    id!,
    overlapSeconds === undefined ? {} : { overlap_seconds: overlapSeconds },
  )
  if (output.isJson) output.json(rotated)
  else {
    output.fields([
      ...(rotated.secret ? [['secret', `${rotated.secret}  (shown this once)`] as const] : []),
      ...(rotated.public_key ? [['public key', rotated.public_key] as const] : []),
      ['the one before signs until', rotated.previous_expires_at],
    ])
  }
  return exitCodes.done
}

export async function deleteWebhook(
  session: Session,
  [id]: string[],
  { yes }: { yes?: boolean },
): Promise<number> {
  const { output } = session
  const project = await session.project()
  const { name } = await project.getWebhook(id!)
  await confirm(`Delete the webhook ${JSON.stringify(name)} and the history of its deliveries?`, {
    yes: yes || output.isJson,
  })
  await project.deleteWebhook(id!)
  if (output.isJson) output.json({ id, deleted: true })
  else output.line(`${id} is deleted`)
  return exitCodes.done
}
